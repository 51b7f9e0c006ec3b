/**
 * Supplies the access token for each attempt.
 *
 * A client with a `token` option always uses that token. Without one, it asks the
 * `AccessToken` service in its context: the one from `OAuth.layer`, or your own.
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
 * No token is available for the location. Calls then fail with `ReconnectRequired`
 * or `TokenUnavailable`, which also identify the call.
 */
export class AccessTokenError extends Data.TaggedError("AccessTokenError")<{
  /**
   * - `ReconnectRequired`: the location must be reconnected
   * - `Refused`: HighLevel refused for another reason; see `messages`
   * - `Unreachable`: transient; a retry may succeed
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

/** A source of access tokens. */
export interface Service {
  /** The app whose rate limit the requests count against: the OAuth client id, or a hash of the token. */
  readonly app: string

  /** The server that issued the tokens. A client without a `baseUrl` of its own sends its requests there. @default HighLevel */
  readonly baseUrl?: string | undefined

  /** Returns the token for requests to a location. */
  readonly get: (locationId: string) => Effect.Effect<Redacted.Redacted, AccessTokenError>

  /**
   * Called when HighLevel rejects a token as invalid. Return true if `get` will now
   * return a different one. It is called at most once per call, and only for this 401.
   * Without `renew`, a rejected token is final.
   */
  readonly renew?: (locationId: string, refused: Redacted.Redacted) => Effect.Effect<boolean, AccessTokenError>
}

/**
 * The token source of a client that has no `token` option.
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
 * Wraps a source to refuse tokens that are invalid in a header. An HTTP client would
 * fail with a message that contains the token.
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
 * One fixed token for every location: a Private Integration token, or an access token
 * that is renewed elsewhere. Surrounding white space is trimmed.
 */
export const make = (options: { readonly token: Redacted.Redacted }): Effect.Effect<Service, InvalidOptions> =>
  Effect.map(OptionsCheck.token(options.token), (token) => {
    const got = Effect.succeed(token)
    return { app: `token-${Hash.string(Redacted.value(token)) >>> 0}`, get: () => got }
  })
