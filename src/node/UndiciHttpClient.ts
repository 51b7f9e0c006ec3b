/**
 * An `HttpClient` for Node, made on undici's `dispatch`: the body of a response is
 * collected, up to a number of bytes, and no stream or promise is made on the way.
 *
 * It does not decompress, and does not ask for compression: a body that comes
 * compressed all the same cannot be read. Where the application has no tracer and
 * `HttpClient.TracerPropagationEnabled` is false, it makes no span.
 */
// The default export: the names of a CommonJS module do not survive every bundler.
import NodeUndici from "@effect/platform-node/Undici"
import type * as Undici from "@effect/platform-node/Undici"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import type * as HttpBody from "effect/http/HttpBody"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Url from "effect/http/Url"
import { MaxResponseBytes } from "../client/transport.ts"
import { CollectedResponse, type Source } from "./collectedResponse.ts"

export {
  /** How many bytes of a body are collected: 1 MiB, or what the client's `maxResponseBytes` says. */
  MaxResponseBytes
} from "../client/transport.ts"

type Request = HttpClientRequest.HttpClientRequest

const failed = (reason: HttpClientError.HttpClientError["reason"]) => new HttpClientError.HttpClientError({ reason })

const read = (request: Request, response: Response) =>
  Effect.tryPromise({
    try: () => response.arrayBuffer(),
    catch: (cause) => failed(new HttpClientError.EncodeError({ request, cause }))
  }).pipe(Effect.map((bytes) => ({ bytes: new Uint8Array(bytes), type: response.headers.get("content-type") })))

/** The bytes of a body that are not at hand, and their content type where the body decides it. */
const encoded = (request: Request, body: HttpBody.FormData | HttpBody.Stream | HttpBody.Raw) => {
  switch (body._tag) {
    case "FormData":
      return read(request, new Response(body.formData))
    case "Stream":
      return Effect.map(
        Effect.mapError(Stream.mkUint8Array(body.stream), (cause) =>
          failed(new HttpClientError.EncodeError({ request, cause }))
        ),
        (bytes) => ({ bytes, type: null })
      )
    case "Raw":
      return Effect.fail(
        failed(new HttpClientError.EncodeError({ request, description: "Expected a string or bytes as a raw body" }))
      )
  }
}

const send = (
  dispatcher: Undici.Dispatcher,
  request: Request,
  url: URL,
  fiber: Fiber.Fiber<unknown, unknown>
): Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError> => {
  const { body, headers } = request
  const maximum = fiber.getRef(MaxResponseBytes)
  switch (body._tag) {
    case "Empty":
      return dispatch(dispatcher, request, url, headers, null, maximum)
    case "Uint8Array":
      return dispatch(dispatcher, request, url, headers, body.body, maximum)
    case "Raw":
      if (typeof body.body === "string" || body.body instanceof Uint8Array) {
        return dispatch(dispatcher, request, url, headers, body.body, maximum)
      }
  }
  return Effect.flatMap(encoded(request, body), ({ bytes, type }) =>
    dispatch(dispatcher, request, url, type === null ? headers : { ...headers, "content-type": type }, bytes, maximum)
  )
}

