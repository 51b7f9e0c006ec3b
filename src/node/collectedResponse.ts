/** A response whose body has already arrived, in whole or in part. */
import * as Effect from "effect/Effect"
import * as Inspectable from "effect/Inspectable"
import * as Option from "effect/Option"
import { pipeArguments } from "effect/Pipeable"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Cookies from "effect/http/Cookies"
import * as Headers from "effect/http/Headers"
import * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import * as Exchange from "../client/exchange.ts"
import type { Problem } from "./bodyBuffer.ts"

/** Headers as undici parses them. */
export type ReceivedHeaders = Readonly<Record<string, string | Array<string> | undefined>>

/** The part of a response that has arrived. */
export interface Source {
  readonly request: HttpClientRequest.HttpClientRequest
  readonly url: URL
  readonly status: number
  readonly headers: ReceivedHeaders
  readonly bytes: Uint8Array
  readonly problem: Problem | undefined
}

const decoder = new TextDecoder()

/** Reads a collected response. If its body is incomplete, the accessors fail with a `DecodeError`. */
export class CollectedResponse extends Inspectable.Class implements HttpClientResponse.HttpClientResponse {
  readonly [HttpIncomingMessage.TypeId]: typeof HttpIncomingMessage.TypeId = HttpIncomingMessage.TypeId
  readonly [HttpClientResponse.TypeId]: typeof HttpClientResponse.TypeId = HttpClientResponse.TypeId
  readonly #source: Source
  #headers: Headers.Headers | undefined
  #text: string | undefined

  constructor(source: Source) {
    super()
    this.#source = source
  }

  get request(): HttpClientRequest.HttpClientRequest {
    return this.#source.request
  }

  get url(): string {
    const { href } = this.#source.url
    const hash = href.indexOf("#")
    return hash < 0 ? href : href.slice(0, hash)
  }

  get status(): number {
    return this.#source.status
  }

  get headers(): Headers.Headers {
    return (this.#headers ??= Headers.fromInput(this.#source.headers))
  }

  get cookies(): Cookies.Cookies {
    return Cookies.fromSetCookie(this.#source.headers["set-cookie"] ?? [])
  }

  get remoteAddress(): Option.Option<string> {
    return Option.none()
  }

  /** The body for the client, up to the cap if it is too large. */
  get [Exchange.collected](): Exchange.Body | undefined {
    const { problem } = this.#source
    if (problem !== undefined && problem.isTooLarge !== true) return undefined
    return { body: this.#decoded, isComplete: problem === undefined }
  }

  get #decoded(): string {
    return (this.#text ??= decoder.decode(this.#source.bytes))
  }

  get #failure(): Effect.Effect<never, HttpClientError.HttpClientError> | undefined {
    const { problem } = this.#source
    return problem === undefined ? undefined : Effect.fail(this.#decodeError(problem))
  }

  #decodeError({ cause, description }: { readonly description?: string; readonly cause?: unknown }) {
    const reason = new HttpClientError.DecodeError({ request: this.request, response: this, description, cause })
    return new HttpClientError.HttpClientError({ reason })
  }

  // The other accessors use a Web response.
  get #web(): HttpClientResponse.HttpClientResponse {
    const type = this.headers["content-type"]
    return HttpClientResponse.fromWeb(
      this.request,
      new Response(this.#copy, type === undefined ? {} : { headers: { "content-type": type } })
    )
  }

  // Copied, since callers may modify or keep it.
  get #copy(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#source.bytes)
  }

  get text() {
    return this.#failure ?? Effect.sync(() => this.#decoded)
  }

  get json(): Effect.Effect<Schema.Json, HttpClientError.HttpClientError> {
    return (
      this.#failure ??
      Effect.try({
        try: () => (this.#decoded === "" ? null : JSON.parse(this.#decoded)),
        catch: (cause) => this.#decodeError({ cause })
      })
    )
  }

  get urlParamsBody() {
    return this.#failure ?? this.#web.urlParamsBody
  }

  get formData() {
    return this.#failure ?? this.#web.formData
  }

  get arrayBuffer(): Effect.Effect<ArrayBuffer, HttpClientError.HttpClientError> {
    return this.#failure ?? Effect.sync(() => this.#copy.buffer)
  }

  get stream(): Stream.Stream<Uint8Array, HttpClientError.HttpClientError> {
    const arrived = Stream.suspend(() => Stream.make(this.#copy))
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
    // `pipeArguments` requires `arguments` itself.
    // oxlint-disable-next-line prefer-rest-params
    return pipeArguments(this, arguments)
  }
}
