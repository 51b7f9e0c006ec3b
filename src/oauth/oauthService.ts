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

/** The app, and how its tokens are kept fresh. */
export interface Options {
  /** The client id of the app in HighLevel's marketplace. */
  readonly clientId: string

  /** The client secret of the app. */
  readonly clientSecret: Redacted.Redacted

  /** The version of the app that customers install. @default the app id: the part of the client id before its hyphen */
  readonly versionId?: string | undefined

  /**
   * Where customers choose what to connect; white-label agencies use
   * `https://marketplace.leadconnectorhq.com`.
   *
   * @default "https://marketplace.gohighlevel.com", or `baseUrl` if that is not HighLevel
   */
  readonly marketplaceUrl?: string | URL | undefined

  /** Whether a login on that page opens in its own window or in the same tab. @default HighLevel's, a window */
  readonly loginWindowOpenMode?: "self" | undefined

  /**
   * Where HighLevel is, for these tokens and for the clients that use them. Plain HTTP is
   * refused, except to a loopback address, or with `allowInsecureHttp`.
   *
   * @default "https://services.leadconnectorhq.com"
   */
  readonly baseUrl?: string | URL | undefined

  /**
   * Whether plain HTTP to another machine is allowed: for a sandbox that runs in a
   * container. Whoever is between the two reads the tokens and the client secret. The
   * client has an option of its own.
   *
   * @default false
   */
  readonly allowInsecureHttp?: boolean | undefined

  /** The value of the `Version` header of OAuth requests. @default "2021-07-28" */
  readonly version?: ApiVersion | undefined

  /** How long before its expiry a token is refreshed, at most a tenth of its life. @default "5 minutes" */
  readonly refreshBefore?: Duration.Input | undefined

  /**
   * How old a token must be to be refreshed because HighLevel refused it: a new one that
   * is refused will not be cured by another.
   *
   * @default "10 seconds"
   */
  readonly renewAfter?: Duration.Input | undefined

  /**
   * How long one request to the OAuth server may take, at most 12 seconds: what is
   * lost has to be repeated within the 30 seconds in which HighLevel repeats its
   * response.
   *
   * @default "6 seconds"
   */
  readonly attemptTimeout?: Duration.Input | undefined

  /**
   * After how long the refresh of a process that died is taken over. Longer than
   * `attemptTimeout`, at most 20 seconds.
   *
   * @default "10 seconds"
   */
  readonly lease?: Duration.Input | undefined

  /** How long a call waits for a token that is being refreshed. @default "1 minute" */
  readonly maxWait?: Duration.Input | undefined

  /** After how long without a request the tokens of a location leave the memory. @default "10 minutes" */
  readonly idleTimeToLive?: Duration.Input | undefined

  /** A transformation of the HTTP client: a proxy, headers of your own. */
  readonly transformClient?: ((client: HttpClient.HttpClient) => HttpClient.HttpClient) | undefined
}

/** Whose tokens: those of a sub-account or of an agency. */
export type Account = { readonly locationId: string } | { readonly companyId: string }

/** A location that has connected. */
export interface ConnectedLocation {
  readonly userType: "Location"
  readonly locationId: string
  /** Its agency, where HighLevel tells it. */
  readonly companyId?: string | undefined
  readonly userId?: string | undefined
  /** What the customer agreed to. */
  readonly scopes: ReadonlyArray<string>
}

/** An agency that has connected. */
export interface ConnectedCompany {
  readonly userType: "Company"
  readonly companyId: string
  readonly userId?: string | undefined
  readonly scopes: ReadonlyArray<string>
}

/** What was connected. */
export type Connected = ConnectedLocation | ConnectedCompany

/** What an authorization has connected. */
export type Authorized =
  | ConnectedLocation
  | (ConnectedCompany & {
      /**
       * The locations in which the agency has installed the app, each of them served from
       * now on; or why HighLevel does not list them, such as a missing `oauth.readonly`. A
       * location is found by its first request as well.
       */
      readonly locations: Result.Result<ReadonlyArray<InstalledLocation>, AccessToken.AccessTokenError>
    })

/** A location in which an agency has installed the app. */
export interface InstalledLocation {
  readonly locationId: string
  readonly name?: string | undefined
}

