/** One request out, and its response in, whole. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Headers from "effect/http/Headers"
import type * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
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
      const executed = yield* Effect.result(options.httpClient.execute(request))
      const response = Result.isSuccess(executed) ? executed.success : responseOf(executed.failure)
      if (response === undefined) return yield* Effect.fail<Broken>({ _tag: "Broken", unsafeCause: executed.failure })
      const { headers, status } = response
      const body = yield* Effect.result(response.text)
      return Result.isSuccess(body)
        ? { status, headers, body: body.success }
        : yield* Effect.fail<Broken>({ _tag: "Broken", status, unsafeCause: body.failure })
    },
    Effect.updateContext(Transport.context(options))
  )

// A client that fails on a status has a response all the same.
const responseOf = (error: unknown) =>
  HttpClientError.isHttpClientError(error) && error.reason._tag === "StatusCodeError"
    ? error.reason.response
    : undefined
