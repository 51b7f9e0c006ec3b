/**
 * OAuth that does not lose a customer.
 *
 * HighLevel's refresh tokens can be used once: each refresh brings a new pair, and
 * a pair that is lost means that the customer has to connect anew. {@link OAuth}
 * refreshes shortly before expiry, and after a 401 that says that the token is
 * invalid; once for all callers of a process, and once for all processes that
 * share a `TokenStore`; it stores the new pair before it uses it, and repeats what
 * a crash cut off within the 30 seconds in which HighLevel answers the same.
 *
 * Clients take its tokens through {@link layerLocations}, {@link layerLocation} or
 * {@link layerAgency}.
 *
 * @since 0.1.0
 */
import * as Cache from "effect/Cache"
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { identity } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Mac from "effect/crypto/Mac"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Base64Url from "effect/encoding/Base64Url"
import * as HttpClient from "effect/http/HttpClient"
import * as AccessToken from "./AccessToken.ts"
import type { InvalidOptions } from "./HighLevelError.ts"
import * as OAuthEndpoint from "./internal/oauthEndpoint.ts"
import * as OptionsCheck from "./internal/options.ts"
import * as TokenKeeper from "./internal/tokenKeeper.ts"
import type * as TokenRecord from "./internal/tokenRecord.ts"
import type { UserType } from "./OAuthApi.ts"
import * as TokenStore from "./TokenStore.ts"

/**
 * The app, and how its tokens are kept fresh.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** The client id of the app in HighLevel's marketplace. */
  readonly clientId: string

  /** The client secret of the app. */
  readonly clientSecret: Redacted.Redacted

  /**
   * Where HighLevel is. Plain HTTP is refused, except to a loopback address.
   *
   * @default "https://services.leadconnectorhq.com"
   */
  readonly baseUrl?: string | URL | undefined

  /**
   * How long before its expiry a token is refreshed, at most a tenth of its life.
   *
   * @default "5 minutes"
   */
  readonly refreshBefore?: Duration.Input | undefined

  /**
   * How long one request to the OAuth server may take, at most 12 seconds: what is
   * lost has to be repeated within the 30 seconds in which HighLevel repeats its
   * answer.
   *
   * @default "6 seconds"
   */
  readonly attemptTimeout?: Duration.Input | undefined

  /**
   * How long a refresh keeps other processes from the same one; how long a crash in
   * the middle of one is waited for. Longer than `attemptTimeout`, at most 20 seconds.
   *
   * @default "10 seconds"
   */
  readonly lease?: Duration.Input | undefined

  /**
   * How long a call waits for a token that is being refreshed.
   *
   * @default "1 minute"
   */
  readonly patience?: Duration.Input | undefined

  /**
   * After how long without a request the tokens of a location leave the memory.
   *
   * @default "10 minutes"
   */
  readonly idleTimeToLive?: Duration.Input | undefined

  /** A transformation of the HTTP client: a proxy, headers of your own. */
  readonly transformClient?: ((client: HttpClient.HttpClient) => HttpClient.HttpClient) | undefined
}

/**
 * Whose tokens: those of a sub-account or of an agency.
 *
 * @category models
 * @since 0.1.0
 */
export type Account = { readonly locationId: string } | { readonly companyId: string }

/**
 * What was connected.
 *
 * @category models
 * @since 0.1.0
 */
export interface Connected {
  readonly userType: UserType
  readonly locationId?: string | undefined
  readonly companyId?: string | undefined
  readonly userId?: string | undefined
  /** What the customer agreed to. */
  readonly scopes: ReadonlyArray<string>
}

/**
 * The authorization did not come about. Nothing was stored.
 *
 * - `StateMismatch`: the redirect does not belong to an authorization of this
 *   browser, or its state was lost; start anew
 * - `Denied`: the customer, or HighLevel in his name, said no
 * - `Refused`: HighLevel refuses the code (`invalid_grant`) or the app
 * - `Unreachable`: the OAuth server or the token store; a code can be used once,
 *   so start anew
 *
 * @category errors
 * @since 0.1.0
 */
