/** One attempt: token and headers on, one request out, its answer read. */
import * as Array from "effect/Array"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { flow, identity } from "effect/Function"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as HttpApiClient from "effect/http-api/HttpApiClient"
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Headers from "effect/http/Headers"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import type * as ConversationUpdate from "../ConversationUpdate.ts"
import { type ApiVersion, Authorization, HighLevelApi } from "../HighLevelApi.ts"
import * as HighLevelError from "../HighLevelError.ts"
import * as Answer from "./answer.ts"
import * as Request from "./request.ts"
import * as SafeCause from "./safeCause.ts"
import { version as libraryVersion } from "./version.ts"

// Browsers, and their workers, name themselves and do not let a page change it.
const inBrowser = globalThis.navigator?.userAgent?.startsWith("Mozilla/") === true

const withHeaders = flow(
  HttpClientRequest.acceptJson,
  // HighLevel's edge answers 403 to agents without a name.
  inBrowser ? identity : HttpClientRequest.setHeader("user-agent", `effect-highlevel/${libraryVersion}`)
)

// What the HTTP client below looks up while it sends.
const transportContext = (tracePropagation: boolean) => (context: Context.Context<never>) =>
  context.pipe(
    // Trace headers are for our own services, not for a vendor, unless asked for.
    tracePropagation ? identity : Context.add(HttpClient.TracerPropagationEnabled, false),
    // The application may have replaced the list of headers to hide.
    Context.add(
      Headers.CurrentRedactedNames,
      Array.append(Context.get(context, Headers.CurrentRedactedNames), "authorization")
    ),
    // A login page behind a followed redirect would look like an applied update.
    Context.add(FetchHttpClient.RequestInit, {
      redirect: "manual",
      ...Option.getOrUndefined(Context.getOption(context, FetchHttpClient.RequestInit))
    })
  )

/** How an attempt ended, and the head of its answer if the answer came whole. */
export interface Attempted {
  readonly result: Result.Result<ConversationUpdate.Answer, HighLevelError.UpdateError>
  readonly response?: { readonly status: number; readonly headers: Headers.Headers }
}

export const make = Effect.fnUntraced(function* (options: {
  readonly httpClient: HttpClient.HttpClient
  readonly token: Redacted.Redacted
  readonly baseUrl: string
  readonly tracePropagation: boolean
}) {
  const { token } = options
  const send = yield* HttpApiClient.endpoint(HighLevelApi, {
    group: "conversations",
    endpoint: "update",
    // As input, so that the caller's transformClient sees, and may change, all of it.
    httpClient: options.httpClient.pipe(
      HttpClient.mapRequestInput(flow(HttpClientRequest.prependUrl(options.baseUrl), withHeaders))
    )
  }).pipe(
    Effect.provide(
      HttpApiMiddleware.layerClient(Authorization, ({ next, request }) =>
        next(HttpClientRequest.bearerToken(request, token))
      )
    )
  )

  const exchange = (update: ConversationUpdate.ConversationUpdate, version: ApiVersion, subject: Answer.Subject) => {
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
        const reason = HttpClientError.isHttpClientError(error) ? error.reason : undefined
        // A client that fails on a status has an answer all the same.
        if (reason?._tag === "StatusCodeError") return Effect.succeed(reason.response)
        const cause = reason === undefined ? error : (reason.cause ?? reason.message)
        return Effect.fail(new HighLevelError.TransportFailure({ ...subject, cause: SafeCause.make(cause, token) }))
      })
    )
  }

  const attempt = Effect.fnUntraced(function* (
    update: ConversationUpdate.ConversationUpdate,
    version: ApiVersion,
    subject: Answer.Subject
  ): Effect.fn.Return<Attempted> {
    const response = yield* Effect.result(exchange(update, version, subject))
    if (Result.isFailure(response)) return { result: Result.fail(response.failure) }
    const { headers, status } = response.success
    const result = yield* Effect.result(Answer.read(response.success, subject, token))
    // What broke off after its headers has no known end.
    return Result.isFailure(result) && result.failure._tag === "TransportFailure"
      ? { result }
      : { result, response: { headers, status } }
  })

  return flow(attempt, Effect.updateContext(transportContext(options.tracePropagation)))
})