/**
 * The authorization did not come about. Nothing was stored.
 *
 * - `StateMismatch`: the redirect does not belong to an authorization of this
 *   browser, or its state was lost; start again
 * - `Denied`: the customer, or HighLevel, refused
 * - `Refused`: HighLevel refuses the code (`invalid_grant`) or the app
 * - `Unreachable`: the OAuth server or the token store; a code can be used once,
 *   so start again
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

/** Connects customers, and keeps their tokens. */
export interface Service {
  readonly clientId: string

  /**
   * The page on which a customer chooses what to connect, and the `state` to keep
   * in the session of this browser until {@link Service.exchangeCode} compares it.
   * HighLevel refuses a `redirectUri` that contains "highlevel" or "ghl".
   */
  readonly authorizationUrl: (
    options: AuthorizationUrlOptions
  ) => Effect.Effect<{ readonly url: string; readonly state: Redacted.Redacted }, InvalidOptions>

  /**
   * Ends an authorization with what HighLevel's redirect brought: compares the
   * `state`, exchanges the code and stores the tokens, also when the caller has left.
   * Reconnecting replaces the tokens that were stored; other processes see it
   * within a minute.
   */
  readonly exchangeCode: (
    callback: Callback,
    options: ExchangeCodeOptions
  ) => Effect.Effect<Authorized, AuthorizationFailed>

  /**
   * Stores a refresh token that you already have, unless the stored tokens came of
   * it, of one that was imported after it, or of an authorization. It is used up by
   * the first refresh.
   */
  readonly importRefreshToken: (
    account: Account,
    refreshToken: Redacted.Redacted
  ) => Effect.Effect<void, AccessToken.AccessTokenError>

  /** Serves a location by the token of its agency from now on, also if it was disconnected before `installedAt`. */
  readonly addLocation: (options: {
    readonly companyId: string
    readonly locationId: string
    /** When the app was installed there. @default now */
    readonly installedAt?: DateTime.DateTime | undefined
  }) => Effect.Effect<void, AccessToken.AccessTokenError>

  /** The locations in which an agency has installed the app. Needs its scope `oauth.readonly`. */
  readonly installedLocations: (options: {
    readonly companyId: string
  }) => Stream.Stream<InstalledLocation, AccessToken.AccessTokenError>

  /**
   * Removes the tokens of an account, and with an agency's those of the locations that it
   * serves. Neither a refresh in progress nor an agency that has the location brings them
   * back. Other processes see it within a minute. HighLevel is not told: the customer
   * uninstalls the app there.
   */
  readonly disconnect: (
    account: Account,
    options?: {
      /** When the customer uninstalled the app: an account that has connected since stays. @default now */
      readonly uninstalledAt?: DateTime.DateTime | undefined
    }
  ) => Effect.Effect<void, AccessToken.AccessTokenError>

  /** The accounts that are connected, in any order, without their tokens. */
  readonly list: Stream.Stream<Connected, AccessToken.AccessTokenError>

  /** Whether an account has connected. A location that only its agency knows is connected with its first request. */
  readonly isConnected: (account: Account) => Effect.Effect<boolean, AccessToken.AccessTokenError>

  /** The access token of an account, refreshed if it is about to expire. */
  readonly token: (account: Account) => Effect.Effect<Redacted.Redacted, AccessToken.AccessTokenError>

  /** Told that an access token was refused as invalid: whether there is another one now. */
  readonly renew: (account: Account, refused: Redacted.Redacted) => Effect.Effect<boolean, AccessToken.AccessTokenError>
}

/** What a customer is asked for. */
export interface AuthorizationUrlOptions {
  /** Where HighLevel sends the customer back to, as registered with the app. */
  readonly redirectUri: string

  /**
   * What to ask for. An app that agencies install needs `oauth.readonly` and
   * `oauth.write`, too.
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

/** What the redirect is compared with. */
export interface ExchangeCodeOptions {
  /** The `state` that was kept in the browser's session; `undefined` where there is none. */
  readonly state: Redacted.Redacted | undefined

  /** The same as in the authorization, where there was one. */
  readonly redirectUri?: string | undefined

  /**
   * Whether a redirect without a `state` is accepted in a browser that has kept none: one
   * of an install that began in HighLevel's marketplace. Anybody can then make a browser
   * connect an account that is not its user's, so do not show what was connected to a user
   * of yours before he has confirmed that it is his.
   *
   * @default false
   */
  readonly allowMissingState?: boolean | undefined

  /** Which tokens to ask for; HighLevel decides. @default "Location" */
  readonly userType?: UserType | undefined
}

/**
 * The tokens of an app's customers.
 *
 * **Example** (Connected, used, refreshed, against the sandbox)
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
