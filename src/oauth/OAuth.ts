/**
 * OAuth that does not lose a customer.
 *
 * HighLevel's refresh tokens can be used once: each refresh brings a new pair, and
 * a pair that is lost means that the customer has to reconnect. {@link OAuth}
 * refreshes shortly before expiry, and after a 401 that says that the token is
 * invalid; once for all callers of a process, and once for all processes that
 * share a `TokenStore`; it stores the new pair before it uses it, and repeats what
 * a crash cut off within the 30 seconds in which HighLevel returns the same pair.
 *
 * Clients take its tokens through {@link layerLocations}, {@link layerLocation} or
 * {@link layerAgency}.
 */
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Mac from "effect/crypto/Mac"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Base64Url from "effect/encoding/Base64Url"
import * as HttpClient from "effect/http/HttpClient"
import * as AccessToken from "../client/AccessToken.ts"
import type { InvalidOptions } from "../client/HighLevelError.ts"
import * as OptionsCheck from "../client/options.ts"
import {
  type Account,
  AuthorizationFailed,
  type AuthorizationUrlOptions,
  type Callback,
  type Connected,
  type ExchangeCodeOptions,
  type LocationToken,
  OAuth,
  type Options,
  type Service
} from "./oauthService.ts"
import type * as StoredTokens from "./storedTokens.ts"
import * as TokenEndpoint from "./tokenEndpoint.ts"
import * as TokenManager from "./tokenManager.ts"
import * as TokenStore from "./TokenStore.ts"

export * from "./locationTokens.ts"
export * from "./oauthService.ts"

/** HighLevel's page on which a customer chooses what to connect. */
export const defaultPage = "https://marketplace.gohighlevel.com/oauth/chooselocation"

const authorizationFailed = ({ cause, error, messages, reason, status, traceId }: AccessToken.AccessTokenError) =>
  new AuthorizationFailed({
    reason: reason === "Unreachable" ? "Unreachable" : "Refused",
    messages,
    ...(status === undefined ? {} : { status }),
    ...(error === undefined ? {} : { error }),
    ...(traceId === undefined ? {} : { traceId }),
    ...(cause === undefined ? {} : { cause })
  })

const bytesOf = (text: string) => new TextEncoder().encode(text)

const areEqual = (expected: Redacted.Redacted, received: string) =>
  Mac.timingSafeEqual(bytesOf(Redacted.value(expected)), bytesOf(received))

