/** The OAuth endpoints of the sandbox. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type { InstalledLocationsRequest } from "../wire/getInstalledLocations.ts"
import { AgencyAuthorization } from "../wire/HighLevelApi.ts"
import * as ConversationRoutes from "./conversationRoutes.ts"
import type { Location } from "./installations.ts"
import * as OAuthState from "./oauthState.ts"
import { badRequest, SandboxApi, unauthorized } from "./requestErrors.ts"
import { State } from "./state.ts"

const respondWith = (
  { accessToken, holder, refreshToken }: OAuthState.Pair,
  oauth: OAuthState.OAuthState,
  version: string | undefined
) => {
  const { spelling = version === "v3" ? "camelCase" : "snake_case" } = oauth.settings
  const { locations, toFutureLocations } = oauth.installations.ofCompany(holder.companyId)
  const scope = holder.scopes.join(" ")
  const facts = {
    scope,
    userType: holder.userType,
    companyId: holder.companyId,
    userId: "sandbox-user",
    ...(holder.userType === "Location"
      ? { locationId: holder.locationId }
      : {
          approvedLocations: locations.filter(({ isInstalled }) => isInstalled).map(({ id }) => id),
          isBulkInstallation: true,
          installToFutureLocations: toFutureLocations,
          approveAllLocations: toFutureLocations
        }),
    // For a token that was exchanged for an agency's.
    ...(refreshToken === undefined ? { appId: oauth.appId, versionId: oauth.appId } : {})
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

// `error_description` is from OAuth and observed live. The documented body is the usual one.
const refuse = ({ error, message, status }: OAuthState.Refused, isDocumented: boolean) =>
  HttpServerResponse.jsonUnsafe(
    {
      ...(isDocumented || error === "Bad Request" ? { statusCode: status, message } : {}),
      error,
      ...(error === "Bad Request" ? {} : { error_description: message })
    },
    { status }
  )

/** The agency of the token, which must be that of the request. */
const agencyOf = Effect.fnUntraced(function* (oauth: OAuthState.OAuthState, companyId: string, now: number) {
  const { headers } = yield* HttpServerRequest.HttpServerRequest
  const agency = oauth.holder((headers["authorization"] ?? "").replace(/^Bearer /, ""), now)
  if (agency === undefined || agency.companyId !== companyId) {
    return yield* Effect.fail(badRequest("Company not found"))
  }
  return agency
})

const documentedDate = Date.parse("2024-01-15T10:30:00.000Z")

const documentedLocation = ({ id, installedAt = documentedDate, isInstalled, name }: Location, appId: string) => ({
  _id: id,
  name,
  address: "47 W 13th St, New York, NY 10011, USA",
  isInstalled,
  ...(isInstalled ? { versionId: appId, installedAt: new Date(installedAt).toISOString() } : {})
})

/** Filters an agency's locations by the query. */
const installedLocations = ({ appId, installations }: OAuthState.OAuthState, query: InstalledLocationsRequest) => {
  const { companyId, isInstalled, limit = 20, locationId, query: name = "", skip = 0 } = query
  const { locations, toFutureLocations } = installations.ofCompany(companyId)
  const found = locations.filter(
    (location) =>
      (locationId === undefined || location.id === locationId) &&
      (isInstalled === undefined || location.isInstalled === isInstalled) &&
      location.name.toLowerCase().includes(name.toLowerCase())
  )
  return {
    locations: found.slice(skip, skip + limit).map((location) => documentedLocation(location, appId)),
    count: found.length,
    installToFutureLocations: toFutureLocations
  }
}

export const handlers = HttpApiBuilder.group(SandboxApi, "oauth", (handlers) =>
  Effect.map(State, ({ oauth, responses, takeRefusal }) => {
    const isDocumented = responses === "documented"
    const respond = (result: OAuthState.Pair | OAuthState.Refused, version?: string) =>
      OAuthState.isRefused(result) ? refuse(result, isDocumented) : respondWith(result, oauth, version)
    return handlers
      .handle("token", ({ payload, request }) =>
        Effect.gen(function* () {
          const refusal = takeRefusal("token", "")
          if (refusal !== undefined) return ConversationRoutes.refuse(refusal)
          const now = yield* Clock.currentTimeMillis
          if (!oauth.isClient(payload.client_id, payload.client_secret)) {
            const message = "Client authentication failed"
            return refuse({ status: 401, error: "invalid_client", message }, isDocumented)
          }
          const { code, refresh_token: refreshToken, user_type: userType = "Location" } = payload
          const secret = (value: Redacted.Redacted | undefined) => (value === undefined ? "" : Redacted.value(value))
          const { version } = request.headers
          switch (payload.grant_type) {
            case "authorization_code":
              return respond(oauth.exchange(secret(code), payload.redirect_uri, userType, now), version)
            case "refresh_token":
              return respond(oauth.refresh(secret(refreshToken), now), version)
            case "client_credentials":
              return yield* Effect.fail(badRequest("Grant type client_credentials is not supported"))
          }
        })
      )
      .handle("locationToken", ({ payload }) =>
        Effect.gen(function* () {
          const refusal = takeRefusal("locationToken", "")
          if (refusal !== undefined) return ConversationRoutes.refuse(refusal)
          const now = yield* Clock.currentTimeMillis
          const agency = yield* agencyOf(oauth, payload.companyId, now)
          return respond(oauth.locationToken(agency, payload.locationId, now))
        })
      )
      .handle("installedLocations", ({ query }) =>
        Effect.gen(function* () {
          const refusal = takeRefusal("installedLocations", "")
          if (refusal !== undefined) return ConversationRoutes.refuse(refusal)
          yield* agencyOf(oauth, query.companyId, yield* Clock.currentTimeMillis)
          if (query.appId !== oauth.appId) {
            return yield* Effect.fail(badRequest(`No integration found with the id: ${query.appId}`))
          }
          return installedLocations(oauth, query)
        })
      )
  })
)

export const agencyAuthorization = Layer.effect(
  AgencyAuthorization,
  Effect.map(State, ({ oauth }) =>
    AgencyAuthorization.of({
      agency: (httpEffect, { credential }) =>
        Effect.gen(function* () {
          const token = Redacted.value(credential)
          if (token === "") return yield* Effect.fail(unauthorized("No Authorization header found for authentication!"))
          const holder = oauth.holder(token, yield* Clock.currentTimeMillis)
          if (holder === undefined) return yield* Effect.fail(unauthorized("Invalid JWT"))
          if (holder.refusedWith !== undefined) return yield* Effect.fail(unauthorized(holder.refusedWith))
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
