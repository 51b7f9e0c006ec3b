/** From HighLevel's answer to the value or the named error that it means. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as HttpApiClient from "effect/http-api/HttpApiClient"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as ConversationUpdate from "../ConversationUpdate.ts"
import * as HighLevelError from "../HighLevelError.ts"
import { HighLevelApi } from "../HighLevelApi.ts"
import type { Redaction } from "./redaction.ts"
import * as Said from "./said.ts"
import * as Transport from "./transport.ts"

const decodeAnswer = HttpApiClient.decodeResponse(HighLevelApi, { group: "conversations", endpoint: "update" })
const decodeText = Schema.decodeUnknownEffect(Schema.fromJsonString(ConversationUpdate.Answer))

const isSuccessful = (status: number) => status >= 200 && status < 300

/** Which update an answer is to. */
export interface Subject {
  readonly conversationId: string
  readonly locationId: string
  readonly attempts: number
}

/**
 * Reads one answer. Status decides first and messages second, and no property is
 * required: anything that HighLevel or the proxies before it may send ends in a
 * value or in a named error.
 */
export const read = Effect.fnUntraced(function* (
  response: HttpClientResponse.HttpClientResponse,
  subject: Subject,
  // A debugging proxy may send back what it received.
  redact: Redaction
): Effect.fn.Return<ConversationUpdate.Answer, HighLevelError.UpdateError> {
  const { status } = response
  const body = yield* Effect.mapError(
    response.text,
    (error) => new HighLevelError.TransportFailure({ ...subject, status, cause: Transport.causeOf(error, redact) })
  )

  const facts = (said: Said.Said) => ({
    ...subject,
    status,
    messages: said.messages.map(redact),
    ...(typeof said.traceId === "string" ? { traceId: redact(said.traceId) } : {}),
    ...(response.headers["cf-ray"] === undefined ? {} : { cfRay: redact(response.headers["cf-ray"]) }),
    body: redact(body)
  })

  const badRequest = (said: Said.Said) => new HighLevelError.BadRequest(facts(said))
  const unauthorized = (said: Said.Said) =>
    new HighLevelError.Unauthorized({ ...facts(said), reason: Said.unauthorizedReason(said.messages) })
  const unprocessable = (said: Said.Said) => new HighLevelError.Unprocessable(facts(said))

  // No declared document: an undeclared status, or a body that is not what was declared.
  const fromStatus = (said: Said.Said, cause: unknown) => {
    if (status === 400) return badRequest(said)
    if (status === 401) return unauthorized(said)
    if (status === 422) return unprocessable(said)
    if (!isSuccessful(status)) return new HighLevelError.UnexpectedStatus(facts(said))
    if (said.success === false) return new HighLevelError.Unsuccessful(facts(said))
    return new HighLevelError.AppliedUnreadable({ ...facts(said), cause })
  }

  // 201 and its kin are as good as the documented 200 if they bring its document,
  // and so is a document that no JSON codec takes for JSON, such as one with 1e999.
  const orAsText = (cause: unknown) =>
    isSuccessful(status)
      ? Effect.mapError(decodeText(body), (error) => fromStatus(Said.read(body), error))
      : Effect.fail(fromStatus(Said.read(body), cause))

  const answer = yield* decodeAnswer(response).pipe(
    Effect.catchTags({
      BadRequest: () => Effect.fail(badRequest(Said.read(body))),
      Unauthorized: () => Effect.fail(unauthorized(Said.read(body))),
      Unprocessable: () => Effect.fail(unprocessable(Said.read(body))),
      SchemaError: orAsText,
      HttpClientError: orAsText
    })
  )
  return answer.success === false ? yield* new HighLevelError.Unsuccessful(facts(Said.read(body))) : answer
})
