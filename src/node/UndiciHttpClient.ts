/**
 * A fast `HttpClient` for Node, built on undici's `dispatch`. It collects the body of a
 * response, up to a number of bytes, without streams or promises.
 *
 * It does not request compression, but decodes gzip, br and deflate. It has no timeouts of
 * its own. It makes no span if the application has no tracer and
 * `HttpClient.TracerPropagationEnabled` is false.
 */
import type * as Undici from "@effect/platform-node/Undici"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Tracer from "effect/Tracer"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Url from "effect/http/Url"
import { MaxResponseBytes } from "../client/transport.ts"
import * as Agent from "./agent.ts"
import { dispatch } from "./dispatch.ts"
import * as RequestBody from "./requestBody.ts"

export {
  /** Maximum bytes of a body: 1 MiB, or the client's `maxResponseBytes`. */
  MaxResponseBytes
} from "../client/transport.ts"

type Request = HttpClientRequest.HttpClientRequest
type Executed = Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>

const send = (dispatcher: Undici.Dispatcher, request: Request, url: URL, maximum: number): Executed => {
  const { headers } = request
  const body = RequestBody.atHand(request)
  return body !== undefined
    ? dispatch(dispatcher, { request, url, headers, body, maximum })
    : Effect.flatMap(RequestBody.encode(request), ({ body, contentType }) =>
        dispatch(dispatcher, {
          request,
          url,
          headers: contentType == null ? headers : { ...headers, "content-type": contentType },
          body,
          maximum
        })
      )
}

/** Whether a span would be neither exported nor propagated. */
const isUntraced = (fiber: Fiber.Fiber<unknown, unknown>) =>
  fiber.getRef(Tracer.Tracer) === Tracer.nativeTracer && !fiber.getRef(HttpClient.TracerPropagationEnabled)

const over = (acquire: Agent.Acquire): HttpClient.HttpClient => {
  const execute = (request: Request, url: URL, fiber: Fiber.Fiber<unknown, unknown>): Executed => {
    const maximum = fiber.getRef(MaxResponseBytes)
    const dispatcher = acquire(request)
    return Effect.isEffect(dispatcher)
      ? Effect.flatMap(dispatcher, (dispatcher) => send(dispatcher, request, url, maximum))
      : send(dispatcher, request, url, maximum)
  }
  const traced = HttpClient.make((request, url, _signal, fiber) => execute(request, url, fiber))
  return HttpClient.makeWith<HttpClientError.HttpClientError, never, HttpClientError.HttpClientError, never>(
    (requested) =>
      Effect.flatMap(requested, (request) =>
        Effect.withFiber((fiber): Executed => {
          if (!isUntraced(fiber)) return traced.execute(request)
          const url = Url.make(request.url, request.urlParams, Option.getOrUndefined(request.hash))
          if (Result.isSuccess(url)) return execute(request, url.success, fiber)
          const reason = new HttpClientError.InvalidUrlError({ request, cause: url.failure })
          return Effect.fail(new HttpClientError.HttpClientError({ reason }))
        })
      ),
    Effect.succeed
  )
}

/** Makes the client over your own dispatcher. */
export const make = (dispatcher: Undici.Dispatcher): HttpClient.HttpClient => over(() => dispatcher)

/**
 * Provides the client with options of undici's `EnvHttpProxyAgent`: connections, TLS, keep-alive, proxies.
 *
 * Requests use the proxy of `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`, if set. The first request loads undici, and
 * fails with a `TransportError` if the proxy or an option is invalid.
 */
export const layerAgent = (options: Undici.EnvHttpProxyAgent.Options = {}): Layer.Layer<HttpClient.HttpClient> =>
  Layer.effect(HttpClient.HttpClient, Effect.map(Agent.make(options), over))

/**
 * Provides the client with undici's defaults.
 *
 * **Example** (Use it on Node)
 *
 * ```ts
 * import { HighLevelClient } from "effect-highlevel"
 * import * as UndiciHttpClient from "effect-highlevel/UndiciHttpClient"
 * import * as Layer from "effect/Layer"
 *
 * const HighLevel = HighLevelClient.layerConfig().pipe(Layer.provide(UndiciHttpClient.layer))
 * ```
 */
export const layer: Layer.Layer<HttpClient.HttpClient> = layerAgent()
