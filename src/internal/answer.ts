/** From HighLevel's answer to the value or the named error that it means. */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Headers from "effect/http/Headers"
import type * as ConversationUpdate from "../ConversationUpdate.ts"
import * as HighLevelError from "../HighLevelError.ts"
import * as Operation from "./operation.ts"
import type { Redaction } from "./redaction.ts"
import * as Said from "./said.ts"
import * as Tolerant from "./tolerant.ts"

const decodeAnswer = Tolerant.decode(Operation.success)
const explain = Schema.decodeUnknownResult(Schema.fromJsonString(Schema.Unknown))

const parse = (text: string): Result.Result<unknown, Schema.SchemaError> =>
  Result.orElse(
    Result.try((): unknown => JSON.parse(text)),
    () => explain(text)
  )

const isSuccessful = (status: number) => status >= 200 && status < 300

/** Which update an answer is to. */
export interface Subject {
  readonly conversationId: string
  readonly locationId: string
  readonly attempts: number
}

/** An answer that came whole. */
export interface Received {
  readonly status: number
  readonly headers: Headers.Headers
  readonly body: string
}

/**
 * Reads one answer. Status decides first and messages second, and no property is
 * required: anything that HighLevel or the proxies before it may send ends in a
 * value or in a named error.
 */
export const read = (
  { body, headers, status }: Received,
  subject: Subject,
  // A debugging proxy may send back what it received.
  redact: Redaction
): Result.Result<ConversationUpdate.Answer, HighLevelError.UpdateError> => {
  const facts = (said: Said.Said) => ({
    ...subject,
    status,
    messages: said.messages.map(redact),
    ...(typeof said.traceId === "string" ? { traceId: redact(said.traceId) } : {}),
    ...(headers["cf-ray"] === undefined ? {} : { cfRay: redact(headers["cf-ray"]) }),
    body: redact(body)
  })

  // 201 and its kin are as good as the documented 200 if they bring its document.
  if (isSuccessful(status)) {
    const answer = Result.flatMap(parse(body), decodeAnswer)
    if (Result.isSuccess(answer) && answer.success.success !== false) return Result.succeed(answer.success)
    const said = Said.read(body)
    return Result.fail(
      Result.isSuccess(answer) || said.success === false
        ? new HighLevelError.Unsuccessful(facts(said))
        : new HighLevelError.AppliedUnreadable({ ...facts(said), cause: answer.failure })
    )
  }

  const said = Said.read(body)
  switch (status) {
    case 400:
      return Result.fail(new HighLevelError.BadRequest(facts(said)))
    case 401:
      return Result.fail(
        new HighLevelError.Unauthorized({ ...facts(said), reason: Said.unauthorizedReason(said.messages) })
      )
    case 422:
      return Result.fail(new HighLevelError.Unprocessable(facts(said)))
    default:
      return Result.fail(new HighLevelError.UnexpectedStatus(facts(said)))
  }
}
