/** A response whose body has arrived already, in whole or in part. */
import * as Effect from "effect/Effect"
import * as Inspectable from "effect/Inspectable"
import * as Option from "effect/Option"
import { pipeArguments } from "effect/Pipeable"
import * as Stream from "effect/Stream"
import * as Cookies from "effect/http/Cookies"
import * as Headers from "effect/http/Headers"
import * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import * as Exchange from "../client/exchange.ts"

/** What has arrived of a response. */
export interface Source {
  readonly request: HttpClientRequest.HttpClientRequest
  readonly url: string
  readonly status: number
  readonly headers: Readonly<Record<string, string | Array<string> | undefined>>
  readonly bytes: Uint8Array<ArrayBuffer>
  /** Why that is not all of the body, or why it cannot be read. */
  readonly problem?: { readonly description: string; readonly cause?: unknown; readonly isTooLarge?: boolean }
}

const decoder = new TextDecoder()

/** Reads what has arrived; where that is not all, its accessors fail with a `DecodeError`. */
export class CollectedResponse extends Inspectable.Class implements HttpClientResponse.HttpClientResponse {
  readonly [HttpIncomingMessage.TypeId]: typeof HttpIncomingMessage.TypeId
  readonly [HttpClientResponse.TypeId]: typeof HttpClientResponse.TypeId
  readonly request: HttpClientRequest.HttpClientRequest
  readonly url: string
  readonly status: number
  readonly headers: Headers.Headers
  readonly #source: Source

  constructor(source: Source) {
    super()
    this[HttpIncomingMessage.TypeId] = HttpIncomingMessage.TypeId
    this[HttpClientResponse.TypeId] = HttpClientResponse.TypeId
    this.request = source.request
    this.url = source.url
    this.status = source.status
    this.headers = Headers.fromInput(source.headers)
    this.#source = source
  }

  /** What the client reads at once. A body that is too large is read up to the cap. */
  get [Exchange.collected](): Exchange.Body | undefined {
    const { bytes, problem } = this.#source
    if (problem !== undefined && problem.isTooLarge !== true) return undefined
    return { body: decoder.decode(bytes), isComplete: problem === undefined }
  }

  get #failure(): Effect.Effect<never, HttpClientError.HttpClientError> | undefined {
    const { problem, request } = this.#source
    if (problem === undefined) return undefined
    const { cause, description } = problem
    const reason = new HttpClientError.DecodeError({ request, response: this, description, cause })
    return Effect.fail(new HttpClientError.HttpClientError({ reason }))
  }

  // The rarer ways to read a body are those of a Web response.
  get #web(): HttpClientResponse.HttpClientResponse {
    const type = this.headers["content-type"]
    return HttpClientResponse.fromWeb(
      this.request,
      new Response(this.#source.bytes, type === undefined ? {} : { headers: { "content-type": type } })
    )
  }

  get cookies(): Cookies.Cookies {
    return Cookies.fromSetCookie(this.#source.headers["set-cookie"] ?? [])
  }

  get remoteAddress(): Option.Option<string> {
    return Option.none()
  }

  get text() {
    return this.#failure ?? Effect.sync(() => decoder.decode(this.#source.bytes))
  }

  get json() {
    return this.#failure ?? this.#web.json
  }

  get urlParamsBody() {
    return this.#failure ?? this.#web.urlParamsBody
  }

  get formData() {
    return this.#failure ?? this.#web.formData
  }

  get arrayBuffer() {
    return this.#failure ?? this.#web.arrayBuffer
  }

  get stream(): Stream.Stream<Uint8Array, HttpClientError.HttpClientError> {
    const arrived = Stream.make(this.#source.bytes)
    return this.#failure === undefined ? arrived : Stream.concat(arrived, Stream.fromEffect(this.#failure))
  }

  get upgrade() {
    return this.#web.upgrade
  }

  toJSON(): unknown {
    const { request, status } = this
    return HttpIncomingMessage.inspect(this, { _id: "HttpClientResponse", request: request.toJSON(), status })
  }

  pipe() {
    // What `pipeArguments` takes is `arguments` itself.
    // oxlint-disable-next-line prefer-rest-params
    return pipeArguments(this, arguments)
  }
}
