/** What the body of an error says, whoever wrote it. */
import * as Predicate from "effect/Predicate"
import type { Reason } from "./errorFields.ts"

const textsOf = (message: unknown): ReadonlyArray<string> =>
  (Array.isArray(message) ? message : [message]).filter((text) => typeof text === "string" && text !== "")

/** An error's body, parsed. */
export interface ErrorBody {
  readonly messages: ReadonlyArray<string>
  /** The `error` of the body where it is a word of its own, such as `invalid_grant`. */
  readonly error?: string | undefined
  readonly traceId?: string | undefined
  readonly success?: boolean | undefined
}

/**
 * Undocumented statuses use other names than the documented ones (`{ error: { message } }`),
 * OAuth has its own, and lists may hold anything.
 */
export const parse = (body: string): ErrorBody => {
  let json: unknown
  try {
    json = JSON.parse(body)
  } catch {
    // A page, or nothing at all.
  }
  if (!Predicate.isObject(json)) return { messages: [] }
  const { error, error_description, message, success, traceId }: { readonly [name: string]: unknown } = json
  const candidates = [
    message,
    error_description,
    Predicate.hasProperty(error, "message") ? error.message : undefined,
    error
  ]
  return {
    messages: candidates.map(textsOf).find((texts) => texts.length > 0) ?? [],
    error: typeof error === "string" ? error : undefined,
    traceId: typeof traceId === "string" ? traceId : undefined,
    success: typeof success === "boolean" ? success : undefined
  }
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