export class AuthorizationFailed extends Schema.TaggedError<AuthorizationFailed>()("AuthorizationFailed", {
  reason: Schema.Literals(["StateMismatch", "Denied", "Refused", "Unreachable"]),
  status: Schema.optionalKey(Schema.Number),
  /** The `error` of HighLevel's answer, such as `invalid_grant` or `access_denied`. */
  error: Schema.optionalKey(Schema.String),
  messages: Schema.Array(Schema.String),
  traceId: Schema.optionalKey(Schema.String),
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message() {
    return [`Not connected: ${this.reason}`, ...(this.error === undefined ? [] : [this.error]), ...this.messages].join(
      ": "
    )
  }
}

/**
 * Connects customers, and keeps their tokens.
 *
 * @category services
 * @since 0.1.0
 */
export interface Service {
  readonly clientId: string

  /**
   * The page on which a customer chooses what to connect, and the `state` to keep
   * in the session of this browser until {@link Service.connect} compares it.
   */
  readonly authorize: (
    options: AuthorizeOptions
  ) => Effect.Effect<{ readonly url: string; readonly state: Redacted.Redacted }, InvalidOptions>

  /**
   * Ends an authorization with what HighLevel's redirect brought: compares the
   * `state`, exchanges the code and stores the tokens, also when the caller has left.
   * Connecting anew replaces the tokens that were stored; other processes see it
   * within a minute.
   */
  readonly connect: (callback: Callback, options: ConnectOptions) => Effect.Effect<Connected, AuthorizationFailed>

  /**
   * Stores a refresh token that you already have, unless the stored tokens came of
   * it, of one that was adopted after it, or of an authorization. It is used up by
   * the first refresh.
   */
  readonly adopt: (
    account: Account,
    refreshToken: Redacted.Redacted
  ) => Effect.Effect<void, AccessToken.AccessTokenError>

  /** The access token of an account, refreshed if it is about to expire. */
  readonly token: (account: Account) => Effect.Effect<Redacted.Redacted, AccessToken.AccessTokenError>

  /**
   * Told that an access token was refused as invalid: whether there is another one
   * now.
   */
  readonly renew: (account: Account, refused: Redacted.Redacted) => Effect.Effect<boolean, AccessToken.AccessTokenError>

  /** Exchanges an agency's token for that of one of its sub-accounts. */
  readonly locationToken: (options: {
    readonly companyId: string
    readonly locationId: string
  }) => Effect.Effect<LocationToken, AccessToken.AccessTokenError>
}

/**
 * What a customer is asked for, and where.
 *
 * @category options
 * @since 0.1.0
 */
export interface AuthorizeOptions {
  /** Where HighLevel sends the customer back to, as registered with the app. */
  readonly redirectUri: string

  /**
   * What to ask for.
   *
   * @default ["conversations.write"]
   */
  readonly scopes?: ReadonlyArray<string> | undefined

  /**
   * The page that lets the customer choose; white-label agencies use
   * `https://marketplace.leadconnectorhq.com/oauth/chooselocation`.
   *
   * @default "https://marketplace.gohighlevel.com/oauth/chooselocation"
   */
  readonly page?: string | URL | undefined
}

/**
 * The query of HighLevel's redirect.
 *
 * @category models
 * @since 0.1.0
 */
export interface Callback {
  readonly code?: string | undefined
  readonly state?: string | undefined
  readonly error?: string | undefined
  readonly error_description?: string | undefined
}

/**
 * What the redirect is compared with.
 *
 * @category options
 * @since 0.1.0
 */
export interface ConnectOptions {
  /** The `state` that was kept in the browser's session; `undefined` where there is none. */
  readonly state: Redacted.Redacted | undefined

  /** The same as in the authorization. */
  readonly redirectUri: string

  /**
   * Which tokens to ask for.
   *
   * @default "Location"
   */
  readonly userType?: UserType | undefined
}

/**
 * The token of a sub-account, exchanged for its agency's.
 *
 * @category models
 * @since 0.1.0
 */
export interface LocationToken {
  readonly token: Redacted.Redacted
  /** In epoch milliseconds. */
  readonly obtainedAt: number
  /** In epoch milliseconds, where HighLevel said. */
  readonly expiresAt?: number | undefined
}

/**
 * The tokens of an app's customers.
 *
 * **Example** (Connected, used, refreshed, against the sandbox)
 *
 * ```ts
 * import { Conversations, OAuth, TokenStore } from "effect-highlevel"
 * import { Sandbox } from "effect-highlevel/testing"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 *
 * const program = Effect.gen(function* () {
 *   const oauth = yield* OAuth.OAuth
 *   const sandbox = yield* Sandbox.Sandbox
 *   const redirectUri = "https://app.example/callback"
 *
 *   const { state, url } = yield* oauth.authorize({ redirectUri })
 *   const callback = yield* sandbox.approve(url)
 *   const { locationId = "" } = yield* oauth.connect(callback, { state, redirectUri })
 *
 *   const { conversation } = yield* Conversations.update({
 *     conversationId: "tDtDnQdgm2LXpyiqYvZ6",
 *     locationId,
 *     starred: true
 *   })
 *   return conversation.starred
 * })
 *
 * const HighLevel = Conversations.layer().pipe(
 *   Layer.provide(OAuth.layerLocations),
 *   Layer.provideMerge(OAuth.layer(Sandbox.defaultApp)),
 *   Layer.provide(TokenStore.layerMemory),
 *   Layer.provideMerge(Sandbox.layer())
 * )
 *
 * await Effect.runPromise(program.pipe(Effect.provide(HighLevel))) // => true
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export class OAuth extends Context.Service<OAuth, Service>()("effect-highlevel/OAuth/OAuth") {}

/**
 * HighLevel's page on which a customer chooses what to connect.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultPage = "https://marketplace.gohighlevel.com/oauth/chooselocation"

const maximumAttemptTimeout = Duration.seconds(12)
const maximumLease = Duration.seconds(20)

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

/**
 * Makes the service. Fails with `InvalidOptions`, which names the option.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (options: Options) {
  const httpClient = (yield* HttpClient.HttpClient).pipe(options.transformClient ?? identity)
  const store = yield* TokenStore.TokenStore
  const clientId = yield* OptionsCheck.clientId(options.clientId)
  const clientSecret = yield* OptionsCheck.secret(options.clientSecret, "clientSecret")
  const baseUrl = yield* OptionsCheck.baseUrl(options.baseUrl ?? OptionsCheck.defaultBaseUrl)
  const accountOf = (account: Account): TokenRecord.Account =>
    "locationId" in account
      ? { clientId, userType: "Location", id: account.locationId }
      : { clientId, userType: "Company", id: account.companyId }

  /** Where the tokens of a grant belong; none if the answer does not say. */
  const granteeOf = ({ companyId, locationId, userType }: OAuthEndpoint.Grant): TokenRecord.Account | undefined => {
    if (userType !== "Company" && locationId !== undefined) return accountOf({ locationId })
    if (userType !== "Location" && companyId !== undefined) return accountOf({ companyId })
    return undefined
  }

  const refreshBefore = yield* OptionsCheck.timeout(options.refreshBefore ?? "5 minutes", "refreshBefore")
  const attemptTimeout = yield* OptionsCheck.timeout(options.attemptTimeout ?? "6 seconds", "attemptTimeout")
  const lease = yield* OptionsCheck.timeout(options.lease ?? "10 seconds", "lease")
  const patience = yield* OptionsCheck.timeout(options.patience ?? "1 minute", "patience")
  const idleTimeToLive = yield* OptionsCheck.timeout(options.idleTimeToLive ?? "10 minutes", "idleTimeToLive")
  // What is lost has to be repeated, and what died to be taken over, within HighLevel's 30 seconds.
  if (Duration.isGreaterThan(attemptTimeout, maximumAttemptTimeout)) {
    return yield* OptionsCheck.invalid("attemptTimeout", "a duration of 12 seconds at most")
  }
  if (Duration.isLessThanOrEqualTo(lease, attemptTimeout) || Duration.isGreaterThan(lease, maximumLease)) {
    return yield* OptionsCheck.invalid("lease", "a duration over attemptTimeout, of 20 seconds at most")
  }
  const endpoint = yield* OAuthEndpoint.make({ httpClient, baseUrl, clientId, clientSecret, attemptTimeout })
  const keeper = yield* TokenKeeper.make({
    store,
    refresh: endpoint.refresh,
    refreshBeforeMillis: Duration.toMillis(refreshBefore),
    leaseMillis: Duration.toMillis(lease),
    attemptMillis: Duration.toMillis(attemptTimeout),
    patienceMillis: Duration.toMillis(patience),
    idleTimeToLive
  })

  const authorize = Effect.fnUntraced(function* ({
    page = defaultPage,
    redirectUri,
    scopes = ["conversations.write"]
  }: AuthorizeOptions) {
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

  const connect = Effect.fnUntraced(function* (
    callback: Callback,
    { redirectUri, state, userType = "Location" }: ConnectOptions
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
      keeper.connect(endpoint.exchange(code, redirectUri, userType), granteeOf),
      authorizationFailed
    )
    const account = granteeOf(grant)
    if (account === undefined) {
      return yield* new AuthorizationFailed({
        reason: "Refused",
        messages: ["HighLevel's answer names neither a location nor a company"]
      })
    }
    const { companyId, locationId, scope = "", userId } = grant
    const scopes = scope.split(" ").filter((name) => name !== "")
    return { userType: account.userType, locationId, companyId, userId, scopes }
  }, Effect.withSpan("OAuth.connect"))

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
    const token = yield* keeper.get(agency)
    return yield* exchange(token).pipe(
      Effect.catchIf(OAuthEndpoint.isInvalidToken, (error) =>
        Effect.flatMap(keeper.renew(agency, token), (hasAnother) =>
          hasAnother ? Effect.flatMap(keeper.get(agency), exchange) : Effect.fail(error)
        )
      )
    )
  })

  const service: Service = {
    clientId,
    authorize,
    connect,
    adopt: (account, refreshToken) =>
      OptionsCheck.secret(refreshToken, "refreshToken").pipe(
        Effect.mapError((error) => new AccessToken.AccessTokenError({ reason: "Refused", messages: [error.message] })),
        Effect.flatMap((trimmed) => keeper.adopt(accountOf(account), trimmed))
      ),
    token: (account) => keeper.get(accountOf(account)),
    renew: (account, refused) => keeper.renew(accountOf(account), refused),
    locationToken
  }
  return service
})

