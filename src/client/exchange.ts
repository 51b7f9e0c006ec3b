/** One request out, and its response in, whole. */
import * as Effect from "effect/Effect"
import type * as Headers from "effect/http/Headers"
import type * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import type * as Redaction from "./redaction.ts"
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
  readonly cause: Error
}

/** Sends requests through an HTTP client. */
export const make = (options: { readonly httpClient: HttpClient.HttpClient; readonly tracePropagation: boolean }) => {
  const context = Transport.context(options)

  return (
    request: HttpClientRequest.HttpClientRequest,
    redact: Redaction.Redaction
  ): Effect.Effect<Received, Broken> => {
    const read = ({ headers, status, text }: HttpClientResponse.HttpClientResponse): Effect.Effect<Received, Broken> =>
      Effect.mapBoth(text, {
        onFailure: (error): Broken => ({ _tag: "Broken", status, cause: Transport.causeOf(error, redact) }),
        onSuccess: (body) => ({ status, headers, body })
      })
    const exchanged = Effect.matchEffect(options.httpClient.execute(request), {
      onFailure: (error) =>
        // A client that fails on a status has a response all the same.
        HttpClientError.isHttpClientError(error) && error.reason._tag === "StatusCodeError"
          ? read(error.reason.response)
          : Effect.fail<Broken>({ _tag: "Broken", cause: Transport.causeOf(error, redact) }),
      onSuccess: read
    })
    return Effect.updateContext(exchanged, context)
  }
}
