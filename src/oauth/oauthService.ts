/** The OAuth service and its options. */
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import type * as HttpClient from "effect/http/HttpClient"
import type * as AccessToken from "../client/AccessToken.ts"
import { describeToken } from "../client/errorFields.ts"
import type { InvalidOptions } from "../client/HighLevelError.ts"
import type { UserType } from "../wire/getAccessToken.ts"
import type { ApiVersion } from "../wire/Operation.ts"

/** The app, and how to renew its tokens. */
export interface Options {
  /** The client id of the app in HighLevel's marketplace. */
  readonly clientId: string

  /** The client secret of the app. */
  readonly clientSecret: Redacted.Redacted

  /** The version of the app that customers install. @default the app id: the part of the client id before its hyphen */
  readonly versionId?: string | undefined

  /**
   * The page where customers choose what to connect. White-label agencies use
   * `https://marketplace.leadconnectorhq.com`.
   *
   * @default "https://marketplace.gohighlevel.com", or `baseUrl` if that is not HighLevel
   */
  readonly marketplaceUrl?: string | URL | undefined

  /** Whether the login opens in its own window or in the same tab. @default a window, as HighLevel does */
  readonly loginWindowOpenMode?: "self" | undefined

  /**
   * The base URL of the API, also for clients that use these tokens. Plain HTTP is refused,
   * except to a loopback address, or with `allowInsecureHttp`.
   *
   * @default "https://services.leadconnectorhq.com"
   */
  readonly baseUrl?: string | URL | undefined

  /**
   * Whether to allow plain HTTP to another machine, such as a sandbox in a container.
   * Anyone on the network path can then read the tokens and the client secret. The client
   * has its own option.
   *
   * @default false
   */
  readonly allowInsecureHttp?: boolean | undefined

  /** The value of the `Version` header of OAuth requests. @default "2021-07-28" */
  readonly version?: ApiVersion | undefined

  /** How long before its expiry a token is refreshed, at most a tenth of its lifetime. @default "5 minutes" */
  readonly refreshBefore?: Duration.Input | undefined

  /**
   * Minimum age of a token that is refreshed because HighLevel rejected it. If HighLevel
   * rejects a newer one, another refresh would not help.
   *
   * @default "10 seconds"
   */
  readonly renewAfter?: Duration.Input | undefined

  /**
   * Maximum duration of a request to the OAuth server, at most 12 seconds: a lost request
   * must be retried within the 30 seconds in which HighLevel repeats its response.
   *
   * @default "6 seconds"
   */
  readonly attemptTimeout?: Duration.Input | undefined

  /**
   * How long after its death a process's refresh is taken over by another process. Must be
   * longer than `attemptTimeout`, at most 20 seconds.
   *
   * @default "10 seconds"
   */
  readonly lease?: Duration.Input | undefined

  /** Maximum time that a call waits for a refresh. @default "1 minute" */
  readonly maxWait?: Duration.Input | undefined

  /** How long the tokens of an unused location stay in memory. @default "10 minutes" */
  readonly idleTimeToLive?: Duration.Input | undefined

  /** Transforms the HTTP client: for a proxy or additional headers. */
  readonly transformClient?: ((client: HttpClient.HttpClient) => HttpClient.HttpClient) | undefined
}

/** The owner of tokens: a sub-account or an agency. */
export type Account = { readonly locationId: string } | { readonly companyId: string }

/** A connected location. */
export interface ConnectedLocation {
  readonly userType: "Location"
  readonly locationId: string
  /** Its agency, if HighLevel reports it. */
  readonly companyId?: string | undefined
  readonly userId?: string | undefined
  /** The granted scopes. */
  readonly scopes: ReadonlyArray<string>
}

/** A connected agency. */
export interface ConnectedCompany {
  readonly userType: "Company"
  readonly companyId: string
  readonly userId?: string | undefined
  readonly scopes: ReadonlyArray<string>
}

