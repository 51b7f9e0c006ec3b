/**
 * Get Location Access Token from Agency Token: `POST /oauth/locationToken`.
 *
 * @see {@link https://marketplace.gohighlevel.com/docs/ghl/oauth/get-location-access-token | Get Location Access Token from Agency Token}
 */
import * as Schema from "effect/Schema"
import * as ErrorResponse from "./ErrorResponse.ts"
import { AccessTokenResponse } from "./getAccessToken.ts"
import * as Operation from "./Operation.ts"

/** The form fields. */
export const LocationAccessTokenRequest = Schema.Struct({ companyId: Schema.String, locationId: Schema.String })

/**
 * The operation, sent with the agency's token. The response may lack a refresh token:
 * exchange again after it expires.
 */
export const getLocationAccessToken = Operation.make({
  name: "OAuth.getLocationAccessToken",
  documentation: "https://marketplace.gohighlevel.com/docs/ghl/oauth/get-location-access-token",
  method: "POST",
  path: "/oauth/locationToken",
  input: LocationAccessTokenRequest,
  headers: { version: Operation.ApiVersion },
  payload: LocationAccessTokenRequest,
  encoding: "form",
  success: AccessTokenResponse,
  error: [ErrorResponse.BadRequest, ErrorResponse.Unprocessable],
  isIdempotent: true,
  isWrite: false
})
