/** One attempt: token and headers on, one request out, its answer read. */
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import type * as ConversationUpdate from "../ConversationUpdate.ts"
import * as HighLevelError from "../HighLevelError.ts"
import * as Answer from "./answer.ts"
import type { ApiVersion } from "./operation.ts"
import * as Redaction from "./redaction.ts"
import * as Request from "./request.ts"
import * as Transport from "./transport.ts"

/** How an attempt ended, and the answer if it came whole. */
export interface Attempted {
  readonly result: Result.Result<ConversationUpdate.Answer, HighLevelError.UpdateError>
  readonly response?: Answer.Received
}

export const make = (options: {
  readonly httpClient: HttpClient.HttpClient
  readonly baseUrl: string
  readonly tracePropagation: boolean
}) => {
  const requestFor = Request.make(options.baseUrl)
  const context = Transport.context(options)

  return (
    update: ConversationUpdate.ConversationUpdate,
    version: ApiVersion,
    subject: Answer.Subject,
    token: Redacted.Redacted
  ): Effect.Effect<Attempted> => {
    const request = requestFor(update, version, token)
    if (Result.isFailure(request)) return Effect.succeed({ result: Result.fail(request.failure) })
    const redact = Redaction.make(token)

    const broken = (error: unknown, status?: number): Attempted => ({
      result: Result.fail(
        new HighLevelError.TransportFailure({
          ...subject,
          ...(status === undefined ? {} : { status }),
          cause: Transport.causeOf(error, redact)
        })
      )
    })

    const read = ({ headers, status, text }: HttpClientResponse.HttpClientResponse) =>
      Effect.match(text, {
        // What broke off after its headers has no known end.
        onFailure: (error) => broken(error, status),
        onSuccess: (body): Attempted => {
          const response = { status, headers, body }
          return { result: Answer.read(response, subject, redact), response }
        }
      })

    const exchanged: Effect.Effect<Attempted> = Effect.matchEffect(options.httpClient.execute(request.success), {
      onFailure: (error) =>
        // A client that fails on a status has an answer all the same.
        HttpClientError.isHttpClientError(error) && error.reason._tag === "StatusCodeError"
          ? read(error.reason.response)
          : Effect.succeed(broken(error)),
      onSuccess: read
    })
    return Effect.updateContext(exchanged, context)
  }
}
