/** What the body of an error says, whoever wrote it. */
import { identity } from "effect/Function"
import * as Predicate from "effect/Predicate"
import type { Reason } from "./errorFields.ts"
import { maximumBytes, type Redaction } from "./redaction.ts"

const textsOf = (message: unknown): ReadonlyArray<string> =>
  (Array.isArray(message) ? message : [message]).filter((text) => typeof text === "string" && text !== "")

/** As many texts as are together no longer than one of them may be. */
const shortened = (texts: ReadonlyArray<string>, redact: Redaction): ReadonlyArray<string> => {
  const kept: Array<string> = []
  let length = 0
  for (const text of texts) {
    const safe = redact(text)
    length += safe.length
    if (length > maximumBytes) break
    kept.push(safe)
  }
  return kept
}

/** An error's body, parsed. */
export interface ErrorBody {
  readonly messages: ReadonlyArray<string>
  /** The `error` of the body where it is a word of its own, such as `invalid_grant`. */
  readonly error?: string | undefined
  readonly traceId?: string | undefined
}

/**
 * Undocumented statuses use other names than the documented ones (`{ error: { message } }`),
 * OAuth has its own, and lists may hold anything.
 */
export const parse = (body: string, redact: Redaction = identity): ErrorBody => {
  let json: unknown
  try {
    json = JSON.parse(body)
  } catch {
    // A page, or nothing at all.
  }
  if (!Predicate.isObject(json)) return { messages: [] }
  const { error, error_description, message, traceId }: { readonly [name: string]: unknown } = json
  const candidates = [
    message,
    error_description,
    Predicate.hasProperty(error, "message") ? error.message : undefined,
    error
  ]
  return {
    messages: shortened(candidates.map(textsOf).find((texts) => texts.length > 0) ?? [], redact),
    error: typeof error === "string" ? redact(error) : undefined,
    traceId: typeof traceId === "string" ? redact(traceId) : undefined
  }
}

const isFalse = (value: unknown) =>
  value === false || value === 0 || (typeof value === "string" && /^\s*(?:false|no|0)\s*$/i.test(value))

const isEmpty = (value: unknown) =>
  !value || value === "false" || (typeof value === "object" && Object.keys(value).length === 0)

/** Whether the JSON of a 2xx holds an `error`. */
export const hasError = (json: unknown): boolean => Predicate.hasProperty(json, "error") && !isEmpty(json.error)

/**
 * The status of the error that the JSON of a 2xx reports: its `statusCode`, or 200
 * where it has `success: false` and no status. Undefined where it reports none.
 */
export const reportedStatus = (json: unknown): number | undefined => {
  if (!Predicate.isObject(json)) return undefined
  const { statusCode, success }: { readonly [name: string]: unknown } = json
  const status = typeof statusCode === "string" ? Number(statusCode) : statusCode
  if (typeof status === "number" && status >= 400) return Number.isInteger(status) && status < 600 ? status : 200
  return isFalse(success) ? 200 : undefined
}

// Collected from recorded responses. Order matters: the first match wins.
const reasons: ReadonlyArray<readonly [RegExp, Reason]> = [
  [/version header|invalid api version/i, "VersionHeader"],
  [/command timed out/i, "GatewayTimeout"],
  [/no authorization header/i, "MissingToken"],
  [/location is not active/i, "LocationInactive"],
  [/not authorized for this scope/i, "MissingScope"],
  [/location is not accessible|does not have access to this location/i, "WrongLocation"],
  [/user type mismatch|auth ?class|auth channel/i, "WrongTokenType"],
  [
    /invalid (?:jwt|token|private integration token)|access token is invalid|token (?:is |has )?expired/i,
    "InvalidToken"
  ],
  [/not found/i, "NotFound"]
]

/** Why a request was refused. */
export const reasonOf = (status: number, { messages }: ErrorBody): Reason => {
  const reason = reasons.find(([pattern]) => messages.some((message) => pattern.test(message)))?.[1] ?? "Unknown"
  // What a 422 says is about a field; only a 401 is about the token's validity.
  if (status === 422) return "Unknown"
  if (reason === "InvalidToken" || reason === "GatewayTimeout") return status === 401 ? reason : "Unknown"
  return reason === "NotFound" && status === 401 ? "Unknown" : reason
}