/** Makes the service. Fails with `InvalidOptions`, which names the option. */
export const make = Effect.fnUntraced(function* (options: Options) {
  const httpClient = (yield* HttpClient.HttpClient).pipe(options.transformClient ?? identity)
  const store = yield* TokenStore.TokenStore
  const clientId = yield* OptionsCheck.clientId(options.clientId)
  const clientSecret = yield* OptionsCheck.secret(options.clientSecret, "clientSecret")
  const baseUrl = yield* OptionsCheck.baseUrl(options.baseUrl ?? OptionsCheck.defaultBaseUrl)
  const accountOf = (account: Account): StoredTokens.Account =>
    "locationId" in account
      ? { clientId, userType: "Location", id: account.locationId }
      : { clientId, userType: "Company", id: account.companyId }

  /** Where the tokens of a grant belong; none if the response names none. */
  const granteeOf = ({ companyId, locationId, userType }: TokenEndpoint.Grant): StoredTokens.Account | undefined => {
    if (userType !== "Company" && locationId !== undefined) return accountOf({ locationId })
    if (userType !== "Location" && companyId !== undefined) return accountOf({ companyId })
    return undefined
  }

  const attemptMillis = yield* OptionsCheck.millis(options.attemptTimeout ?? "6 seconds", "attemptTimeout")
  const leaseMillis = yield* OptionsCheck.millis(options.lease ?? "10 seconds", "lease")
  // What is lost has to be repeated, and what died to be taken over, within HighLevel's 30 seconds.
  if (attemptMillis > 12_000) {
    return yield* OptionsCheck.invalid("attemptTimeout", "a duration of 12 seconds at most")
  }
  if (leaseMillis <= attemptMillis || leaseMillis > 20_000) {
    return yield* OptionsCheck.invalid("lease", "a duration over attemptTimeout, of 20 seconds at most")
  }
  const endpoint = TokenEndpoint.make({ httpClient, baseUrl, clientId, clientSecret, attemptMillis })
  const manager = yield* TokenManager.make({
    store,
    refresh: endpoint.refresh,
    refreshBeforeMillis: yield* OptionsCheck.millis(options.refreshBefore ?? "5 minutes", "refreshBefore"),
    leaseMillis,
    attemptMillis,
    maxWaitMillis: yield* OptionsCheck.millis(options.maxWait ?? "1 minute", "maxWait"),
    idleTimeToLiveMillis: yield* OptionsCheck.millis(options.idleTimeToLive ?? "10 minutes", "idleTimeToLive")
  })

  const authorizationUrl = Effect.fnUntraced(function* ({
    page = defaultPage,
    redirectUri,
    scopes = ["conversations.readonly", "conversations.write"]
  }: AuthorizationUrlOptions) {
    if (!URL.canParse(String(page))) return yield* OptionsCheck.invalid("page", "an absolute URL")
    if (!URL.canParse(redirectUri)) return yield* OptionsCheck.invalid("redirectUri", "an absolute URL")
    const state = Base64Url.encode(SecureRandom.randomBytesUnsafe(32))
    const url = new URL(page)
    url.searchParams.set("response_type", "code")
    url.searchParams.set("redirect_uri", redirectUri)
    url.searchParams.set("client_id", clientId)
    url.searchParams.set("scope", scopes.join(" "))
    url.searchParams.set("state", state)
    return { url: url.href, state: Redacted.make(state) }
  })

  const exchangeCode = Effect.fnUntraced(function* (
    callback: Callback,
    { redirectUri, state, userType = "Location" }: ExchangeCodeOptions
  ): Effect.fn.Return<Connected, AuthorizationFailed> {
    if (state === undefined || callback.state === undefined || !areEqual(state, callback.state)) {
      return yield* new AuthorizationFailed({
        reason: "StateMismatch",
        messages: ["the redirect does not belong to an authorization that this browser began"]
      })
    }
    if (callback.error !== undefined || callback.code === undefined || callback.code === "") {
      return yield* new AuthorizationFailed({
        reason: "Denied",
        ...(callback.error === undefined ? {} : { error: callback.error }),
        messages: [callback.error_description ?? "the redirect brought no code"]
      })
    }
    const code = Redacted.make(callback.code)
    const grant = yield* Effect.mapError(
      manager.exchangeCode(endpoint.exchange(code, redirectUri, userType), granteeOf),
      authorizationFailed
    )
    const account = granteeOf(grant)
    if (account === undefined) {
      return yield* new AuthorizationFailed({
        reason: "Refused",
        messages: ["HighLevel's response names neither a location nor a company"]
      })
    }
    const { companyId, locationId, scope = "", userId } = grant
    const scopes = scope.split(" ").filter((name) => name !== "")
    return { userType: account.userType, locationId, companyId, userId, scopes }
  }, Effect.withSpan("OAuth.exchangeCode"))

  const locationToken = Effect.fnUntraced(function* ({
    companyId,
    locationId
  }: {
    readonly companyId: string
    readonly locationId: string
  }): Effect.fn.Return<LocationToken, AccessToken.AccessTokenError> {
    const agency = accountOf({ companyId })
    const exchange = Effect.fnUntraced(function* (token: Redacted.Redacted) {
      const obtainedAt = yield* Clock.currentTimeMillis
      const { accessToken, expiresIn } = yield* endpoint.locationToken(companyId, locationId, token)
      return {
        token: accessToken,
        obtainedAt,
        expiresAt: expiresIn === undefined ? undefined : obtainedAt + expiresIn * 1000
      }
    })
    const token = yield* manager.get(agency)
    return yield* exchange(token).pipe(
      Effect.catchIf(TokenEndpoint.isInvalidToken, (error) =>
        Effect.flatMap(manager.renew(agency, token), (hasAnother) =>
          hasAnother ? Effect.flatMap(manager.get(agency), exchange) : Effect.fail(error)
        )
      )
    )
  })

  const service: Service = {
    clientId,
    authorizationUrl,
    exchangeCode,
    importRefreshToken: (account, refreshToken) =>
      OptionsCheck.secret(refreshToken, "refreshToken").pipe(
        Effect.mapError((error) => new AccessToken.AccessTokenError({ reason: "Refused", messages: [error.message] })),
        Effect.flatMap((trimmed) => manager.importRefreshToken(accountOf(account), trimmed))
      ),
    token: (account) => manager.get(accountOf(account)),
    renew: (account, refused) => manager.renew(accountOf(account), refused),
    locationToken
  }
  return service
})

/** The service as a layer. When the layer ends, it waits for refreshes under way. */
export const layer = (
  options: Options
): Layer.Layer<OAuth, InvalidOptions, HttpClient.HttpClient | TokenStore.TokenStore> =>
  Layer.effect(OAuth, make(options))

/**
 * The service as a layer, its options from `Config`: `HIGHLEVEL_CLIENT_ID`,
 * `HIGHLEVEL_CLIENT_SECRET`, and, where set, `HIGHLEVEL_BASE_URL`.
 */
export const layerConfig = (
  options?: Omit<Options, "clientId" | "clientSecret" | "baseUrl"> & {
    /** @default Config.String("HIGHLEVEL_CLIENT_ID") */
    readonly clientId?: Config.Config<string> | undefined
    /** @default Config.Redacted("HIGHLEVEL_CLIENT_SECRET") */
    readonly clientSecret?: Config.Config<Redacted.Redacted> | undefined
    /** @default Config.String("HIGHLEVEL_BASE_URL"), or HighLevel itself */
    readonly baseUrl?: Config.Config<string> | undefined
  }
): Layer.Layer<OAuth, Config.ConfigError | InvalidOptions, HttpClient.HttpClient | TokenStore.TokenStore> =>
  Layer.effect(
    OAuth,
    Effect.gen(function* () {
      return yield* make({
        ...options,
        clientId: yield* options?.clientId ?? Config.String("HIGHLEVEL_CLIENT_ID"),
        clientSecret: yield* options?.clientSecret ?? Config.Redacted("HIGHLEVEL_CLIENT_SECRET"),
        baseUrl: yield* (
          options?.baseUrl ?? Config.String("HIGHLEVEL_BASE_URL").pipe(Config.withDefault(OptionsCheck.defaultBaseUrl))
        )
      })
    })
  )
