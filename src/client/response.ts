/** From HighLevel's response to the value or the named error that it means. */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Compiled, Declaration } from "../wire/Operation.ts"
import type { Broken, Received } from "./exchange.ts"
import * as ErrorBody from "./errorBody.ts"
import * as HighLevelError from "./HighLevelError.ts"
import type { Redaction } from "./redaction.ts"

/** Which call a response is for. */
export interface Subject {
  readonly operation: string
  readonly locationId: string
  readonly conversationId?: string
  /** How many requests were sent, this one included. */
  readonly attempts: number
  /** What is known of the earlier ones. */
  readonly applied: "no" | "unknown"
}

const explain = Schema.decodeUnknownResult(Schema.fromJsonString(Schema.Unknown))

const parse = (text: string): Result.Result<unknown, Schema.SchemaError> =>
  Result.orElse(
    Result.try((): unknown => JSON.parse(text)),
    () => explain(text)
  )

/** Whether a request whose outcome is unknown may have changed something. */
export const unknownApplied = ({ method }: Declaration): "no" | "unknown" => (method === "GET" ? "no" : "unknown")

export const broken = (operation: Declaration, { cause, status }: Broken, subject: Subject) =>
  new HighLevelError.TransportFailure({
    ...subject,
    applied: unknownApplied(operation),
    ...(status === undefined ? {} : { status }),
    cause
  })

/**
 * Reads one response. The status decides first and messages second, and no property
 * is required: whatever HighLevel or a proxy sends is a value or a named error.
 */
export const read = <O>(
  operation: Declaration & Pick<Compiled<object, O>, "decode">,
  { body, headers, status }: Received,
  subject: Subject,
  // A debugging proxy may send back what it received.
  redact: Redaction
): Result.Result<O, HighLevelError.HighLevelError> => {
  // 201 and its kin are as good as the documented 200 if they bring its document.
  const document = status >= 200 && status < 300 ? Result.flatMap(parse(body), operation.decode) : undefined
  if (document !== undefined && Result.isSuccess(document) && !isRefusal(document.success)) {
    return Result.succeed(document.success)
  }
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
  const unknown = { applied: unknownApplied(operation) }
  if (document !== undefined) {
    return Result.fail(
      Result.isSuccess(document) || success === false
        ? new HighLevelError.Unsuccessful(fields)
        : new HighLevelError.UnreadableResponse({
            ...fields,
            ...(operation.appliesUnread ? { applied: "yes" } : {}),
            cause: document.failure
          })
    )
  }
  switch (status) {
    case 400:
      return Result.fail(new HighLevelError.BadRequest(fields))
    case 401:
      return Result.fail(
        new HighLevelError.Unauthorized({ ...fields, ...(reason === "GatewayTimeout" ? unknown : {}) })
      )
    case 422:
      return Result.fail(new HighLevelError.Unprocessable(fields))
    default:
      return Result.fail(
        new HighLevelError.UnexpectedStatus({ ...fields, ...((status === 408 || status >= 500) && reason !== "NotFound" ? unknown : {}) })
      )
  }
}

const isRefusal = (document: unknown) =>
  typeof document === "object" && document !== null && "success" in document && document.success === false
