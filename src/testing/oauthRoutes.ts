/** HighLevel's OAuth server, and its page on which a customer chooses. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { AgencyAuthorization } from "../wire/HighLevelApi.ts"
import * as OAuthState from "./oauthState.ts"
import { badRequest, SandboxApi, unauthorized } from "./requestErrors.ts"
import { State } from "./state.ts"

const respondWith = ({ accessToken, holder, refreshToken }: OAuthState.Pair, { spelling }: OAuthState.Settings) => {
  const scope = holder.scopes.join(" ")
  const facts = {
    scope,
    userType: holder.userType,
    companyId: holder.companyId,
    userId: "sandbox-user",
    ...(holder.locationId === undefined ? {} : { locationId: holder.locationId })
  }
  return HttpServerResponse.jsonUnsafe(
    spelling === "camelCase"
      ? { accessToken, tokenType: "Bearer", expiresIn: holder.expiresIn, refreshToken, ...facts }
      : {
          access_token: accessToken,
          token_type: "Bearer",
          expires_in: holder.expiresIn,
          refresh_token: refreshToken,
          ...facts
        }
  )
}

const refuse = ({ error, message, status }: OAuthState.Refused) =>
  HttpServerResponse.jsonUnsafe(
    error === "Bad Request" ? { statusCode: status, message, error } : { error, error_description: message },
    { status }
  )

const respond = (result: OAuthState.Pair | OAuthState.Refused, settings: OAuthState.Settings) =>
  OAuthState.isRefused(result) ? refuse(result) : respondWith(result, settings)

export const handlers = HttpApiBuilder.group(SandboxApi, "oauth", (handlers) =>
  Effect.map(State, ({ oauth }) =>
    handlers
      .handle("token", ({ payload }) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          if (!oauth.isClient(payload.client_id, payload.client_secret)) {
            return refuse({ status: 401, error: "invalid_client", message: "Client authentication failed" })
          }
          const { code, refresh_token: refreshToken, user_type: userType = "Location" } = payload
          return respond(
            payload.grant_type === "authorization_code"
              ? oauth.exchange(code === undefined ? "" : Redacted.value(code), payload.redirect_uri, userType, now)
              : oauth.refresh(refreshToken === undefined ? "" : Redacted.value(refreshToken), now),
            oauth.settings
          )
        })
      )
      .handle("locationToken", ({ payload }) =>
        Effect.gen(function* () {
          const now = yield* Clock.currentTimeMillis
          const { headers } = yield* HttpServerRequest.HttpServerRequest
          const agency = oauth.holder((headers["authorization"] ?? "").replace(/^Bearer /, ""), now)
          if (agency === undefined || agency.companyId !== payload.companyId) {
            return yield* Effect.fail(badRequest("Company not found"))
          }
          return respond(oauth.locationToken(agency, payload.locationId, now), oauth.settings)
        })
      )
      .handle("installedLocations", () => Effect.succeed({ locations: [], count: 0 }))
  )
)

export const agencyAuthorization = Layer.effect(
  AgencyAuthorization,
  Effect.map(State, ({ oauth }) =>
    AgencyAuthorization.of({
      agency: (httpEffect, { credential }) =>
        Effect.gen(function* () {
          const holder = oauth.holder(Redacted.value(credential), yield* Clock.currentTimeMillis)
          if (holder === undefined) return yield* Effect.fail(unauthorized("Invalid JWT"))
          if (holder.userType !== "Company") {
            return yield* Effect.fail(
              unauthorized("This authClass type is not allowed to access this scope. Please reach out to support.")
            )
          }
          return yield* httpEffect
        })
    })
  )
)

const Query = Schema.Struct({
  client_id: Schema.String,
  redirect_uri: Schema.String,
  scope: Schema.String,
  state: Schema.optionalKey(Schema.String),
  location_id: Schema.optionalKey(Schema.String)
})

const pagePath = "/oauth/chooselocation"

/** The page, and a customer who agrees at once. */
export const page = Layer.unwrap(
  Effect.map(State, ({ approve }) =>
    HttpRouter.add(
      "GET",
      pagePath,
      HttpServerRequest.schemaSearchParams(Query).pipe(
        Effect.map((query) => {
          const { code, state } = approve(
            { redirectUri: query.redirect_uri, scope: query.scope, state: query.state },
            query.location_id === undefined ? {} : { locationId: query.location_id }
          )
          const target = new URL(query.redirect_uri)
          target.searchParams.set("code", code)
          if (state !== undefined) target.searchParams.set("state", state)
          return HttpServerResponse.redirect(target)
        }),
        Effect.catchTag("SchemaError", (error) =>
          Effect.succeed(HttpServerResponse.text(error.message, { status: 400 }))
        )
      )
    )
  )
)
