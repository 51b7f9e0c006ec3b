/** From HighLevel's response to the value or the named error that it means. */
import * as Predicate from "effect/Predicate"
import type * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import type { Compiled, Declaration } from "../wire/Operation.ts"
import type { Meaning, Subject } from "./attempt.ts"
import type { Broken, Received } from "./exchange.ts"
import * as ErrorBody from "./errorBody.ts"
import * as HighLevelError from "./HighLevelError.ts"
import * as Redaction from "./redaction.ts"
import * as Transport from "./transport.ts"

const notJson = Result.fail(new Schema.SchemaError(new SchemaIssue.InvalidValue({ expected: "a JSON document" })))

export const broken = (
  operation: Declaration,
  { status, unsafeCause }: Broken,
  subject: Subject,
  token: Redacted.Redacted
) =>
  new HighLevelError.TransportFailure({
    ...subject,
    ...(operation.isWrite ? { applied: "unknown" } : {}),
    ...(status === undefined ? {} : { status }),
    cause: Transport.causeOf(unsafeCause, Redaction.make(token))
  })

/**
 * Reads one response. The status decides first and messages second, and no property
 * is required: whatever HighLevel or a proxy sends is a value or a named error.
 */
export const read = <O>(
  operation: Declaration & Pick<Compiled<object, O>, "decode">,
  received: Received,
  subject: Subject,
  token: Redacted.Redacted
): Meaning<O, HighLevelError.HighLevelError> => {
  let unreadable: Schema.SchemaError | undefined
  // 201 and its kin are as good as the documented 200 if they bring its document.
  if (received.status >= 200 && received.status < 300) {
    let json: unknown
    try {
      json = JSON.parse(received.body)
    } catch {
      // It stays undefined, which no JSON is.
    }
    const document = json === undefined ? notJson : operation.decode(json)
    if (Result.isFailure(document)) unreadable = document.failure
    else if (!(Predicate.hasProperty(document.success, "success") && document.success.success === false)) {
      return { result: Result.succeed(document.success), next: "end" }
    }
  }
  const error = errorOf(operation, received, subject, Redaction.make(token), unreadable)
  // No other refusal is cured by another token.
  const isRefusedToken = error._tag === "Unauthorized" && error.reason === "InvalidToken"
  return {
    result: Result.fail(error),
    next: isRefusedToken ? "renew token" : HighLevelError.isTransient(error) ? "retry" : "end"
  }
}

const errorOf = (
  operation: Declaration,
  { body, headers, status }: Received,
  subject: Subject,
  // A debugging proxy may send back what it received.
  redact: Redaction.Redaction,
  unreadable: Schema.SchemaError | undefined
) => {
  const errorBody = ErrorBody.parse(body)
  const { messages, success, traceId } = errorBody
  const reason = ErrorBody.reasonOf(status, errorBody)
  const fields = {
    ...subject,
    status,
    reason,
    messages: messages.map(redact),
    ...(traceId === undefined ? {} : { traceId: redact(traceId) }),
    ...(headers["cf-ray"] === undefined ? {} : { cfRay: redact(headers["cf-ray"]) }),
    body: redact(body)
  }
  if (status >= 200 && status < 300) {
    if (unreadable === undefined || success === false) return new HighLevelError.Unsuccessful(fields)
    const applied = operation.isWrite ? { applied: "yes" as const } : {}
    return new HighLevelError.UnreadableResponse({ ...fields, ...applied, cause: unreadable })
  }
  // What was refused was not applied, but a lost response is that of anything.
  const isUnknown = reason !== "NotFound" && (status === 408 || status >= 500 || reason === "GatewayTimeout")
  const failed = isUnknown && operation.isWrite ? { ...fields, applied: "unknown" as const } : fields
  switch (status) {
    case 400:
      return new HighLevelError.BadRequest(fields)
    case 401:
      return new HighLevelError.Unauthorized(failed)
    case 422:
      return new HighLevelError.Unprocessable(fields)
    default:
      return new HighLevelError.UnexpectedStatus(failed)
  }
}
