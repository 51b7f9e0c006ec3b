/** Interprets a response of HighLevel as a value or a named error. */
import type * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import type { Compiled, Declaration } from "../wire/Operation.ts"
import type { Meaning, Subject } from "./attempt.ts"
import * as ErrorBody from "./errorBody.ts"
import * as Exchange from "./exchange.ts"
import * as HighLevelError from "./HighLevelError.ts"
import * as Redaction from "./redaction.ts"
import * as Transport from "./transport.ts"

export const broken = (
  operation: Declaration,
  { status, unsafeCause }: Exchange.Broken,
  subject: Subject,
  token: Redacted.Redacted
) =>
  new HighLevelError.TransportFailure({
    ...subject,
    ...(operation.isWrite ? { applied: "unknown" } : {}),
    ...(status === undefined ? {} : { status }),
    cause: Transport.causeOf(unsafeCause, Redaction.make(token))
  })

/** A response that differs from the documentation of its operation. */
interface Failure {
  /** The status of the response, or of the error that its body reports. */
  readonly status: number
  /** Why a 2xx cannot be decoded, if it reports no error. */
  readonly unread?: { readonly cause: Schema.SchemaError; readonly applied: "yes" | "unknown" }
}

const unread = (status: number, expected: string, isApplied: boolean) =>
  Result.fail<Failure>({
    status,
    unread: {
      cause: new Schema.SchemaError(new SchemaIssue.InvalidValue({ expected })),
      applied: isApplied ? "yes" : "unknown"
    }
  })

const isDocumented = (field: string, schema: Schema.Top) => {
  const { ast } = Schema.toType(schema)
  return ast._tag === "Objects" && ast.propertySignatures.some(({ name }) => name === field)
}

/** Decodes a 2xx. Any 2xx counts as the documented 200. */
const documentOf = <O>(
  { decode, success }: Declaration & Pick<Compiled<object, O>, "decode">,
  received: Exchange.Received
): Result.Result<O, Failure> => {
  const { body, headers, isComplete, status } = received
  if (!isComplete) return unread(status, "a body within maxResponseBytes", Exchange.isJson(received))
  let json: unknown
  try {
    json = JSON.parse(body)
  } catch {
    // A compressed body that was cut off may also decode to an empty one.
    return unread(status, "a JSON document", body.trim() === "" && headers["content-encoding"] === undefined)
  }
  const reported = ErrorBody.reportedStatus(json)
  if (reported !== undefined) return Result.fail({ status: reported })
  if (ErrorBody.hasError(json) && !isDocumented("error", success)) return Result.fail({ status })
  return Result.mapError(decode(json), (cause) => ({ status, unread: { cause, applied: "yes" } }))
}

/**
 * Interprets one response, by its status first and its messages second. No property is
 * required: any response of HighLevel or a proxy becomes a value or a named error.
 */
export const read = <O>(
  operation: Declaration & Pick<Compiled<object, O>, "decode">,
  received: Exchange.Received,
  subject: Subject,
  token: Redacted.Redacted
): Meaning<O, HighLevelError.HighLevelError> => {
  const { status } = received
  const document = status >= 200 && status < 300 ? documentOf(operation, received) : Result.fail({ status })
  if (Result.isSuccess(document)) return { result: Result.succeed(document.success), next: "end" }
  const error = errorOf(operation, received, document.failure, subject, Redaction.make(token))
  // A new token helps only with this reason.
  const isRefusedToken = error._tag === "Unauthorized" && error.reason === "InvalidToken"
  return {
    result: Result.fail(error),
    next: isRefusedToken ? "renew token" : HighLevelError.isTransient(error) ? "retry" : "end"
  }
}

const errorOf = (
  operation: Declaration,
  { body, headers }: Exchange.Received,
  { status, unread }: Failure,
  subject: Subject,
  // A debugging proxy may echo the request.
  redact: Redaction.Redaction
) => {
  const errorBody = ErrorBody.parse(body, redact)
  const { messages, traceId } = errorBody
  const reason = ErrorBody.reasonOf(status, errorBody)
  const fields = {
    ...subject,
    status,
    reason,
    messages,
    ...(traceId === undefined ? {} : { traceId }),
    ...(headers["cf-ray"] === undefined ? {} : { cfRay: redact(headers["cf-ray"]) }),
    body: redact(body)
  }
  if (status >= 200 && status < 300) {
    if (unread === undefined) return new HighLevelError.Unsuccessful(fields)
    const { applied, cause } = unread
    const given = { ...fields, ...(operation.isWrite ? { applied } : {}), cause }
    return applied === "yes" ? new HighLevelError.UnreadableResponse(given) : new HighLevelError.UnexpectedBody(given)
  }
  // A refused request was not applied; one whose response was lost may have been.
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
