/**
 * HighLevel's OAuth operations, declared once: `POST /oauth/token` and
 * `POST /oauth/locationToken`. The client in `OAuth` and the OAuth server of the
 * sandbox are derived from this value.
 *
 * @see {@link https://marketplace.gohighlevel.com/docs/ghl/oauth/get-access-token | Get Access Token}
 * @see {@link https://marketplace.gohighlevel.com/docs/ghl/oauth/get-location-access-token | Get Location Access Token from Agency Token}
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as HttpApiSecurity from "effect/http-api/HttpApiSecurity"
import * as OpenApi from "effect/http-api/OpenApi"
import * as ErrorBody from "./ErrorBody.ts"
import * as Tolerant from "./internal/tolerant.ts"

/**
 * Whose token it is: an agency's (`Company`) or a sub-account's (`Location`).
 *
 * @category schemas
 * @since 0.1.0
 */
export const UserType = Schema.Literals(["Company", "Location"])

/**
 * @category models
 * @since 0.1.0
 */
export type UserType = typeof UserType.Type

const Secret = Schema.RedactedFromValue(Schema.String)

/**
 * The form of `POST /oauth/token`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const TokenRequest = Schema.Struct({
  client_id: Schema.String,
  client_secret: Secret,
  grant_type: Schema.Literals(["authorization_code", "refresh_token"]),
  code: Schema.optionalKey(Secret),
  refresh_token: Schema.optionalKey(Secret),
  user_type: Schema.optionalKey(UserType),
  redirect_uri: Schema.optionalKey(Schema.String)
})

/**
 * The form of `POST /oauth/locationToken`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const LocationTokenRequest = Schema.Struct({
  companyId: Schema.String,
  locationId: Schema.String
})

const seconds = Schema.Union([Schema.Finite, Schema.FiniteFromString])

/**
 * The answer of both, in either of its spellings: documented in snake case, and in
 * camel case where the version is `v3`. Every field may be missing.
 *
 * @category schemas
 * @since 0.1.0
 */
export const TokenAnswer = Tolerant.struct({
  access_token: Tolerant.field(Secret),
  accessToken: Tolerant.field(Secret),
  token_type: Tolerant.field(Schema.String),
  tokenType: Tolerant.field(Schema.String),
  /** In seconds. */
  expires_in: Tolerant.field(seconds),
  expiresIn: Tolerant.field(seconds),
  refresh_token: Tolerant.field(Secret),
  refreshToken: Tolerant.field(Secret),
  scope: Tolerant.field(Schema.String),
  userType: Tolerant.field(Schema.String),
  locationId: Tolerant.field(Schema.String),
  companyId: Tolerant.field(Schema.String),
  userId: Tolerant.field(Schema.String)
})

/**
 * The agency's token as `Authorization: Bearer …`.
 *
 * @category middleware
 * @since 0.1.0
 */
export class AgencyAuthorization extends HttpApiMiddleware.Service<AgencyAuthorization>()(
  "effect-highlevel/OAuthApi/AgencyAuthorization",
  {
    requiredForClient: true,
    security: {
      bearer: HttpApiSecurity.bearer.pipe(
        HttpApiSecurity.annotate(OpenApi.Description, "Use the Access Token generated with user type as Agency.")
      )
    },
    error: ErrorBody.Unauthorized
  }
) {}

/**
 * `POST /oauth/token`.
 *
 * @category endpoints
 * @since 0.1.0
 */
export const token = HttpApiEndpoint.post("token", "/oauth/token", {
  payload: TokenRequest.pipe(HttpApiSchema.asFormUrlEncoded()),
  success: TokenAnswer,
  error: [ErrorBody.BadRequest, ErrorBody.Unauthorized, ErrorBody.Unprocessable]
}).annotateMerge(OpenApi.annotations({ identifier: "get-access-token", summary: "Get Access Token" }))

/**
 * `POST /oauth/locationToken`.
 *
 * @category endpoints
 * @since 0.1.0
 */
export const locationToken = HttpApiEndpoint.post("locationToken", "/oauth/locationToken", {
  headers: { version: Schema.Literal("2021-07-28") },
  payload: LocationTokenRequest.pipe(HttpApiSchema.asFormUrlEncoded()),
  success: TokenAnswer,
  error: [ErrorBody.BadRequest, ErrorBody.Unprocessable]
})
  .middleware(AgencyAuthorization)
  .annotateMerge(
    OpenApi.annotations({
      identifier: "get-location-access-token",
      summary: "Get Location Access Token from Agency Token"
    })
  )

/**
 * HighLevel's OAuth server, as far as this package knows it.
 *
 * @category api
 * @since 0.1.0
 */
export class OAuthApi extends HttpApi.make("highlevel-oauth")
  .add(HttpApiGroup.make("oauth").add(token).add(locationToken))
  .annotateMerge(
    OpenApi.annotations({
      title: "HighLevel: OAuth 2.0",
      servers: [{ url: "https://services.leadconnectorhq.com" }]
    })
  ) {}