/**
 * The service as a layer. When the layer ends, it waits for refreshes under way.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Options
): Layer.Layer<OAuth, InvalidOptions, HttpClient.HttpClient | TokenStore.TokenStore> =>
  Layer.effect(OAuth, make(options))

/**
 * The service as a layer, its options from `Config`: `HIGHLEVEL_CLIENT_ID`,
 * `HIGHLEVEL_CLIENT_SECRET`, and, where set, `HIGHLEVEL_BASE_URL`.
 *
 * @category layers
 * @since 0.1.0
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

/**
 * The tokens of every location that has connected. A location is opened by its
 * first request and closed when it is idle.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerLocations: Layer.Layer<AccessToken.AccessToken, never, OAuth> = Layer.effect(
  AccessToken.AccessToken,
  Effect.map(OAuth, ({ clientId, renew, token }) => ({
    app: clientId,
    get: (locationId) => token({ locationId }),
    renew: (locationId, refused) => renew({ locationId }, refused)
  }))
)

/**
 * The tokens of one location. It is opened at once, so that a refresh that a crash
 * cut off is repeated in time; requests to another location fail.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerLocation = (options: {
  readonly locationId: string
  /** A refresh token that you already have: see `adopt` of {@link Service}. */
  readonly refreshToken?: Redacted.Redacted | undefined
}): Layer.Layer<AccessToken.AccessToken, AccessToken.AccessTokenError, OAuth> =>
  Layer.effect(
    AccessToken.AccessToken,
    Effect.gen(function* () {
      const { adopt, clientId, renew, token } = yield* OAuth
      const account = { locationId: options.locationId }
      if (options.refreshToken !== undefined) yield* adopt(account, options.refreshToken)
      yield* Effect.forkScoped(Effect.ignore(token(account)))
      const own = <A>(locationId: string, effect: Effect.Effect<A, AccessToken.AccessTokenError>) =>
        locationId === options.locationId
          ? effect
          : Effect.fail(
              new AccessToken.AccessTokenError({
                reason: "Refused",
                messages: [`these are the tokens of location ${options.locationId}`]
              })
            )
      return {
        app: clientId,
        get: (locationId) => own(locationId, token(account)),
        renew: (locationId, refused) => own(locationId, renew(account, refused))
      }
    })
  )

