/** One attempt: token and headers on, one request out, its answer read. */
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as HttpApiClient from "effect/http-api/HttpApiClient"
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import type * as Headers from "effect/http/Headers"
import type * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import type * as ConversationUpdate from "../ConversationUpdate.ts"
import { type ApiVersion, Authorization, HighLevelApi } from "../HighLevelApi.ts"
import * as HighLevelError from "../HighLevelError.ts"
import * as Answer from "./answer.ts"
import * as Redaction from "./redaction.ts"
import * as Request from "./request.ts"
import * as Transport from "./transport.ts"

/** How an attempt ended, and the head of its answer if the answer came whole. */
export interface Attempted {
  readonly result: Result.Result<ConversationUpdate.Answer, HighLevelError.UpdateError>
  readonly response?: { readonly status: number; readonly headers: Headers.Headers }
}

export const make = Effect.fnUntraced(function* (options: {
  readonly httpClient: HttpClient.HttpClient
  readonly baseUrl: string
  readonly tracePropagation: boolean
}) {
  const send = yield* HttpApiClient.endpoint(HighLevelApi, {
    group: "conversations",
    endpoint: "update",
    httpClient: Transport.prepare(options.httpClient, options.baseUrl)
  }).pipe(
    Effect.provide(
      HttpApiMiddleware.layerClient(Authorization, ({ next, request }) =>
        Effect.flatMap(Transport.BearerToken, (token) => next(HttpClientRequest.bearerToken(request, token)))
      )
    )
  )

  const exchange = (
    update: ConversationUpdate.ConversationUpdate,
    version: ApiVersion,
    subject: Answer.Subject,
    redact: Redaction.Redaction
  ) => {
    const { conversationId, ...payload } = update
    return send({
      params: { conversationId },
      headers: { version },
      payload,
      responseMode: "response-only"
    }).pipe(
      Effect.catch((error): Effect.Effect<HttpClientResponse.HttpClientResponse, HighLevelError.UpdateError> => {
        // Not in the type of this mode, but what JSON.stringify refuses, such as a
        // feedback nested ten thousand deep, arrives here.
        if (Schema.isSchemaError(error)) return Effect.fail(Request.invalid(update, error))
        // A client that fails on a status has an answer all the same.
        if (HttpClientError.isHttpClientError(error) && error.reason._tag === "StatusCodeError") {
          return Effect.succeed(error.reason.response)
        }
        return Effect.fail(new HighLevelError.TransportFailure({ ...subject, cause: Transport.causeOf(error, redact) }))
      })
    )
  }

  const attempt = Effect.fnUntraced(function* (
    update: ConversationUpdate.ConversationUpdate,
    version: ApiVersion,
    subject: Answer.Subject,
    redact: Redaction.Redaction
  ): Effect.fn.Return<Attempted> {
    const response = yield* Effect.result(exchange(update, version, subject, redact))
    if (Result.isFailure(response)) return { result: Result.fail(response.failure) }
    const { headers, status } = response.success
    const result = yield* Effect.result(Answer.read(response.success, subject, redact))
    // What broke off after its headers has no known end.
    return Result.isFailure(result) && result.failure._tag === "TransportFailure"
      ? { result }
      : { result, response: { headers, status } }
  })

  return (
    update: ConversationUpdate.ConversationUpdate,
    version: ApiVersion,
    subject: Answer.Subject,
    token: Redacted.Redacted
  ) =>
    Effect.updateContext(
      attempt(update, version, subject, Redaction.make(token)),
      Transport.context({ tracePropagation: options.tracePropagation, token })
    )
})
