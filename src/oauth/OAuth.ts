/**
 * Connects customers by OAuth and keeps their tokens fresh.
 *
 * HighLevel's refresh tokens can be used once: each refresh returns a new pair, and if
 * that pair is lost, the customer must reconnect. {@link OAuth} refreshes shortly before
 * expiry, and after a 401 for an invalid token. Concurrent callers, and processes that
 * share a `TokenStore`, share one refresh. The new pair is stored before it is used. If a
 * process dies during a refresh, the next one repeats it: HighLevel returns the same pair
 * for 30 seconds.
 *
 * One {@link layer} serves locations that connected directly, and those of any number of
 * agencies.
 */
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as Mac from "effect/crypto/Mac"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Base64Url from "effect/encoding/Base64Url"
import * as HttpClient from "effect/http/HttpClient"
import * as AccessToken from "../client/AccessToken.ts"
import type { InvalidOptions } from "../client/HighLevelError.ts"
import * as OptionsCheck from "../client/options.ts"
import type { ApiVersion } from "../wire/Operation.ts"
import {
  type Account,
  AuthorizationFailed,
  type Authorized,
  type AuthorizationUrlOptions,
  type Callback,
  type Connected,
  type ExchangeCodeOptions,
  OAuth,
  type Options,
  type Service
} from "./oauthService.ts"
import type * as StoredTokens from "./storedTokens.ts"
import * as TokenEndpoint from "./tokenEndpoint.ts"
import * as TokenManager from "./tokenManager.ts"
import * as TokenStore from "./TokenStore.ts"

export * from "./oauthService.ts"

/** HighLevel's marketplace, where customers choose what to connect. */
export const defaultMarketplaceUrl = "https://marketplace.gohighlevel.com"

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

const scopesOf = (scope = "") => scope.split(" ").filter((name) => name !== "")

const timeOf = (date: DateTime.DateTime | undefined) =>
  date === undefined ? Clock.currentTimeMillis : Effect.succeed(DateTime.toEpochMillis(date))

/** The account that a grant connects; none if it names neither a location nor a company. */
const connectedOf = ({
  companyId,
  locationId,
  scope,
  userId,
  userType
}: TokenEndpoint.Grant): Connected | undefined => {
  const fields = { userId, scopes: scopesOf(scope) }
  if (userType !== "Company" && locationId !== undefined) {
    return { userType: "Location", locationId, companyId, ...fields }
  }
  return userType === "Location" || companyId === undefined ? undefined : { userType: "Company", companyId, ...fields }
}

