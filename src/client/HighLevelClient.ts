/**
 * The HighLevel client: the one layer that an application provides. All operations
 * share its token, rate limit, retries and timeouts.
 *
 * A call passes through these steps in order: input validation, retry, rate limit,
 * token, `transformClient`, and the application's `HttpClient`. Each is on by default
 * and can be replaced or disabled by an option.
 */
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"
import * as HttpClient from "effect/http/HttpClient"
import * as RateLimiter from "../rateLimit/RateLimiter.ts"
import type { ApiVersion, Operation } from "../wire/Operation.ts"
import * as AccessToken from "./AccessToken.ts"
import type { CallOptions, ConfigOptions, Options, TokenOptions } from "./clientOptions.ts"
import * as Exchange from "./exchange.ts"
import * as Execute from "./execute.ts"
import type { HighLevelError, InvalidOptions } from "./HighLevelError.ts"
import * as HighLevelMetrics from "./HighLevelMetrics.ts"
import * as Http from "./http.ts"
import * as OptionsCheck from "./options.ts"
import * as Request from "./request.ts"
import type { Executed } from "./retry.ts"
import * as Transport from "./transport.ts"

export type { CallError } from "./attempt.ts"
export type { Executed } from "./retry.ts"
export type { HttpError, HttpOptions } from "./http.ts"
export type { CallOptions, ConfigOptions, Options, RequestSlot, RetryOptions, TokenOptions } from "./clientOptions.ts"

/** The service of a HighLevel client. */
export interface Service {
  /** The base URL of the API. */
  readonly baseUrl: string

  /** Calls an operation and returns its output with the number of requests sent. */
  readonly execute: <I extends object, O>(
    operation: Operation<I, O>,
    input: I,
    options?: CallOptions
  ) => Effect.Effect<Executed<O>, HighLevelError>

  /**
   * An `HttpClient` for endpoints that this package does not cover. It adds the token of
   * a location, `Version`, `User-Agent`, rate limit, retries and timeout. It takes paths
   * such as `/contacts/`, and reads the whole response body.
   *
   * **Details**
   *
   * It retries `GET`, `HEAD`, `PUT`, `DELETE` and `OPTIONS`, and other methods only
   * after a 429, unless `retryAll` is set. As with any `HttpClient`, a response with any
   * status is a success. Errors and responses do not contain the token.
   */
  readonly http: (locationId: string, options?: Http.HttpOptions) => HttpClient.HttpClient.With<Http.HttpError>
}

/**
 * The HighLevel client.
 *
 * **Example** (An operation, and an endpoint without one)
 *
 * ```ts
 * import { GetConversation, HighLevelClient } from "effect-highlevel"
 * import { Sandbox } from "effect-highlevel/testing"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as Redacted from "effect/Redacted"
 *
 * const ids = { conversationId: "tDtDnQdgm2LXpyiqYvZ6", locationId: "tDtDnQdgm2LXpyiqYvZ6" }
 *
 * const program = Effect.gen(function* () {
 *   const client = yield* HighLevelClient.HighLevelClient
 *   const { attempts, output } = yield* client.execute(GetConversation.getConversation, ids)
 *   const response = yield* client.http(ids.locationId).get("/contacts/")
 *   return [output.unreadCount, attempts, response.status]
 * })
 *
 * const layer = HighLevelClient.layer({ token: Redacted.make("sandbox-token") }).pipe(Layer.provide(Sandbox.layer()))
 *
 * await Effect.runPromise(program.pipe(Effect.provide(layer))) // => [1, 1, 404]
 * ```
 */
export class HighLevelClient extends Context.Service<HighLevelClient, Service>()(
  "effect-highlevel/HighLevelClient/HighLevelClient"
) {}

/** The base URL of HighLevel's API. */
export const defaultBaseUrl: string = OptionsCheck.defaultBaseUrl

/** The documented value of the `Version` header. */
export const defaultVersion: ApiVersion = OptionsCheck.defaultVersion

