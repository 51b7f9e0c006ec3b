/** What a body says about itself, whoever wrote it. */
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { UnauthorizedReason } from "../HighLevelError.ts"
import * as Tolerant from "./tolerant.ts"

/**
 * What any body may hold. Undeclared statuses use other names than the documented
 * ones (`{ error: { message } }`), OAuth has its own, and lists may hold anything.
 */
const AnyBody = Tolerant.struct({
  success: Tolerant.field(Schema.Boolean),
  message: Tolerant.field(Schema.Unknown),
  error: Tolerant.field(Schema.Unknown),
  error_description: Tolerant.field(Schema.String),
  traceId: Tolerant.field(Schema.String)
})
const readAnyBody = Schema.decodeUnknownResult(Schema.fromJsonString(AnyBody))

const textsOf = (message: unknown): ReadonlyArray<string> =>
  (Array.isArray(message) ? message : [message]).filter((text) => typeof text === "string" && text !== "")

export interface Said {
  readonly messages: ReadonlyArray<string>
  /** The `error` of the body where it is a word of its own, such as `invalid_grant`. */
  readonly error?: string | undefined
  readonly traceId?: string | null | undefined
  readonly success?: boolean | null | undefined
}

export const read = (body: string): Said => {
  const result = readAnyBody(body)
  if (Result.isFailure(result)) return { messages: [] }
  const { error, error_description, message, success, traceId } = result.success
  const candidates = [
    message,
    error_description,
    Predicate.hasProperty(error, "message") ? error.message : undefined,
    error
  ]
  return {
    messages: candidates.map(textsOf).find((texts) => texts.length > 0) ?? [],
    error: typeof error === "string" ? error : undefined,
    traceId,
    success
  }
}

// Collected from recorded answers. Order matters: the first match wins.
const reasons: ReadonlyArray<readonly [RegExp, UnauthorizedReason]> = [
  [/version header/i, "VersionHeader"],
  [/not authorized for this scope/i, "MissingScope"],
  [/location is not accessible|does not have access to this location/i, "WrongLocation"],
  [/user type mismatch|auth ?class|auth channel/i, "WrongTokenType"],
  [
    /invalid (?:jwt|token|private integration token)|access token is invalid|token (?:is |has )?expired/i,
    "InvalidToken"
  ]
]

/** Why a 401 was answered. */
export const unauthorizedReason = (messages: ReadonlyArray<string>): UnauthorizedReason =>
  reasons.find(([pattern]) => messages.some((message) => pattern.test(message)))?.[1] ?? "Unknown"
