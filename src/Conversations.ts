/**
 * The client: updates conversations in HighLevel.
 *
 * A call passes, in this order: the check of its input and its timeout, the
 * retry, the quota, the attempt (token, headers, timeout), the caller's
 * `transformClient`, and the `HttpClient` that the application provides. Each part
 * is on by default and can be replaced or switched off by an option.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { identity } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as HttpClient from "effect/http/HttpClient"
import * as AccessToken from "./AccessToken.ts"
import type { Answer, ConversationUpdate } from "./ConversationUpdate.ts"
import { type InvalidOptions, RequestTimeout, type UpdateError } from "./HighLevelError.ts"
import * as Attempt from "./internal/attempt.ts"
import * as Course from "./internal/course.ts"
import { ApiVersion } from "./internal/operation.ts"
import * as OptionsCheck from "./internal/options.ts"
import * as Policy from "./internal/policy.ts"
import * as Request from "./internal/request.ts"
import * as Series from "./internal/series.ts"
import * as Quota from "./Quota.ts"
import * as UpdateMetrics from "./UpdateMetrics.ts"

/**
 * What a single call may decide for itself.
 *
 * @category options
 * @since 0.1.0
 */
export interface UpdateOptions {
  /**
   * The value of the `Version` header.
   *
   * @default the client's
   */
  readonly version?: ApiVersion | undefined

  /**
   * How long the call may take, waits and retries included.
   *
   * @default the client's
   */
  readonly timeout?: Duration.Input | undefined
}

/**
 * The calls of a client.
 *
 * @category services
 * @since 0.1.0
 */
export interface Service {
  /**
   * Sets the given fields of a conversation and answers the conversation.
   *
   * **Details**
   *
   * `PUT /conversations/:conversationId` sets absolute values, so repeating an
   * update is safe. Fields that are left out stay as they are.
   *
   * **Gotchas**
   *
   * Live answers leave fields out: take what you need with a fallback.
   *
   * @see {@link https://marketplace.gohighlevel.com/docs/ghl/conversations/update-conversation | Update Conversation}
   */
  readonly update: (update: ConversationUpdate, options?: UpdateOptions) => Effect.Effect<Answer, UpdateError>
}

/**
 * The conversations of HighLevel.
 *
 * **Example** (Mark as read and star, against the sandbox)
 *
 * ```ts
 * import { Conversations } from "effect-highlevel"
 * import { Sandbox } from "effect-highlevel/testing"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as Redacted from "effect/Redacted"
 *
 * const program = Effect.gen(function* () {
 *   const conversations = yield* Conversations.Conversations
 *   const { conversation } = yield* conversations.update({
 *     conversationId: "tDtDnQdgm2LXpyiqYvZ6",
 *     locationId: "tDtDnQdgm2LXpyiqYvZ6",
 *     unreadCount: 0,
 *     starred: true
 *   })
 *   return [conversation.unreadCount, conversation.starred]
 * })
 *
 * const layer = Conversations.layer({ token: Redacted.make("sandbox-token") }).pipe(Layer.provide(Sandbox.layer()))
 *
 * await Effect.runPromise(program.pipe(Effect.provide(layer))) // => [0, true]
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export class Conversations extends Context.Service<Conversations, Service>()(
  "effect-highlevel/Conversations/Conversations"
) {}

export type { RetryOptions } from "./internal/options.ts"

/**
 * Options of a client, each with a default.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /**
   * Where HighLevel is. Plain HTTP is refused, except to a loopback address.
   *
   * @default "https://services.leadconnectorhq.com"
   */
  readonly baseUrl?: string | URL | undefined

  /**
   * The value of the `Version` header.
   *
   * @default "2021-07-28"
   */
  readonly version?: ApiVersion | undefined

  /**
   * How long one attempt waits for its answer before the request is aborted.
   *
   * @default "30 seconds"
   */
  readonly attemptTimeout?: Duration.Input | undefined

  /**
   * How long a call may take, its waits for the quota and its retries included.
   * `"Infinity"` is no limit: a long backlog is patient.
   *
   * @default "Infinity"
   */
  readonly timeout?: Duration.Input | undefined

  /**
   * When to try again after a transport failure, a timeout, or a 408, 429, 500,
   * 502, 503 or 504, or `false` for never.
   */
  readonly retry?: OptionsCheck.RetryOptions | false | undefined

  /**
   * Whether requests wait for the quota of their location, or `false` to send
   * them at once. Where the quota is kept is the `Quota` in the context's to say,
   * else it is kept in this client's memory.
   *
   * **Gotchas**
   *
   * `false` in a Cloudflare Worker: a request that waits would be woken by another
   * one, which Workers do not allow, and hang. A 429 is still retried.
   *
   * @default true
   */
  readonly quota?: boolean | undefined

  /**
   * Whose quota it is: the OAuth client id. Give it so that the quota survives
   * the rotation of the token.
   *
   * @default the OAuth client id, or a hash of the token
   */
  readonly app?: string | undefined

  /**
   * Whether trace headers (`traceparent`, `b3`) are sent to HighLevel.
   *
   * @default false
   */
  readonly tracePropagation?: boolean | undefined

  /**
   * A transformation of the HTTP client below every policy of this one: a proxy,
   * logging, headers of your own. It sees the request as it goes out.
   */
  readonly transformClient?: ((client: HttpClient.HttpClient) => HttpClient.HttpClient) | undefined
}

