/** From HighLevel's answer to the value or the named error that it means. */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as HttpApiClient from "effect/http-api/HttpApiClient"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as ConversationUpdate from "../ConversationUpdate.ts"
import * as HighLevelError from "../HighLevelError.ts"
import { HighLevelApi } from "../HighLevelApi.ts"
import * as SafeCause from "./safeCause.ts"
import * as Tolerant from "./tolerant.ts"

const decodeAnswer = HttpApiClient.decodeResponse(HighLevelApi, { group: "conversations", endpoint: "update" })
const decodeText = Schema.decodeUnknownEffect(Schema.fromJsonString(ConversationUpdate.Answer))

/**
 * What any body may say about itself. Undeclared statuses use other names than
 * the documented ones (`{ error: { message } }`), and lists may hold anything.
 */
const AnyBody = Tolerant.struct({
  success: Tolerant.field(Schema.Boolean),
  message: Tolerant.field(Schema.Unknown),
  error: Tolerant.field(Schema.Unknown),
  traceId: Tolerant.field(Schema.String)
})
const readAnyBody = Schema.decodeUnknownResult(Schema.fromJsonString(AnyBody))

const textsOf = (message: unknown): ReadonlyArray<string> =>
  (Array.isArray(message) ? message : [message]).filter((text) => typeof text === "string" && text !== "")

interface Said {
  readonly messages: ReadonlyArray<string>
  readonly traceId?: string | null | undefined
  readonly success?: boolean | null | undefined
}

const saidIn = (body: string): Said => {
  const read = readAnyBody(body)
  if (Result.isFailure(read)) return { messages: [] }
  const { error, message, success, traceId } = read.success
  const candidates = [message, Predicate.hasProperty(error, "message") ? error.message : undefined, error]
  return { messages: candidates.map(textsOf).find((texts) => texts.length > 0) ?? [], traceId, success }
}

// Collected from recorded answers. Order matters: the first match wins.
const reasons: ReadonlyArray<readonly [RegExp, HighLevelError.UnauthorizedReason]> = [
  [/version header/i, "VersionHeader"],
  [/not authorized for this scope/i, "MissingScope"],
  [/location is not accessible|does not have access to this location/i, "WrongLocation"],
  [/user type mismatch|auth ?class type|authclass is not|auth channel/i, "WrongTokenType"],
  [
    /invalid (?:jwt|token|private integration token)|access token is invalid|token (?:is |has )?expired/i,
    "InvalidToken"
  ]
]

const unauthorizedReason = (messages: ReadonlyArray<string>): HighLevelError.UnauthorizedReason =>
  reasons.find(([pattern]) => messages.some((message) => pattern.test(message)))?.[1] ?? "Unknown"

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
  token: Redacted.Redacted
): Effect.fn.Return<ConversationUpdate.Answer, HighLevelError.UpdateError> {
  const { status } = response
  const body = yield* Effect.mapError(
    response.text,
    ({ reason }) =>
      new HighLevelError.TransportFailure({
        ...subject,
        status,
        cause: SafeCause.make(reason.cause ?? reason.message, token)
      })
  )

  // A debugging proxy may send back what it received.
  const redact = (text: string) => text.replaceAll(Redacted.value(token), "<redacted>")
  const facts = (said: Said) => ({
    ...subject,
    status,
    messages: said.messages.map(redact),
    ...(typeof said.traceId === "string" ? { traceId: redact(said.traceId) } : {}),
    ...(response.headers["cf-ray"] === undefined ? {} : { cfRay: redact(response.headers["cf-ray"]) }),
    body: redact(body)
  })

  const badRequest = (said: Said) => new HighLevelError.BadRequest(facts(said))
  const unauthorized = (said: Said) =>
    new HighLevelError.Unauthorized({ ...facts(said), reason: unauthorizedReason(said.messages) })
  const unprocessable = (said: Said) => new HighLevelError.Unprocessable(facts(said))

  // No declared document: an undeclared status, or a body that is not what was declared.
  const fromStatus = (said: Said, cause: unknown) => {
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
      ? Effect.mapError(decodeText(body), (error) => fromStatus(saidIn(body), error))
      : Effect.fail(fromStatus(saidIn(body), cause))

  const answer = yield* decodeAnswer(response).pipe(
    Effect.catchTags({
      BadRequest: () => Effect.fail(badRequest(saidIn(body))),
      Unauthorized: () => Effect.fail(unauthorized(saidIn(body))),
      Unprocessable: () => Effect.fail(unprocessable(saidIn(body))),
      SchemaError: orAsText,
      HttpClientError: orAsText
    })
  )
  return answer.success === false ? yield* new HighLevelError.Unsuccessful(facts(saidIn(body))) : answer
})
