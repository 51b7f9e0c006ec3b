/** One request out, and its response in, up to a number of bytes. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type * as Headers from "effect/http/Headers"
import type * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Transport from "./transport.ts"

/** A response that arrived. */
export interface Received {
  readonly status: number
  readonly headers: Headers.Headers
  /** The body, decoded: all of it, or what came before the cap. */
  readonly body: string
  readonly isComplete: boolean
}

/** A request without a response, or with one that was cut off after its status. */
export interface Broken {
  readonly _tag: "Broken"
  readonly status?: number
  /** As the HTTP client reported it: it may hold the request, and so the token. */
  readonly unsafeCause: unknown
}

/** Whether a body begins as JSON does, or is empty. A gateway, a proxy or a login page sends others. */
export const isJson = ({ body }: Pick<Received, "body">): boolean => /^\s*(?:[[{]|$)/.test(body)

/** Sends requests through an HTTP client, in a context of {@link Transport.context}. */
export const make =
  (httpClient: HttpClient.HttpClient, maxResponseBytes: number) =>
  (request: HttpClientRequest.HttpClientRequest): Effect.Effect<Received, Broken> =>
    Effect.flatMap(
      Effect.catch(
        Effect.suspend(() => httpClient.execute(request)),
        responseOf
      ),
      (response) => {
        // Effect's own responses parse them each time they are read.
        const { headers, status } = response
        return Effect.mapBoth(bodyOf(response, headers, maxResponseBytes), {
          onFailure: (unsafeCause): Broken => ({ _tag: "Broken", status, unsafeCause }),
          onSuccess: ({ body, isComplete }) => ({ status, headers, body, isComplete })
        })
      }
    )

// A client that fails on a status has a response all the same.
const responseOf = (error: unknown): Effect.Effect<HttpClientResponse.HttpClientResponse, Broken> =>
  HttpClientError.isHttpClientError(error) && error.reason._tag === "StatusCodeError"
    ? Effect.succeed(error.reason.response)
    : Effect.fail({ _tag: "Broken", unsafeCause: error })

/** What is read of a body. */
export type Body = Pick<Received, "body" | "isComplete">

/** Where a response of an HTTP client of ours has its body, if it has arrived. */
export const collected = "~effect-highlevel/collected"

const isCollected = (
  response: HttpClientResponse.HttpClientResponse
): response is HttpClientResponse.HttpClientResponse & { readonly [collected]: Body | undefined } =>
  collected in response

const bodyOf = (
  response: HttpClientResponse.HttpClientResponse,
  headers: Headers.Headers,
  maximum: number
): Effect.Effect<Body, HttpClientError.HttpClientError> => {
  const body = isCollected(response) ? response[collected] : undefined
  return body !== undefined
    ? Effect.succeed(body)
    : isShort(headers, maximum)
      ? Effect.map(response.text, (body) => ({ body, isComplete: true }))
      : collect(response.stream, maximum)
}

/**
 * Whether HTTP itself bounds a body: read at once, it costs 25 % (fetch) to 40 %
 * (undici) less than its stream. A browser hides that a body was compressed.
 */
const isShort = (headers: Headers.Headers, maximum: number): boolean =>
  !Transport.inBrowser &&
  headers["content-encoding"] === undefined &&
  headers["transfer-encoding"] === undefined &&
  Number(headers["content-length"] ?? Infinity) <= maximum

// What the stream of a 204 fails with.
const isEmptyBody = ({ reason }: HttpClientError.HttpClientError) => reason._tag === "EmptyBodyError"

/** Reads a stream up to the cap. Ending it there closes the connection. */
const collect = (
  stream: Stream.Stream<Uint8Array, HttpClientError.HttpClientError>,
  maximum: number
): Effect.Effect<Body, HttpClientError.HttpClientError> =>
  Effect.suspend(() => {
    const decoder = new TextDecoder()
    let length = 0
    let body = ""
    const read = Stream.runForEachWhile(stream, (chunk) =>
      Effect.sync(() => {
        body += decoder.decode(chunk.subarray(0, maximum - length), { stream: true })
        length += chunk.length
        return length <= maximum
      })
    )
    return Effect.map(
      Effect.catch(read, (error) => (isEmptyBody(error) ? Effect.void : Effect.fail(error))),
      () => ({ body: body + decoder.decode(), isComplete: length <= maximum })
    )
  })
