/** One request out, and its response in, whole. */
import * as Effect from "effect/Effect"
import type * as Headers from "effect/http/Headers"
import type * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Transport from "./transport.ts"

/** A response that arrived whole. */
export interface Received {
  readonly status: number
  readonly headers: Headers.Headers
  readonly body: string
}

/** A request without a response, or with one that was cut off after its status. */
export interface Broken {
  readonly _tag: "Broken"
  readonly status?: number
  /** As the HTTP client reported it: it may hold the request, and so the token. */
  readonly unsafeCause: unknown
}

/** Sends requests through an HTTP client. */
export const make = (options: { readonly httpClient: HttpClient.HttpClient; readonly tracePropagation: boolean }) =>
  Effect.fnUntraced(
    function* (request: HttpClientRequest.HttpClientRequest): Effect.fn.Return<Received, Broken> {
      const { headers, status, text } = yield* Effect.catch(options.httpClient.execute(request), responseOf)
      const body = yield* Effect.mapError(text, (unsafeCause): Broken => ({ _tag: "Broken", status, unsafeCause }))
      return { status, headers, body }
    },
    Effect.updateContext(Transport.context(options))
  )

// A client that fails on a status has a response all the same.
const responseOf = (error: unknown): Effect.Effect<HttpClientResponse.HttpClientResponse, Broken> =>
  HttpClientError.isHttpClientError(error) && error.reason._tag === "StatusCodeError"
    ? Effect.succeed(error.reason.response)
    : Effect.fail({ _tag: "Broken", unsafeCause: error })
