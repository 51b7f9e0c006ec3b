/**
 * The token of a location, asked for before each attempt.
 *
 * A client that is given a `token` uses that one. A client without takes its
 * tokens from the `AccessToken` in its context: that of `OAuth.layer`, or your own.
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Hash from "effect/Hash"
import * as Redacted from "effect/Redacted"
import { describeToken } from "./errorFields.ts"
import type { InvalidOptions } from "./HighLevelError.ts"
import * as OptionsCheck from "./options.ts"

/**
 * There is no token. An update fails with `ReconnectRequired` or
 * `TokenUnavailable` for it, which also say which update it was.
 */
export class AccessTokenError extends Data.TaggedError("AccessTokenError")<{
  /**
   * - `ReconnectRequired`: only reconnecting the location helps
   * - `Refused`: HighLevel refuses for another reason, see `messages`
   * - `Unreachable`: repeating may help
   */
  readonly reason: "ReconnectRequired" | "Refused" | "Unreachable"
  readonly messages: ReadonlyArray<string>
  /** The status of the OAuth server's response. */
  readonly status?: number | undefined
  /** The `error` of the OAuth server's response, such as `invalid_grant`. */
  readonly error?: string | undefined
  readonly traceId?: string | undefined
  readonly cause?: unknown
}> {
  override get message() {
    return describeToken(this.reason, this.error, this.messages)
  }
}

/** Where the tokens of requests come from. */
export interface Service {
  /** Whose rate limit the requests use: the OAuth client id, or a hash of the token. */
  readonly app: string

  /** The server that issued the tokens: where a client sends them that is given no other. @default HighLevel */
  readonly baseUrl?: string | undefined

  /** The token for requests to a location. */
  readonly get: (locationId: string) => Effect.Effect<Redacted.Redacted, AccessTokenError>

  /**
   * Called when HighLevel rejects a token as invalid. Return true if `get` will now
   * return a different one. At most once per call, and never for another 401. Without
   * it a rejected token is final.
   */
  readonly renew?: (locationId: string, refused: Redacted.Redacted) => Effect.Effect<boolean, AccessTokenError>
}

/**
 * Where a client without a `token` of its own takes its tokens from.
 *
 * **Example** (Tokens of your own)
 *
 * ```ts
 * import { AccessToken, Conversations, HighLevelClient } from "effect-highlevel"
 * import { Sandbox } from "effect-highlevel/testing"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as Redacted from "effect/Redacted"
 *
 * const vault = new Map([["tDtDnQdgm2LXpyiqYvZ6", Redacted.make("sandbox-token")]])
 *
 * const Vault = Layer.succeed(AccessToken.AccessToken, {
 *   app: "my-app",
 *   get: (locationId) =>
 *     Effect.fromNullishOr(vault.get(locationId)).pipe(
 *       Effect.mapError(
 *         () => new AccessToken.AccessTokenError({ reason: "ReconnectRequired", messages: ["not in the vault"] })
 *       )
 *     )
 * })
 *
 * const program = Effect.gen(function* () {
 *   const { conversation } = yield* Conversations.update({
 *     conversationId: "tDtDnQdgm2LXpyiqYvZ6",
 *     locationId: "tDtDnQdgm2LXpyiqYvZ6",
 *     starred: true
 *   })
 *   const error = yield* Effect.flip(Conversations.update({ conversationId: "other", locationId: "other" }))
 *   return [conversation.starred, error._tag]
 * })
 *
 * const layer = HighLevelClient.layer().pipe(Layer.provide(Vault), Layer.provide(Sandbox.layer()))
 *
 * await Effect.runPromise(program.pipe(Effect.provide(layer))) // => [true, "ReconnectRequired"]
 * ```
 */
export class AccessToken extends Context.Service<AccessToken, Service>()("effect-highlevel/AccessToken/AccessToken") {}

/**
 * The same, refusing a token that cannot stand in a header: an HTTP client would fail
 * with a message that repeats it.
 *
 * @internal
 */
export const checked = (service: Service): Service => ({
  ...service,
  get: (locationId) =>
    Effect.filterOrFail(
      service.get(locationId),
      (token) => OptionsCheck.isVisible(Redacted.value(token)),
      () => new AccessTokenError({ reason: "Refused", messages: [`expected ${OptionsCheck.visibleToken}`] })
    )
})

/**
 * One token for every location: a Private Integration token, or an access token
 * that somebody else keeps fresh. White space around it is dropped.
 */
export const make = (options: { readonly token: Redacted.Redacted }): Effect.Effect<Service, InvalidOptions> =>
  Effect.map(OptionsCheck.token(options.token), (token) => {
    const got = Effect.succeed(token)
    return { app: `token-${Hash.string(Redacted.value(token)) >>> 0}`, get: () => got }
  })