/**
 * Makes the service over the application's `HttpClient`. It requires an `AccessToken`
 * unless a `token` is given. Fails with `InvalidOptions`, which names the option.
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
    : Effect.flatMap(AccessToken.AccessToken, (accessToken) => makeWith(AccessToken.checked(accessToken), options))
}

const noOptions: CallOptions = {}

const makeWith = Effect.fnUntraced(function* (
  accessToken: AccessToken.Service,
  options: Options
): Effect.fn.Return<Service, InvalidOptions, HttpClient.HttpClient> {
  const shared = yield* Effect.serviceOption(RateLimiter.RateLimiter)
  const rateLimiter =
    options.rateLimit === false
      ? RateLimiter.unlimited
      : Option.isSome(shared)
        ? shared.value
        : yield* RateLimiter.makeMemory
  const httpClient = (yield* HttpClient.HttpClient).pipe(options.transformClient ?? identity)
  const retry = yield* OptionsCheck.retry(options.retry ?? {})
  const maxResponseBytes = yield* OptionsCheck.maxResponseBytes(
    options.maxResponseBytes ?? Transport.MaxResponseBytes.defaultValue()
  )
  const settings: Execute.Settings = {
    baseUrl: yield* OptionsCheck.baseUrl(
      options.baseUrl ?? accessToken.baseUrl ?? defaultBaseUrl,
      options.allowInsecureHttp
    ),
    version: yield* OptionsCheck.version(options.version ?? defaultVersion),
    timeoutMillis: yield* OptionsCheck.millis(options.timeout ?? "Infinity", "timeout"),
    retry,
    policies: {
      app: options.app ?? accessToken.app,
      accessToken,
      rateLimiter,
      attemptTimeoutMillis: yield* OptionsCheck.millis(options.attemptTimeout ?? "30 seconds", "attemptTimeout"),
      maxRetryAfterMillis: retry.maxRetryAfterMillis,
      exchange: Exchange.make(httpClient, maxResponseBytes),
      contextOf: Transport.context(options.tracePropagation ?? false, maxResponseBytes)
    }
  }
  const execute = Execute.make(settings)
  const counted = <I extends object, O>(
    context: Context.Context<never>,
    operation: Operation<I, O>,
    input: I,
    callOptions: CallOptions
  ) => HighLevelMetrics.counted(execute(context, operation, input, callOptions), operation.name, context)

  return {
    baseUrl: settings.baseUrl,
    execute: (operation, input, callOptions = noOptions) =>
      Effect.withFiber((fiber) => {
        // Nobody receives the spans of this tracer, and they cost a tenth of a call.
        if (fiber.getRef(Tracer.Tracer) === Tracer.nativeTracer) {
          return counted(fiber.context, operation, input, callOptions)
        }
        const { conversationId, locationId } = Request.givenIds(input)
        const call = Effect.withFiber(({ context }) => counted(context, operation, input, callOptions))
        return Effect.withSpan(call, operation.name, {
          attributes: { "highlevel.conversation_id": conversationId, "highlevel.location_id": locationId },
          // It would be a line of this file.
          captureStackTrace: false
        })
      }),
    http: Http.make(settings)
  }
})

/**
 * Provides the client.
 *
 * **Example** (With a token)
 *
 * ```ts
 * import { HighLevelClient } from "effect-highlevel"
 * import * as Layer from "effect/Layer"
 * import * as Redacted from "effect/Redacted"
 * import * as FetchHttpClient from "effect/http/FetchHttpClient"
 *
 * const HighLevel = HighLevelClient.layer({ token: Redacted.make("pit-…"), timeout: "10 seconds" }).pipe(
 *   Layer.provide(FetchHttpClient.layer)
 * )
 * ```
 */
export function layer(options: TokenOptions): Layer.Layer<HighLevelClient, InvalidOptions, HttpClient.HttpClient>
export function layer(
  options?: Options
): Layer.Layer<HighLevelClient, InvalidOptions, HttpClient.HttpClient | AccessToken.AccessToken>
export function layer(
  options?: Options | TokenOptions
): Layer.Layer<HighLevelClient, InvalidOptions, HttpClient.HttpClient | AccessToken.AccessToken> {
  return Layer.effect(HighLevelClient, make(options))
}

/**
 * Provides the client with options from `Config`. It reads `HIGHLEVEL_BASE_URL`,
 * `HIGHLEVEL_API_VERSION` and `HIGHLEVEL_ALLOW_INSECURE_HTTP` by default, and treats an
 * empty variable as unset. Without a `token` it uses the `AccessToken` in its context.
 *
 * **Example** (From the environment)
 *
 * ```ts
 * import { Conversations, HighLevelClient } from "effect-highlevel"
 * import { Sandbox } from "effect-highlevel/testing"
 * import * as Config from "effect/Config"
 * import * as ConfigProvider from "effect/ConfigProvider"
 * import * as Effect from "effect/Effect"
 *
 * const HighLevel = HighLevelClient.layerConfig({ token: Config.Redacted("HIGHLEVEL_TOKEN") })
 * const environment = ConfigProvider.fromEnv({ env: { HIGHLEVEL_TOKEN: "sandbox-token" } })
 *
 * const program = Conversations.update({
 *   conversationId: "tDtDnQdgm2LXpyiqYvZ6",
 *   locationId: "tDtDnQdgm2LXpyiqYvZ6",
 *   starred: true
 * }).pipe(
 *   Effect.map(({ conversation }) => conversation.starred),
 *   Effect.provide(HighLevel),
 *   Effect.provide(Sandbox.layer()),
 *   Effect.provideService(ConfigProvider.ConfigProvider, environment)
 * )
 *
 * await Effect.runPromise(program) // => true
 * ```
 */
export function layerConfig(
  options: ConfigOptions & Required<Pick<ConfigOptions, "token">>
): Layer.Layer<HighLevelClient, Config.ConfigError | InvalidOptions, HttpClient.HttpClient>
export function layerConfig(
  options?: ConfigOptions
): Layer.Layer<HighLevelClient, Config.ConfigError | InvalidOptions, HttpClient.HttpClient | AccessToken.AccessToken>
export function layerConfig(
  options: ConfigOptions = {}
): Layer.Layer<HighLevelClient, Config.ConfigError | InvalidOptions, HttpClient.HttpClient | AccessToken.AccessToken> {
  return Layer.effect(
    HighLevelClient,
    Effect.gen(function* () {
      const { token, ...others } = options
      const given = { ...others, ...(yield* OptionsCheck.server(options)) }
      return yield* token === undefined ? make(given) : make({ ...given, token: yield* token })
    })
  )
}
