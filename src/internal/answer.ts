/** From HighLevel's answer to the value or the named error that it means. */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as HttpApiClient from "effect/http-api/HttpApiClient"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import type * as ConversationUpdate from "../ConversationUpdate.ts"
import * as HighLevelError from "../HighLevelError.ts"
import { HighLevelApi } from "../HighLevelApi.ts"
import * as Tolerant from "./tolerant.ts"

const decodeAnswer = HttpApiClient.decodeResponse(HighLevelApi, { group: "conversations", endpoint: "update" })

/**
 * What any body may say about itself. Undeclared statuses use other names than
 * the documented ones: `{ error: { message } }`, `{ status, message }`.
 */
const AnyBody = Tolerant.struct({
  success: Tolerant.field(Schema.Boolean),
  message: Tolerant.field(Schema.Union([Schema.String, Schema.Array(Schema.String)])),
  error: Tolerant.field(Schema.Union([Schema.String, Schema.Struct({ message: Schema.String })])),
  traceId: Tolerant.field(Schema.String)
})
const readAnyBody = Schema.decodeUnknownResult(Schema.fromJsonString(AnyBody))

type Texts = string | ReadonlyArray<string> | null | undefined

const textsOf = (texts: Texts): ReadonlyArray<string> =>
  texts === null || texts === undefined ? [] : typeof texts === "string" ? [texts] : texts

interface Said {
  readonly messages: ReadonlyArray<string>
  readonly traceId?: string | null | undefined
  readonly success?: boolean | null | undefined
}

const anyBody = (body: string): Said => {
  const read = readAnyBody(body)
  if (Result.isFailure(read)) return { messages: [] }
  const { error, message, success, traceId } = read.success
  const messages = textsOf(message)
  return {
    messages: messages.length > 0 ? messages : textsOf(typeof error === "object" ? error?.message : error),
    traceId,
    success
  }
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

/**
 * Reads one answer. Status decides first and messages second, and no property is
 * required: anything that HighLevel or the proxies before it may send ends in a
 * value or in a named error.
 */
export const read = Effect.fnUntraced(function* (
  response: HttpClientResponse.HttpClientResponse,
  subject: { readonly conversationId: string; readonly locationId: string },
  token: Redacted.Redacted
): Effect.fn.Return<ConversationUpdate.Answer, HighLevelError.UpdateError> {
  const { status } = response
  const body = yield* Effect.mapError(
    response.text,
    ({ reason }) => new HighLevelError.TransportFailure({ ...subject, status, cause: reason.cause ?? reason.message })
  )

  // A debugging proxy may send back what it received.
  const redact = (text: string) => text.replaceAll(Redacted.value(token), "<redacted>")
  const cfRay = response.headers["cf-ray"]
  const facts = (said: Said) => ({
    ...subject,
    status,
    messages: said.messages.map(redact),
    ...(typeof said.traceId === "string" ? { traceId: redact(said.traceId) } : {}),
    ...(cfRay === undefined ? {} : { cfRay }),
    body: redact(body)
  })

  const badRequest = (said: Said) => new HighLevelError.BadRequest(facts(said))
  const unauthorized = (said: Said) =>
    new HighLevelError.Unauthorized({ ...facts(said), reason: unauthorizedReason(said.messages) })
  const unprocessable = (said: Said) => new HighLevelError.Unprocessable(facts(said))

  const fromWire = (wire: { readonly message?: Texts; readonly traceId?: string | null }): Said => {
    const messages = textsOf(wire.message)
    return messages.length > 0 ? { messages, traceId: wire.traceId } : anyBody(body)
  }

  // No declared document: an undeclared status, or a body that is not what was declared.
  const fromStatus = (cause: unknown) => {
    const said = anyBody(body)
    if (status === 400) return badRequest(said)
    if (status === 401) return unauthorized(said)
    if (status === 422) return unprocessable(said)
    if (!isSuccessful(status)) return new HighLevelError.UnexpectedStatus(facts(said))
    if (said.success === false) return new HighLevelError.Unsuccessful(facts(said))
    return new HighLevelError.AppliedUnreadable({ ...facts(said), cause })
  }

  // 201 and its kin are as good as the documented 200, if they bring its document.
  const answered =
    isSuccessful(status) && status !== 200
      ? HttpClientResponse.fromWeb(response.request, new Response(body, { status: 200 }))
      : response

  const answer = yield* decodeAnswer(answered).pipe(
    Effect.catchTags({
      BadRequest: (wire) => Effect.fail(badRequest(fromWire(wire))),
      Unauthorized: (wire) => Effect.fail(unauthorized(fromWire(wire))),
      Unprocessable: (wire) => Effect.fail(unprocessable(fromWire(wire))),
      SchemaError: (cause) => Effect.fail(fromStatus(cause)),
      HttpClientError: (cause) => Effect.fail(fromStatus(cause.message))
    })
  )
  return answer.success === false ? yield* new HighLevelError.Unsuccessful(facts(anyBody(body))) : answer
})
