/** Sends one request through undici's `dispatch`, and collects its response. */
import type * as Undici from "@effect/platform-node/Undici"
import * as Effect from "effect/Effect"
import * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import { BodyBuffer, type Problem } from "./bodyBuffer.ts"
import { CollectedResponse, type ReceivedHeaders } from "./collectedResponse.ts"
import { decompress } from "./decompress.ts"
import type { Body } from "./requestBody.ts"

type Result = Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>

/** The options of a request. */
export interface Options {
  readonly request: HttpClientRequest.HttpClientRequest
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body: Body
  /** Maximum bytes to collect of the response's body. */
  readonly maximum: number
}

const transportError = (request: HttpClientRequest.HttpClientRequest, cause: unknown) =>
  HttpClientError.isHttpClientError(cause)
    ? cause
    : new HttpClientError.HttpClientError({ reason: new HttpClientError.TransportError({ request, cause }) })

class Handler implements Undici.Dispatcher.DispatchHandler {
  readonly #options: Options
  readonly #resume: (result: Result) => void
  readonly #body: BodyBuffer
  #controller: Undici.Dispatcher.DispatchController | undefined
  #status = 0
  #headers: ReceivedHeaders = {}
  #isOver = false

  constructor(options: Options, resume: (result: Result) => void) {
    this.#options = options
    this.#resume = resume
    this.#body = new BodyBuffer(options.maximum)
  }

  onRequestStart(controller: Undici.Dispatcher.DispatchController) {
    this.#controller = controller
    if (this.#isOver) controller.abort(new Error("The request was interrupted"))
  }

  onResponseStart(_: unknown, status: number, headers: ReceivedHeaders) {
    // Informational responses precede the final one.
    if (status < 200) return
    this.#status = status
    this.#headers = headers
  }

  onResponseData(_: unknown, chunk: Buffer) {
    if (this.#isOver) return
    const problem = this.#body.add(chunk)
    if (problem === undefined) return
    this.#respond(problem)
    this.#controller?.abort(new Error(problem.description))
  }

  onResponseEnd() {
    if (!this.#isOver) this.#respond(undefined)
  }

  onResponseError(_: unknown, cause: unknown) {
    if (this.#isOver) return
    if (this.#status === 0) this.fail(cause)
    else this.#respond({ description: "The response was cut off", cause })
  }

  fail(cause: unknown) {
    if (!this.#isOver) this.#end(Effect.fail(transportError(this.#options.request, cause)))
  }

  interrupt() {
    if (this.#isOver) return
    this.#isOver = true
    this.#controller?.abort(new Error("The request was interrupted"))
  }

  #respond(problem: Problem | undefined) {
    const { maximum, request, url } = this.#options
    const { bytes } = this.#body
    const status = this.#status
    const headers = this.#headers
    const encoding = String(headers["content-encoding"] ?? "identity").toLowerCase()
    const isCutOff = problem !== undefined && problem.isTooLarge !== true
    const response = (bytes: Uint8Array, problem: Problem | undefined) =>
      new CollectedResponse({ request, url, status, headers, bytes, problem })
    this.#end(
      encoding === "identity" || bytes.length === 0 || isCutOff
        ? Effect.succeed(response(bytes, problem))
        : Effect.map(decompress(bytes, encoding, maximum), (decompressed) =>
            response(decompressed.bytes, problem ?? decompressed.problem)
          )
    )
  }

  #end(result: Result) {
    this.#isOver = true
    // undici frees the connection in an immediate after this call. A request that is sent
    // before that would open another connection.
    queueMicrotask(() => setImmediate(this.#resume, result))
  }
}

/** Sends a request. Interrupting it closes its connection. */
export const dispatch = (dispatcher: Undici.Dispatcher, options: Options): Result =>
  Effect.callback((resume) => {
    const handler = new Handler(options, resume)
    const { body, headers, request, url } = options
    try {
      dispatcher.dispatch(
        {
          origin: url.origin,
          path: url.pathname + url.search,
          method: request.method,
          headers,
          body,
          // The caller sets timeouts.
          headersTimeout: 0,
          bodyTimeout: 0
        },
        handler
      )
    } catch (cause) {
      handler.fail(cause)
    }
    return Effect.sync(() => handler.interrupt())
  })
