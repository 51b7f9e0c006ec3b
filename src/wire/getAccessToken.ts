/**
 * Get Access Token: `POST /oauth/token`, which exchanges a code or a refresh token.
 *
 * @see {@link https://marketplace.gohighlevel.com/docs/ghl/oauth/get-access-token | Get Access Token}
 */
import * as Schema from "effect/Schema"
import * as ErrorResponse from "./ErrorResponse.ts"
import * as Lenient from "./lenient.ts"
import * as Operation from "./Operation.ts"

/** The type of a token: of an agency (`Company`) or of a sub-account (`Location`). */
export const UserType = Schema.Literals(["Company", "Location"])

export type UserType = typeof UserType.Type

const Secret = Schema.RedactedFromValue(Schema.String)

/** The form fields. HighLevel refuses camelCase fields with a 422. */
export const AccessTokenRequest = Schema.Struct({
  client_id: Schema.String,
  client_secret: Secret,
  grant_type: Schema.Literals(["authorization_code", "refresh_token", "client_credentials"]),
  code: Schema.optionalKey(Secret),
  refresh_token: Schema.optionalKey(Secret),
  user_type: Schema.optionalKey(UserType),
  redirect_uri: Schema.optionalKey(Schema.String)
})

const seconds = Schema.Union([Schema.Finite, Schema.FiniteFromString])

/**
 * The 200, in snake case (documented) or in camel case (`v3`). Every field may be
 * missing.
 */
export const AccessTokenResponse = Lenient.struct({
  access_token: Lenient.field(Secret),
  accessToken: Lenient.field(Secret),
  token_type: Lenient.field(Schema.String),
  tokenType: Lenient.field(Schema.String),
  /** The lifetime, in seconds. */
  expires_in: Lenient.field(seconds),
  expiresIn: Lenient.field(seconds),
  refresh_token: Lenient.field(Secret),
  refreshToken: Lenient.field(Secret),
  scope: Lenient.field(Schema.String),
  userType: Lenient.field(Schema.String),
  locationId: Lenient.field(Schema.String),
  companyId: Lenient.field(Schema.String),
  /** The locations whose tokens an agency's token can be exchanged for. */
  approvedLocations: Lenient.field(Schema.Array(Schema.String)),
  userId: Lenient.field(Schema.String),
  /** The id of the customer's plan, for a paid app. */
  planId: Lenient.field(Schema.String),
  /** Whether an agency installed the app in several locations. */
  isBulkInstallation: Lenient.field(Schema.Boolean),
  /** Whether the app is also installed in locations that the agency adds later. */
  installToFutureLocations: Lenient.field(Schema.Boolean),
  /** Whether the agency approved all of its locations. */
  approveAllLocations: Lenient.field(Schema.Boolean)
})

/**
 * The operation. A code or a refresh token can be used once; for 30 seconds, the same
 * refresh token returns the same response.
 */
export const getAccessToken = Operation.make({
  name: "OAuth.getAccessToken",
  documentation: "https://marketplace.gohighlevel.com/docs/ghl/oauth/get-access-token",
  method: "POST",
  path: "/oauth/token",
  input: AccessTokenRequest,
  payload: AccessTokenRequest,
  encoding: "form",
  success: AccessTokenResponse,
  error: [ErrorResponse.BadRequest, ErrorResponse.Unauthorized, ErrorResponse.Unprocessable],
  isIdempotent: false,
  isWrite: true
})