/**
 * Options with a token: no `AccessToken` is asked of the context.
 *
 * @category options
 * @since 0.1.0
 */
export interface TokenOptions extends Options {
  /**
   * A Private Integration token of the location, or an access token generated
   * with user type Sub-Account. White space around it is dropped.
   */
  readonly token: Redacted.Redacted
}

/**
 * Where HighLevel is.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultBaseUrl: string = OptionsCheck.defaultBaseUrl

/**
 * The documented value of the `Version` header.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultVersion: ApiVersion = "2021-07-28"

/**
 * Makes the service from the `HttpClient` of the application. Fails with
 * `InvalidOptions`, which names the option, for a token, a base URL, a version or
 * a timeout that it cannot work with. Without a `token` it needs an `AccessToken`.
 *
 * @category constructors
 * @since 0.1.0
 */
export function make(options: TokenOptions): Effect.Effect<Service, InvalidOptions, HttpClient.HttpClient>
export function make(
  options?: Options
): Effect.Effect<Service, InvalidOptions, HttpClient.HttpClient | AccessToken.AccessToken>
export function make(
  options: Options | TokenOptions = {}
): Effect.Effect<Service, InvalidOptions, HttpClient.HttpClient | AccessToken.AccessToken> {
  return "token" in options
    ? Effect.flatMap(AccessToken.make(options), (accessToken) => makeWith(accessToken, options))
    : Effect.flatMap(AccessToken.AccessToken, (accessToken) => makeWith(checked(accessToken), options))
}

// An HTTP client would fail with a message that repeats the token.
const checked = (accessToken: AccessToken.Service): AccessToken.Service => ({
  ...accessToken,
  get: (locationId) =>
    Effect.filterOrFail(
      accessToken.get(locationId),
      (token) => OptionsCheck.isVisible(Redacted.value(token)),
      () =>
        new AccessToken.AccessTokenError({
          reason: "Refused",
          messages: ["the token is not one of visible ASCII characters, without spaces"]
        })
    )
})

