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

/** What a single call may decide for itself. */
export interface CallOptions {
  /** The value of the `Version` header. @default the client's */
  readonly version?: ApiVersion | undefined

  /** How long the call may take, waits and retries included. @default the client's */
  readonly timeout?: Duration.Input | undefined

  /**
   * Whether an interruption ends only waits, and lets a request in flight finish.
   * Fork the call with `{ uninterruptible: true }`, so that its result is not lost.
   *
   * @default false
   */
  readonly finishInFlight?: boolean | undefined

  /** Bounds the requests in flight of many calls, and not the calls that wait for something else. */
  readonly requestSlot?: RequestSlot | undefined
}

/**
 * How transient failures are retried: the delay doubles with each attempt, is jittered down to its half, and is at least what `Retry-After` asks
 * for, within a cap. Each attempt passes the rate limit.
 */
export interface RetryOptions {
  /** How many attempts a call may take, the first included. @default 5 */
  readonly maxAttempts?: number | undefined

  /** The delay after the first attempt. @default "500 millis" */
  readonly baseDelay?: Duration.Input | undefined

  /** The longest delay of ours. @default "30 seconds" */
  readonly maxDelay?: Duration.Input | undefined

  /** The longest `Retry-After` that is honoured; a longer one counts as this. @default "1 minute" */
  readonly maxRetryAfter?: Duration.Input | undefined

  /** How long after the first failure the last retry may start. @default "5 minutes" */
  readonly maxDuration?: Duration.Input | undefined
}

/** Options of a client, each with a default. */
export interface Options {
  /**
   * Where HighLevel is. Plain HTTP is refused, except to a loopback address, or with `allowInsecureHttp`.
   *
   * @default that of the `AccessToken` in the context, else "https://services.leadconnectorhq.com"
   */
  readonly baseUrl?: string | URL | undefined

  /**
   * Whether plain HTTP to another machine is allowed: for a sandbox that runs in a
   * container. Whoever is between the two reads the tokens and can change every response.
   *
   * @default false
   */
  readonly allowInsecureHttp?: boolean | undefined

  /** The value of the `Version` header. @default "2021-07-28" */
  readonly version?: ApiVersion | undefined

  /** How long one attempt waits for its response before the request is aborted. @default "30 seconds" */
  readonly attemptTimeout?: Duration.Input | undefined

  /**
   * How long a call may take, its waits for the rate limit and its retries included.
   * `"Infinity"` is no limit, which is right for a backlog.
   *
   * @default "Infinity"
   */
  readonly timeout?: Duration.Input | undefined

  /**
   * How many bytes of a response's body are read, once decompressed, at least 8192. The
   * connection of a larger one is closed: an update then fails with `UnreadableResponse`,
   * which tells that it was applied, and an error keeps its status without its messages.
   *
   * @default 1_048_576
   */
  readonly maxResponseBytes?: number | undefined

  /** When to retry after a transport failure, a timeout, a 408, 429 or 5xx, or `false` for never. */
  readonly retry?: RetryOptions | false | undefined

  /**
   * Whether requests wait for the rate limit of their location, or `false` to send
   * them at once. The limiter is the `RateLimiter` in the context, else one in this
   * client's memory.
   *
   * **Gotchas**
   *
   * `false` in a Cloudflare Worker: a request that waits would be woken by another
   * one, which Workers do not allow, and hang. A 429 is still retried.
   *
   * @default true
   */
  readonly rateLimit?: boolean | undefined

  /**
   * Whose rate limit it is: the OAuth client id. Give it so that the limit survives
   * the rotation of the token.
   *
   * @default the OAuth client id, or a hash of the token
   */
  readonly app?: string | undefined

  /** Whether trace headers (`traceparent`, `b3`) are sent to HighLevel. @default false */
  readonly tracePropagation?: boolean | undefined

  /**
   * A transformation of the HTTP client below every policy of this one: a proxy,
   * logging, headers of your own. It sees the request as it goes out.
   */
  readonly transformClient?: ((client: HttpClient.HttpClient) => HttpClient.HttpClient) | undefined
}

/** Options with a token: no `AccessToken` is needed in the context. */
export interface TokenOptions extends Options {
  /**
   * A Private Integration token of the location, or an access token generated
   * with user type Sub-Account. White space around it is dropped.
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