// A token that was refused this soon after its exchange will not be cured by another.
const minimumAgeMillis = 10_000
const maximumLocations = 10_000

/**
 * The tokens of an agency's sub-accounts, exchanged for the agency's own token and
 * kept in memory. The agency has connected with `userType: "Company"`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerAgency = (options: {
  readonly companyId: string
}): Layer.Layer<AccessToken.AccessToken, never, OAuth> =>
  Layer.effect(
    AccessToken.AccessToken,
    Effect.gen(function* () {
      const { companyId } = options
      const { clientId, locationToken } = yield* OAuth
      const tokens = yield* Cache.makeWith((locationId: string) => locationToken({ companyId, locationId }), {
        capacity: maximumLocations,
        timeToLive: (exit) => {
          if (Exit.isFailure(exit)) return "1 second"
          const { expiresAt, obtainedAt } = exit.value
          return expiresAt === undefined ? "Infinity" : Math.max(0, (expiresAt - obtainedAt) * 0.9)
        }
      })
      return {
        app: clientId,
        get: (locationId) => Effect.map(Cache.get(tokens, locationId), ({ token }) => token),
        renew: (locationId, refused) =>
          Effect.gen(function* () {
            const { obtainedAt, token } = yield* Cache.get(tokens, locationId)
            if (Redacted.value(token) !== Redacted.value(refused)) return true
            if ((yield* Clock.currentTimeMillis) - obtainedAt < minimumAgeMillis) return false
            yield* Cache.invalidateWhen(tokens, locationId, (held) => held.token === token)
            yield* Cache.get(tokens, locationId)
            return true
          })
      }
    })
  )
