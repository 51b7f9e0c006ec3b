/**
 * Get Access Token: `POST /oauth/token`, which exchanges a code or a refresh token.
 *
 * @see {@link https://marketplace.gohighlevel.com/docs/ghl/oauth/get-access-token | Get Access Token}
 */
import * as Schema from "effect/Schema"
import * as ErrorResponse from "./ErrorResponse.ts"
import * as Lenient from "./lenient.ts"
import * as Operation from "./Operation.ts"

/** Whose token it is: an agency's (`Company`) or a sub-account's (`Location`). */
export const UserType = Schema.Literals(["Company", "Location"])

export type UserType = typeof UserType.Type

const Secret = Schema.RedactedFromValue(Schema.String)

/** The form. Live, camelCase fields are refused with a 422. */
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
 * The 200 in either of its spellings: documented in snake case, and in camel case
 * for `v3`. Every field may be missing.
 */
export const AccessTokenResponse = Lenient.struct({
  access_token: Lenient.field(Secret),
  accessToken: Lenient.field(Secret),
  token_type: Lenient.field(Schema.String),
  tokenType: Lenient.field(Schema.String),
  /** In seconds. */
  expires_in: Lenient.field(seconds),
  expiresIn: Lenient.field(seconds),
  refresh_token: Lenient.field(Secret),
  refreshToken: Lenient.field(Secret),
  scope: Lenient.field(Schema.String),
  userType: Lenient.field(Schema.String),
  locationId: Lenient.field(Schema.String),
  companyId: Lenient.field(Schema.String),
  /** The locations that an agency's token may be exchanged for. */
  approvedLocations: Lenient.field(Schema.Array(Schema.String)),
  userId: Lenient.field(Schema.String),
  /** Of the plan that was subscribed to, in a paid app. */
  planId: Lenient.field(Schema.String),
  /** Whether an agency installed the app in several locations at once. */
  isBulkInstallation: Lenient.field(Schema.Boolean),
  /** Whether a location that the agency adds later has the app, too. */
  installToFutureLocations: Lenient.field(Schema.Boolean),
  /** Whether the agency approved all of its locations. */
  approveAllLocations: Lenient.field(Schema.Boolean)
})

/**
 * The operation. A refresh token can be used once, a code too; for 30 seconds the
 * same refresh token brings the same response.
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
  isRepeatable: false,
  isWrite: true
})