const makeWith = Effect.fnUntraced(function* (
  accessToken: AccessToken.Service,
  options: Options
): Effect.fn.Return<Service, InvalidOptions, HttpClient.HttpClient> {
  const httpClient = (yield* HttpClient.HttpClient).pipe(options.transformClient ?? identity)
  const baseUrl = yield* OptionsCheck.baseUrl(options.baseUrl ?? defaultBaseUrl)
  const clientVersion = yield* OptionsCheck.version(options.version ?? defaultVersion)
  const clientTimeout = yield* OptionsCheck.timeout(options.timeout ?? "Infinity")
  const attemptTimeout = yield* OptionsCheck.timeout(options.attemptTimeout ?? "30 seconds", "attemptTimeout")
  const retry = yield* OptionsCheck.retry(options.retry ?? {})
  const attempt = Attempt.make({
    httpClient,
    baseUrl,
    tracePropagation: options.tracePropagation ?? false
  })
  const shared = yield* Effect.serviceOption(Quota.Quota)
  const quota =
    options.quota === false ? Quota.unlimited : Option.isSome(shared) ? shared.value : yield* Quota.makeMemory
  const perform = Policy.make({
    app: options.app ?? accessToken.app,
    accessToken,
    quota,
    retry,
    attemptTimeout,
    attempt
  })

  const countUpdate = Series.by(UpdateMetrics.updates, "outcome")

  const within = (
    update: ConversationUpdate,
    progress: Course.Course,
    timeout: Duration.Duration,
    performed: Effect.Effect<Answer, UpdateError>
  ) =>
    Duration.isFinite(timeout)
      ? Effect.timeoutOrElse(performed, {
          duration: timeout,
          orElse: () =>
            Effect.fail(
              new RequestTimeout({
                conversationId: update.conversationId,
                locationId: update.locationId,
                attempts: progress.attempts,
                scope: "call",
                timeoutMillis: Duration.toMillis(timeout)
              })
            )
        })
      : performed

  const update = (
    input: ConversationUpdate,
    callOptions: UpdateOptions = {},
    course: Course.Course | undefined
  ): Effect.Effect<Answer, UpdateError> => {
    const checked = Request.update(input)
    if (Result.isFailure(checked)) return Effect.fail(checked.failure)
    const valid = checked.success
    const progress = course ?? { attempts: 0 }
    const performed = (version: ApiVersion, timeout: Duration.Duration) =>
      within(valid, progress, timeout, perform(valid, version, progress, course !== undefined))
    if (callOptions.version === undefined && callOptions.timeout === undefined) {
      return performed(clientVersion, clientTimeout)
    }
    return Effect.gen(function* () {
      const version = yield* Request.version(valid, callOptions.version ?? clientVersion)
      const timeout =
        callOptions.timeout === undefined ? clientTimeout : yield* Request.timeout(valid, callOptions.timeout)
      return yield* performed(version, timeout)
    })
  }

  const counted = (input: ConversationUpdate, callOptions: UpdateOptions | undefined) =>
    Effect.withFiber<Answer, UpdateError>((fiber) =>
      Effect.onExit(update(input, callOptions, fiber.getRef(Course.Course)), (exit) => {
        const outcome = Exit.isSuccess(exit)
          ? "Applied"
          : Option.getOrUndefined(Cause.findErrorOption(exit.cause))?._tag
        if (outcome !== undefined) countUpdate(outcome, 1, fiber.context)
        return Effect.void
      })
    )

  return {
    update: (input, callOptions) =>
      Effect.suspend(() => {
        const { conversationId, locationId } = Request.givenIds(input)
        return Effect.withSpan(counted(input, callOptions), "Conversations.update", {
          attributes: { "highlevel.conversation_id": conversationId, "highlevel.location_id": locationId },
          // It would be a line of this file.
          captureStackTrace: false
        })
      })
  }
})

/**
 * The client as a layer.
 *
 * **Example** (A token at hand)
 *
 * ```ts
 * import { Conversations } from "effect-highlevel"
 * import * as Layer from "effect/Layer"
 * import * as Redacted from "effect/Redacted"
 * import * as FetchHttpClient from "effect/http/FetchHttpClient"
 *
 * const HighLevel = Conversations.layer({ token: Redacted.make("pit-…"), timeout: "10 seconds" }).pipe(
 *   Layer.provide(FetchHttpClient.layer)
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export function layer(options: TokenOptions): Layer.Layer<Conversations, InvalidOptions, HttpClient.HttpClient>
export function layer(
  options?: Options
): Layer.Layer<Conversations, InvalidOptions, HttpClient.HttpClient | AccessToken.AccessToken>
export function layer(
  options?: Options | TokenOptions
): Layer.Layer<Conversations, InvalidOptions, HttpClient.HttpClient | AccessToken.AccessToken> {
  return Layer.effect(Conversations, make(options))
}

/**
 * Options from `Config`, each with a default.
 *
 * @category options
 * @since 0.1.0
 */
