/** Loads undici and makes its agent with the first request, so that other commands start faster. */
import type * as Undici from "@effect/platform-node/Undici"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"

/** Options of undici's `EnvHttpProxyAgent`. */
export type Options = Undici.EnvHttpProxyAgent.Options

/** The dispatcher for a request, synchronously if it exists. */
export type Acquire = (
  request: HttpClientRequest.HttpClientRequest
) => Undici.Dispatcher | Effect.Effect<Undici.Dispatcher, HttpClientError.HttpClientError>

const variables = ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"]

const hasProxy = ({ httpProxy, httpsProxy }: Options) =>
  [httpProxy, httpsProxy, ...variables.map((name) => process.env[name])].some(Boolean)

/** One agent for the lifetime of the scope. */
export const make = (options: Options): Effect.Effect<Acquire, never, Scope.Scope> =>
  Effect.suspend(() => {
    let agent: Undici.Dispatcher | undefined
    let isClosed = false

    const open = Effect.fnUntraced(function* (request: HttpClientRequest.HttpClientRequest) {
      // The default export, since some bundlers lose the named exports of a CommonJS module.
      const { default: undici } = yield* Effect.promise(() => import("@effect/platform-node/Undici"))
      const failed = (description: string) =>
        new HttpClientError.HttpClientError({ reason: new HttpClientError.TransportError({ request, description }) })
      if (isClosed) return yield* failed("The layer of the HTTP client is closed")
      try {
        // Without a proxy both are equivalent, but Agent does not parse the origin of each request.
        return (agent ??= hasProxy(options) ? new undici.EnvHttpProxyAgent(options) : new undici.Agent(options))
      } catch (cause) {
        // The error of an invalid URL contains the proxy's password.
        const isOfUndici = cause instanceof undici.errors.UndiciError
        return yield* failed(
          isOfUndici ? `Invalid agent or proxy: ${cause.message}` : "HTTP_PROXY or HTTPS_PROXY is not a valid URL"
        )
      }
    })

    const close = Effect.promise(async () => {
      isClosed = true
      await agent?.destroy()
    })
    return Effect.acquireRelease(
      Effect.succeed<Acquire>((request) => agent ?? open(request)),
      () => close
    )
  })