/** Makes the service. It fails with `InvalidOptions`, which names the option. */
export const make = Effect.fnUntraced(function* (options: Options) {
  const httpClient = (yield* HttpClient.HttpClient).pipe(options.transformClient ?? identity)
  const store = yield* TokenStore.TokenStore
  const clientId = yield* OptionsCheck.clientId(options.clientId)
  const clientSecret = yield* OptionsCheck.secret(options.clientSecret, "clientSecret")
  const baseUrl = yield* OptionsCheck.baseUrl(options.baseUrl ?? OptionsCheck.defaultBaseUrl, options.allowInsecureHttp)
  const isHighLevel = baseUrl === OptionsCheck.defaultBaseUrl
  const marketplaceUrl = options.marketplaceUrl ?? (isHighLevel ? defaultMarketplaceUrl : baseUrl)
  if (!URL.canParse(String(marketplaceUrl))) {
    return yield* OptionsCheck.invalid("marketplaceUrl", "an absolute URL such as https://example.com")
  }
  const attemptMillis = yield* OptionsCheck.millis(options.attemptTimeout ?? "6 seconds", "attemptTimeout")
  const claimMillis = yield* OptionsCheck.millis(options.lease ?? "10 seconds", "lease")
  // Both a retry and a takeover must fit into HighLevel's 30 seconds.
  if (attemptMillis > 12_000) {
    return yield* OptionsCheck.invalid("attemptTimeout", "a duration of 12 seconds at most")
  }
  if (claimMillis <= attemptMillis || claimMillis > 20_000) {
    return yield* OptionsCheck.invalid("lease", "a duration over attemptTimeout, of 20 seconds at most")
  }
  const version = yield* OptionsCheck.version(options.version ?? OptionsCheck.defaultVersion)
  const appId = clientId.split("-")[0] ?? clientId
  const endpoint = TokenEndpoint.make({ httpClient, baseUrl, clientId, clientSecret, version, attemptMillis })
  const manager = yield* TokenManager.make({
    clientId,
    appId,
    store,
    endpoint,
    refreshBeforeMillis: yield* OptionsCheck.millis(options.refreshBefore ?? "5 minutes", "refreshBefore"),
    renewAfterMillis: yield* OptionsCheck.millis(options.renewAfter ?? "10 seconds", "renewAfter"),
    claimMillis,
    attemptMillis,
    maxWaitMillis: yield* OptionsCheck.millis(options.maxWait ?? "1 minute", "maxWait"),
    idleTimeToLiveMillis: yield* OptionsCheck.millis(options.idleTimeToLive ?? "10 minutes", "idleTimeToLive")
  })
  const versionId = options.versionId ?? appId

  const accountOf = (account: Account) =>
    "locationId" in account
      ? manager.accountOf("Location", account.locationId)
      : manager.accountOf("Company", account.companyId)

  const authorizationUrl = Effect.fnUntraced(function* ({
    redirectUri,
    scopes = ["conversations.readonly", "conversations.write"]
  }: AuthorizationUrlOptions) {
    if (!URL.canParse(redirectUri)) return yield* OptionsCheck.invalid("redirectUri", "an absolute URL")
    if (/highlevel|ghl/i.test(redirectUri)) {
      return yield* OptionsCheck.invalid("redirectUri", 'a URL without "highlevel" and "ghl", which HighLevel refuses')
    }
    const state = Base64Url.encode(SecureRandom.randomBytesUnsafe(32))
    const url = new URL(`${String(marketplaceUrl).replace(/\/+$/, "")}/v2/oauth/chooselocation`)
    url.searchParams.set("response_type", "code")
    url.searchParams.set("redirect_uri", redirectUri)
    url.searchParams.set("client_id", clientId)
    url.searchParams.set("version_id", versionId)
    url.searchParams.set("scope", scopes.join(" "))
    url.searchParams.set("state", state)
    if (options.loginWindowOpenMode !== undefined) {
      url.searchParams.set("loginWindowOpenMode", options.loginWindowOpenMode)
    }
    return { url: url.href, state: Redacted.make(state) }
  })

  const exchangeCode = Effect.fnUntraced(function* (
    callback: Callback,
    { allowMissingState = false, redirectUri, state, userType = "Location" }: ExchangeCodeOptions
  ): Effect.fn.Return<Authorized, AuthorizationFailed> {
    const isExpected =
      state === undefined || callback.state === undefined
        ? allowMissingState && state === undefined && callback.state === undefined
        : areEqual(state, callback.state)
    if (!isExpected) {
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
      manager.exchangeCode(endpoint.exchangeCode(code, redirectUri, userType), (granted) => {
        const connected = connectedOf(granted)
        return connected === undefined ? undefined : accountOf(connected)
      }),
      authorizationFailed
    )
    const connected = connectedOf(grant)
    if (connected === undefined) {
      return yield* new AuthorizationFailed({
        reason: "Refused",
        messages: ["HighLevel's response names neither a location nor a company"]
      })
    }
    if (connected.userType === "Location") return connected
    const { companyId } = connected
    const now = yield* Clock.currentTimeMillis
    const add = ({ locationId }: { readonly locationId: string }) => manager.addLocation(companyId, locationId, now)
    const locations = yield* manager.installedLocations(companyId).pipe(
      Stream.mapEffect((location) => Effect.as(add(location), location), { concurrency: 16 }),
      Stream.runCollect,
      Effect.result
    )
    return { ...connected, locations }
  }, Effect.withSpan("OAuth.exchangeCode"))

  const listed = (userType: StoredTokens.Account["userType"]) =>
    Stream.map(manager.list(userType), ({ id, record: { agency, tokens } }): Connected => {
      const fields = { userId: tokens?.userId, scopes: scopesOf(tokens?.scope) }
      return userType === "Company"
        ? { userType, companyId: id, ...fields }
        : { userType, locationId: id, companyId: agency ?? tokens?.companyId, ...fields }
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
    addLocation: ({ companyId, installedAt, locationId }) =>
      Effect.flatMap(timeOf(installedAt), (millis) => manager.addLocation(companyId, locationId, millis)),
    installedLocations: ({ companyId }) => manager.installedLocations(companyId),
    disconnect: (account, { uninstalledAt } = {}) =>
      Effect.flatMap(timeOf(uninstalledAt), (millis) => manager.disconnect(accountOf(account), millis)),
    list: Stream.concat(listed("Company"), listed("Location")),
    isConnected: (account) => manager.isConnected(accountOf(account)),
    token: (account) => manager.get(accountOf(account)),
    renew: (account, refused) => manager.renew(accountOf(account), refused)
  }
  const accessToken: AccessToken.Service = {
    app: clientId,
    baseUrl,
    get: (locationId) => service.token({ locationId }),
    renew: (locationId, refused) => service.renew({ locationId }, refused)
  }
  return Context.make(OAuth, service).pipe(Context.add(AccessToken.AccessToken, accessToken))
})

/**
 * Provides the service, and the `AccessToken` of clients: for every location that has
 * connected, or whose agency has. Closing the layer waits for refreshes in progress.
 */
export const layer = (
  options: Options
): Layer.Layer<OAuth | AccessToken.AccessToken, InvalidOptions, HttpClient.HttpClient | TokenStore.TokenStore> =>
  Layer.effectContext(make(options))

const optional = (name: string) => Config.String(name).pipe(Config.withDefault(undefined))

/**
 * Like {@link layer}, with options from `Config`: `HIGHLEVEL_CLIENT_ID`,
 * `HIGHLEVEL_CLIENT_SECRET`, and, if set, `HIGHLEVEL_APP_VERSION_ID`, `HIGHLEVEL_MARKETPLACE_URL`,
 * `HIGHLEVEL_BASE_URL`, `HIGHLEVEL_API_VERSION` and `HIGHLEVEL_ALLOW_INSECURE_HTTP`.
 */
export const layerConfig = (
  options?: Omit<Options, "clientId" | "clientSecret" | "baseUrl" | "version" | "allowInsecureHttp"> & {
    /** @default Config.String("HIGHLEVEL_CLIENT_ID") */
    readonly clientId?: Config.Config<string> | undefined
    /** @default Config.Redacted("HIGHLEVEL_CLIENT_SECRET") */
    readonly clientSecret?: Config.Config<Redacted.Redacted> | undefined
    /** @default Config.String("HIGHLEVEL_BASE_URL"), or HighLevel itself */
    readonly baseUrl?: Config.Config<string> | undefined
    /** @default Config.schema(ApiVersion, "HIGHLEVEL_API_VERSION"), or "2021-07-28" */
    readonly version?: Config.Config<ApiVersion> | undefined
    /** @default Config.Boolean("HIGHLEVEL_ALLOW_INSECURE_HTTP"), or false */
    readonly allowInsecureHttp?: Config.Config<boolean> | undefined
  }
): Layer.Layer<
  OAuth | AccessToken.AccessToken,
  Config.ConfigError | InvalidOptions,
  HttpClient.HttpClient | TokenStore.TokenStore
> =>
  Layer.effectContext(
    Effect.gen(function* () {
      return yield* make({
        ...options,
        clientId: yield* options?.clientId ?? Config.String("HIGHLEVEL_CLIENT_ID"),
        clientSecret: yield* options?.clientSecret ?? Config.Redacted("HIGHLEVEL_CLIENT_SECRET"),
        versionId: options?.versionId ?? (yield* optional("HIGHLEVEL_APP_VERSION_ID")),
        marketplaceUrl: options?.marketplaceUrl ?? (yield* optional("HIGHLEVEL_MARKETPLACE_URL")),
        ...(yield* OptionsCheck.server({
          baseUrl: options?.baseUrl,
          version: options?.version,
          allowInsecureHttp: options?.allowInsecureHttp
        }))
      })
    })
  )