const dispatch = (
  dispatcher: Undici.Dispatcher,
  request: Request,
  url: URL,
  headers: Readonly<Record<string, string>>,
  body: string | Uint8Array | null,
  maximum: number
): Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError> =>
  Effect.callback((resume) => {
    let controller: Undici.Dispatcher.DispatchController | undefined
    let isOver = false
    let head: Pick<Source, "status" | "headers"> | undefined
    let chunks: Array<Buffer> = []
    let length = 0
    const abort = (reason: string) => {
      isOver = true
      controller?.abort(new Error(reason))
    }
    const fail = (cause: unknown) => {
      isOver = true
      resume(Effect.fail(failed(new HttpClientError.TransportError({ request, cause }))))
    }
    const respond = ({ headers, status }: Pick<Source, "status" | "headers">, problem?: Source["problem"]) => {
      isOver = true
      const [first] = chunks
      const bytes = new Uint8Array(chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks))
      const encoding = headers["content-encoding"]
      const unread =
        problem ??
        (encoding === undefined || encoding === "identity" || length === 0
          ? undefined
          : { description: `Unexpected content-encoding ${String(encoding)}` })
      const href = url.href.split("#")[0] ?? ""
      const source = {
        request,
        url: href,
        status,
        headers,
        bytes,
        ...(unread === undefined ? {} : { problem: unread })
      }
      resume(Effect.succeed(new CollectedResponse(source)))
      chunks = []
    }
    try {
      dispatcher.dispatch(
        {
          origin: url.origin,
          path: url.pathname + url.search,
          method: request.method,
          headers,
          body,
          // Timeouts are the caller's.
          headersTimeout: 0,
          bodyTimeout: 0
        },
        {
          onRequestStart: (started) => {
            controller = started
            if (isOver) started.abort(new Error("The request was interrupted"))
          },
          onResponseStart: (_, status, headers) => {
            // What informs comes before the response.
            if (status >= 200) head = { status, headers }
          },
          onResponseData: (_, chunk) => {
            if (isOver || head === undefined) return
            chunks.push(chunk)
            length += chunk.length
            if (length <= maximum) return
            respond(head, { description: `The body is larger than ${maximum} bytes`, isTooLarge: true })
            abort("The body is too large")
          },
          onResponseEnd: () => {
            if (!isOver && head !== undefined) respond(head)
          },
          onResponseError: (_, cause) => {
            if (isOver) return
            if (head === undefined) fail(cause)
            else respond(head, { description: "The response was cut off", cause })
          }
        }
      )
    } catch (cause) {
      if (!isOver) fail(cause)
    }
    return Effect.sync(() => abort("The request was interrupted"))
  })

/** The client over a dispatcher of your own. */
export const make = (dispatcher: Undici.Dispatcher): HttpClient.HttpClient => {
  const traced = HttpClient.make((request, url, _signal, fiber) => send(dispatcher, request, url, fiber))
  return HttpClient.makeWith<HttpClientError.HttpClientError, never, HttpClientError.HttpClientError, never>(
    (requested) =>
      Effect.flatMap(requested, (request) =>
        Effect.withFiber((fiber) => {
          // Nobody receives a span of the native tracer; a trace header would hold its id.
          const isTraced = fiber.getRef(Tracer.Tracer) !== Tracer.nativeTracer
          if (isTraced || fiber.getRef(HttpClient.TracerPropagationEnabled)) return traced.execute(request)
          const url = Url.make(request.url, request.urlParams, Option.getOrUndefined(request.hash))
          return Result.isSuccess(url)
            ? send(dispatcher, request, url.success, fiber)
            : Effect.fail(failed(new HttpClientError.InvalidUrlError({ request, cause: url.failure })))
        })
      ),
    Effect.succeed
  )
}

const proxies = ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"]

/**
 * A dispatcher that is destroyed with its scope. It goes through the proxy of
 * `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`, where one is set.
 */
export const makeAgent = (options?: Undici.Agent.Options): Effect.Effect<Undici.Dispatcher, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync((): Undici.Dispatcher =>
      proxies.some((name) => process.env[name])
        ? new NodeUndici.EnvHttpProxyAgent(options)
        : new NodeUndici.Agent(options)
    ),
    (agent) => Effect.promise(() => agent.destroy())
  )

/** The client with options of undici's `Agent`: connections, TLS, keep-alive. */
export const layerAgent = (options?: Undici.Agent.Options): Layer.Layer<HttpClient.HttpClient> =>
  Layer.effect(HttpClient.HttpClient, Effect.map(makeAgent(options), make))

/**
 * The client with undici's defaults.
 *
 * **Example** (The fastest client for Node)
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