/** A connected account. */
export type Connected = ConnectedLocation | ConnectedCompany

/** The result of an authorization. */
export type Authorized =
  | ConnectedLocation
  | (ConnectedCompany & {
      /**
       * The locations in which the agency has installed the app, which are now served, or
       * the reason why HighLevel does not list them, such as a missing `oauth.readonly`. A
       * location that is not listed is found by its first request.
       */
      readonly locations: Result.Result<ReadonlyArray<InstalledLocation>, AccessToken.AccessTokenError>
    })

/** A location in which an agency has installed the app. */
export interface InstalledLocation {
  readonly locationId: string
  readonly name?: string | undefined
}

/**
 * The authorization failed, and nothing was stored.
 *
 * - `StateMismatch`: the redirect does not belong to an authorization of this browser, or
 *   its state was lost; start again
 * - `Denied`: the customer or HighLevel denied access
 * - `Refused`: HighLevel refused the code (`invalid_grant`) or the app
 * - `Unreachable`: the OAuth server or the token store is unavailable; start again, since a
 *   code can be used once
 */
export class AuthorizationFailed extends Schema.TaggedError<AuthorizationFailed>()("AuthorizationFailed", {
  reason: Schema.Literals(["StateMismatch", "Denied", "Refused", "Unreachable"]),
  status: Schema.optionalKey(Schema.Number),
  /** The `error` of HighLevel's response, such as `invalid_grant` or `access_denied`. */
  error: Schema.optionalKey(Schema.String),
  messages: Schema.Array(Schema.String),
  traceId: Schema.optionalKey(Schema.String),
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message() {
    return describeToken(`Not connected: ${this.reason}`, this.error, this.messages)
  }
}

/** Connects customers and renews their tokens. */
export interface Service {
  readonly clientId: string

  /**
   * Returns the URL of HighLevel's page, and the `state` to keep in the browser's session
   * until {@link Service.exchangeCode} compares it. HighLevel refuses a `redirectUri` that
   * contains "highlevel" or "ghl".
   */
  readonly authorizationUrl: (
    options: AuthorizationUrlOptions
  ) => Effect.Effect<{ readonly url: string; readonly state: Redacted.Redacted }, InvalidOptions>

  /**
   * Completes an authorization with the query of HighLevel's redirect: compares the
   * `state`, exchanges the code and stores the tokens, even if the caller is interrupted.
   * Reconnecting replaces the stored tokens; other processes notice within a minute.
   */
  readonly exchangeCode: (
    callback: Callback,
    options: ExchangeCodeOptions
  ) => Effect.Effect<Authorized, AuthorizationFailed>

  /**
   * Imports a refresh token that you already have. It is ignored if the stored tokens
   * descend from it, from a later import, or from an authorization. The first refresh
   * invalidates it.
   */
  readonly importRefreshToken: (
    account: Account,
    refreshToken: Redacted.Redacted
  ) => Effect.Effect<void, AccessToken.AccessTokenError>

  /** Serves a location by the token of its agency, unless it was disconnected after `installedAt`. */
  readonly addLocation: (options: {
    readonly companyId: string
    readonly locationId: string
    /** When the app was installed there. @default now */
    readonly installedAt?: DateTime.DateTime | undefined
  }) => Effect.Effect<void, AccessToken.AccessTokenError>

  /** Streams the locations in which an agency has installed the app. Requires the scope `oauth.readonly`. */
  readonly installedLocations: (options: {
    readonly companyId: string
  }) => Stream.Stream<InstalledLocation, AccessToken.AccessTokenError>

  /**
   * Removes the tokens of an account; for an agency, also those of the locations that it
   * serves. Neither a refresh in progress nor an agency restores them. Other processes
   * notice within a minute. It does not uninstall the app in HighLevel: the customer does.
   */
  readonly disconnect: (
    account: Account,
    options?: {
      /** When the customer uninstalled the app. An account that connected later stays. @default now */
      readonly uninstalledAt?: DateTime.DateTime | undefined
    }
  ) => Effect.Effect<void, AccessToken.AccessTokenError>

  /** Streams the connected accounts, in any order, without their tokens. */
  readonly list: Stream.Stream<Connected, AccessToken.AccessTokenError>

  /** Returns whether an account is connected. A location that only its agency knows connects with its first request. */
  readonly isConnected: (account: Account) => Effect.Effect<boolean, AccessToken.AccessTokenError>

  /** Returns the access token of an account, refreshed if it is about to expire. */
  readonly token: (account: Account) => Effect.Effect<Redacted.Redacted, AccessToken.AccessTokenError>

  /** Called when HighLevel rejects an access token as invalid. Returns whether there is a different one now. */
  readonly renew: (account: Account, refused: Redacted.Redacted) => Effect.Effect<boolean, AccessToken.AccessTokenError>
}

/** The options of an authorization. */
export interface AuthorizationUrlOptions {
  /** Where HighLevel redirects the customer, as registered with the app. */
  readonly redirectUri: string

  /**
   * The scopes to request. An app that agencies install also needs `oauth.readonly` and
   * `oauth.write`.
   *
   * @default ["conversations.readonly", "conversations.write"]
   */
  readonly scopes?: ReadonlyArray<string> | undefined
}

/** The query of HighLevel's redirect. */
export interface Callback {
  readonly code?: string | undefined
  readonly state?: string | undefined
  readonly error?: string | undefined
  readonly error_description?: string | undefined
}

/** The authorization that a redirect belongs to. */
export interface ExchangeCodeOptions {
  /** The `state` from the browser's session; `undefined` if there is none. */
  readonly state: Redacted.Redacted | undefined

  /** The `redirectUri` of the authorization, if it had one. */
  readonly redirectUri?: string | undefined

  /**
   * Whether to accept a redirect without a `state` if the browser's session has none, as
   * after an install that began in HighLevel's marketplace. Anyone can then make a browser
   * connect an account of somebody else. Ask your user to confirm the account before you use it.
   *
   * @default false
   */
  readonly allowMissingState?: boolean | undefined

  /** The type of tokens to request; HighLevel decides. @default "Location" */
  readonly userType?: UserType | undefined
}

/**
 * The OAuth service of an app.
 *
 * **Example** (Connect a location and use it, with the sandbox)
 *
 * ```ts
 * import { Conversations, HighLevelClient, OAuth, TokenStore } from "effect-highlevel"
 * import { Sandbox } from "effect-highlevel/testing"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 *
 * const program = Effect.gen(function* () {
 *   const oauth = yield* OAuth.OAuth
 *   const sandbox = yield* Sandbox.Sandbox
 *   const redirectUri = "https://app.example/callback"
 *
 *   const { state, url } = yield* oauth.authorizationUrl({ redirectUri })
 *   const callback = yield* sandbox.approve(url)
 *   const connected = yield* oauth.exchangeCode(callback, { state, redirectUri })
 *
 *   const { conversation } = yield* Conversations.update({
 *     conversationId: "tDtDnQdgm2LXpyiqYvZ6",
 *     locationId: "tDtDnQdgm2LXpyiqYvZ6",
 *     starred: true
 *   })
 *   return [connected.userType, conversation.starred]
 * })
 *
 * const HighLevel = HighLevelClient.layer().pipe(
 *   Layer.provideMerge(OAuth.layer(Sandbox.defaultApp)),
 *   Layer.provide(TokenStore.layerMemory),
 *   Layer.provideMerge(Sandbox.layer())
 * )
 *
 * await Effect.runPromise(program.pipe(Effect.provide(HighLevel))) // => ["Location", true]
 * ```
 */
export class OAuth extends Context.Service<OAuth, Service>()("effect-highlevel/OAuth/OAuth") {}