export interface ConfigOptions extends Omit<Options, "baseUrl" | "version"> {
  /** @default Config.Redacted("HIGHLEVEL_TOKEN") */
  readonly token?: Config.Config<Redacted.Redacted> | undefined

  /** @default Config.String("HIGHLEVEL_BASE_URL"), or HighLevel itself */
  readonly baseUrl?: Config.Config<string> | undefined

  /** @default Config.schema(ApiVersion, "HIGHLEVEL_API_VERSION"), or "2021-07-28" */
  readonly version?: Config.Config<ApiVersion> | undefined
}

/**
 * The client as a layer, its options from `Config`: `HIGHLEVEL_TOKEN`, and, where
 * set, `HIGHLEVEL_BASE_URL` and `HIGHLEVEL_API_VERSION`. With `token: false` its
 * tokens are those of the `AccessToken` in the context.
 *
 * **Gotchas**
 *
 * A variable that is set but empty counts as not set: an empty
 * `HIGHLEVEL_BASE_URL` means HighLevel itself.
 *
 * **Example** (From the environment)
 *
 * ```ts
 * import { Conversations } from "effect-highlevel"
 * import { Sandbox } from "effect-highlevel/testing"
 * import * as ConfigProvider from "effect/ConfigProvider"
 * import * as Effect from "effect/Effect"
 *
 * const environment = ConfigProvider.fromEnv({ env: { HIGHLEVEL_TOKEN: "sandbox-token" } })
 *
 * const program = Conversations.update({
 *   conversationId: "tDtDnQdgm2LXpyiqYvZ6",
 *   locationId: "tDtDnQdgm2LXpyiqYvZ6",
 *   starred: true
 * }).pipe(
 *   Effect.map(({ conversation }) => conversation.starred),
 *   Effect.provide(Conversations.layerConfig()),
 *   Effect.provide(Sandbox.layer()),
 *   Effect.provideService(ConfigProvider.ConfigProvider, environment)
 * )
 *
 * await Effect.runPromise(program) // => true
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export function layerConfig(
  options?: ConfigOptions
): Layer.Layer<Conversations, Config.ConfigError | InvalidOptions, HttpClient.HttpClient>
export function layerConfig(
  options: Omit<ConfigOptions, "token"> & { readonly token: false }
): Layer.Layer<Conversations, Config.ConfigError | InvalidOptions, HttpClient.HttpClient | AccessToken.AccessToken>
export function layerConfig(
  options: Omit<ConfigOptions, "token"> & { readonly token?: ConfigOptions["token"] | false } = {}
): Layer.Layer<Conversations, Config.ConfigError | InvalidOptions, HttpClient.HttpClient | AccessToken.AccessToken> {
  return Layer.effect(
    Conversations,
    Effect.gen(function* () {
      const { token = Config.Redacted("HIGHLEVEL_TOKEN"), ...others } = options
      const baseUrl = yield* (
        options.baseUrl ?? Config.String("HIGHLEVEL_BASE_URL").pipe(Config.withDefault(defaultBaseUrl))
      )
      const version = yield* (
        options.version ?? Config.schema(ApiVersion, "HIGHLEVEL_API_VERSION").pipe(Config.withDefault(defaultVersion))
      )
      const given = { ...others, baseUrl, version }
      return yield* token === false ? make(given) : make({ ...given, token: yield* token })
    })
  )
}

/**
 * {@link Service.update} of the `Conversations` in the context.
 *
 * @category accessors
 * @since 0.1.0
 */
export const update = (
  update: ConversationUpdate,
  options?: UpdateOptions
): Effect.Effect<Answer, UpdateError, Conversations> =>
  Conversations.use((conversations) => conversations.update(update, options))
