/** The options of a client and of a call. */
import type * as Config from "effect/Config"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type * as HttpClient from "effect/http/HttpClient"
import type { ApiVersion } from "../wire/Operation.ts"

/** Acquired before each request is sent, and released once its response has arrived. */
export interface RequestSlot {
  readonly acquire: Effect.Effect<unknown>
  readonly release: Effect.Effect<unknown>
}

/** Options of a single call. */
export interface CallOptions {
  /** The value of the `Version` header. @default the client's `version` */
  readonly version?: ApiVersion | undefined

  /** Maximum duration of the call, including waits and retries. @default the client's `timeout` */
  readonly timeout?: Duration.Input | undefined

  /**
   * Whether an interruption lets a request in flight finish and ends only waits. Fork
   * the call with `{ uninterruptible: true }` to keep its result.
   *
   * @default false
   */
  readonly finishInFlight?: boolean | undefined

  /** Bounds the requests in flight of several calls. Calls that wait for a permit or a retry do not count. */
  readonly requestSlot?: RequestSlot | undefined
}

/**
 * How transient failures are retried. The delay doubles with each attempt, is jittered
 * between half and all of it, and is at least the capped `Retry-After`. Each attempt
 * counts against the rate limit.
 */
export interface RetryOptions {
  /** Maximum attempts of a call, including the first. @default 5 */
  readonly maxAttempts?: number | undefined

  /** The delay after the first attempt. @default "500 millis" */
  readonly baseDelay?: Duration.Input | undefined

  /** Maximum exponential delay. @default "30 seconds" */
  readonly maxDelay?: Duration.Input | undefined

  /** Maximum `Retry-After`; a longer one is shortened to this. @default "1 minute" */
  readonly maxRetryAfter?: Duration.Input | undefined

  /** Maximum time between the first failure and the start of the last retry. @default "5 minutes" */
  readonly maxDuration?: Duration.Input | undefined
}

/** Options of a client, each with a default. */
export interface Options {
  /**
   * The base URL of the API. Plain HTTP is refused, except to a loopback address, or with `allowInsecureHttp`.
   *
   * @default the `baseUrl` of the `AccessToken` in the context, else "https://services.leadconnectorhq.com"
   */
  readonly baseUrl?: string | URL | undefined

  /**
   * Whether to allow plain HTTP to another machine, such as a sandbox in a container.
   * Anyone on the network path can then read tokens and change responses.
   *
   * @default false
   */
  readonly allowInsecureHttp?: boolean | undefined

  /** The value of the `Version` header. @default "2021-07-28" */
  readonly version?: ApiVersion | undefined

  /** Maximum duration of one attempt, after which its request is aborted. @default "30 seconds" */
  readonly attemptTimeout?: Duration.Input | undefined

  /**
   * Maximum duration of a call, including its waits for the rate limit and its retries.
   * `"Infinity"` means no limit, which suits a backlog.
   *
   * @default "Infinity"
   */
  readonly timeout?: Duration.Input | undefined

  /**
   * Maximum bytes of a response body, decompressed; at least 8192. The connection of a
   * larger response is closed. An update then fails with `UnreadableResponse`, since it
   * was applied, and an error keeps its status but not its messages.
   *
   * @default 1_048_576
   */
  readonly maxResponseBytes?: number | undefined

  /** How to retry after a transport failure, a timeout, a 408, 429 or 5xx. `false` disables retries. */
  readonly retry?: RetryOptions | false | undefined

  /**
   * Whether requests wait for the rate limit of their location. They use the
   * `RateLimiter` in the context, else one in the client's memory.
   *
   * **Gotchas**
   *
   * Use `false` in a Cloudflare Worker. A waiting request would be resumed by another
   * request, which Workers do not allow, and hang. A 429 is still retried.
   *
   * @default true
   */
  readonly rateLimit?: boolean | undefined

  /**
   * The app whose rate limit the requests count against. Set it to the OAuth client id
   * so that the limit survives a rotation of the token.
   *
   * @default the OAuth client id, or a hash of the token
   */
  readonly app?: string | undefined

  /** Whether trace headers (`traceparent`, `b3`) are sent to HighLevel. @default false */
  readonly tracePropagation?: boolean | undefined

  /**
   * Transforms the HTTP client below all policies: for a proxy, logging or additional
   * headers. It sees each request as it is sent.
   */
  readonly transformClient?: ((client: HttpClient.HttpClient) => HttpClient.HttpClient) | undefined
}

/** Options with a token, which needs no `AccessToken` in the context. */
export interface TokenOptions extends Options {
  /**
   * A Private Integration token of the location, or an access token generated with user
   * type Sub-Account. Surrounding white space is trimmed.
   */
  readonly token: Redacted.Redacted
}

/** Options from `Config`, each with a default. */
export interface ConfigOptions extends Omit<Options, "baseUrl" | "version" | "allowInsecureHttp"> {
  /** Such as `Config.Redacted("HIGHLEVEL_TOKEN")`. @default the tokens of the `AccessToken` in the context */
  readonly token?: Config.Config<Redacted.Redacted> | undefined

  /** @default Config.String("HIGHLEVEL_BASE_URL"), or HighLevel itself */
  readonly baseUrl?: Config.Config<string> | undefined

  /** @default Config.schema(ApiVersion, "HIGHLEVEL_API_VERSION"), or "2021-07-28" */
  readonly version?: Config.Config<ApiVersion> | undefined

  /** See `Options.allowInsecureHttp`. @default Config.Boolean("HIGHLEVEL_ALLOW_INSECURE_HTTP"), or false */
  readonly allowInsecureHttp?: Config.Config<boolean> | undefined
}
