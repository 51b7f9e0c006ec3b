/** The OAuth service and its options. */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as HttpClient from "effect/http/HttpClient"
import type * as AccessToken from "../client/AccessToken.ts"
import { describeToken } from "../client/errorFields.ts"
import type { InvalidOptions } from "../client/HighLevelError.ts"
import type { UserType } from "../wire/getAccessToken.ts"

/** The app, and how its tokens are kept fresh. */
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

  /** How long before its expiry a token is refreshed, at most a tenth of its life. @default "5 minutes" */
  readonly refreshBefore?: Duration.Input | undefined

  /**
   * How long one request to the OAuth server may take, at most 12 seconds: what is
   * lost has to be repeated within the 30 seconds in which HighLevel repeats its
   * response.
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

  /** How long a call waits for a token that is being refreshed. @default "1 minute" */
  readonly maxWait?: Duration.Input | undefined

  /** After how long without a request the tokens of a location leave the memory. @default "10 minutes" */
  readonly idleTimeToLive?: Duration.Input | undefined

  /** A transformation of the HTTP client: a proxy, headers of your own. */
  readonly transformClient?: ((client: HttpClient.HttpClient) => HttpClient.HttpClient) | undefined
}

/** Whose tokens: those of a sub-account or of an agency. */
export type Account = { readonly locationId: string } | { readonly companyId: string }

/** What was connected. */
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
   * The page on which a customer chooses what to exchangeCode, and the `state` to keep
   * in the session of this browser until {@link Service.exchangeCode} compares it.
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
  ) => Effect.Effect<Connected, AuthorizationFailed>

  /**
   * Stores a refresh token that you already have, unless the stored tokens came of
   * it, of one that was imported after it, or of an authorization. It is used up by
   * the first refresh.
   */
  readonly importRefreshToken: (
    account: Account,
    refreshToken: Redacted.Redacted
  ) => Effect.Effect<void, AccessToken.AccessTokenError>

  /** The access token of an account, refreshed if it is about to expire. */
  readonly token: (account: Account) => Effect.Effect<Redacted.Redacted, AccessToken.AccessTokenError>

  /** Told that an access token was refused as invalid: whether there is another one now. */
  readonly renew: (account: Account, refused: Redacted.Redacted) => Effect.Effect<boolean, AccessToken.AccessTokenError>

  /** Exchanges an agency's token for that of one of its sub-accounts. */
  readonly locationToken: (options: {
    readonly companyId: string
    readonly locationId: string
  }) => Effect.Effect<LocationToken, AccessToken.AccessTokenError>
}

/** What a customer is asked for, and where. */
export interface AuthorizationUrlOptions {
  /** Where HighLevel sends the customer back to, as registered with the app. */
  readonly redirectUri: string

  /** What to ask for. @default ["conversations.readonly", "conversations.write"] */
  readonly scopes?: ReadonlyArray<string> | undefined

  /**
   * The page that lets the customer choose; white-label agencies use
   * `https://marketplace.leadconnectorhq.com/oauth/chooselocation`.
   *
   * @default "https://marketplace.gohighlevel.com/oauth/chooselocation"
   */
  readonly page?: string | URL | undefined
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

  /** The same as in the authorization. */
  readonly redirectUri: string

  /** Which tokens to ask for. @default "Location" */
  readonly userType?: UserType | undefined
}

/** The token of a sub-account, exchanged for its agency's. */
export interface LocationToken {
  readonly token: Redacted.Redacted
  /** In epoch milliseconds. */
  readonly obtainedAt: number
  /** In epoch milliseconds, where HighLevel tells it. */
  readonly expiresAt?: number | undefined
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
 *   const { locationId = "" } = yield* oauth.exchangeCode(callback, { state, redirectUri })
 *
 *   const { conversation } = yield* Conversations.update({
 *     conversationId: "tDtDnQdgm2LXpyiqYvZ6",
 *     locationId,
 *     starred: true
 *   })
 *   return conversation.starred
 * })
 *
 * const HighLevel = HighLevelClient.layer().pipe(
 *   Layer.provide(OAuth.layerLocations),
 *   Layer.provideMerge(OAuth.layer(Sandbox.defaultApp)),
 *   Layer.provide(TokenStore.layerMemory),
 *   Layer.provideMerge(Sandbox.layer())
 * )
 *
 * await Effect.runPromise(program.pipe(Effect.provide(HighLevel))) // => true
 * ```
 */
export class OAuth extends Context.Service<OAuth, Service>()("effect-highlevel/OAuth/OAuth") {}
