/**
 * The errors of a call, as one closed union.
 *
 * {@link isTransient} tells whether the same call may succeed later, {@link applied}
 * whether something changed in HighLevel, {@link isConfiguration} whether every call of
 * the location fails alike, and {@link advice} what to do. The errors are schema
 * classes: catch them by tag, encode them, send them over RPC. They never contain a token.
 *
 * An error describes the last attempt. `applied` also considers earlier attempts: it is
 * `"unknown"` if the response to one of them was lost.
 */
import type { BadRequest, HighLevelError } from "./errorClasses.ts"
import { type Applied, isTransientStatus } from "./errorFields.ts"

export * from "./errorClasses.ts"

/** Returns whether the same call may succeed later without any change. The client has already retried it. */
export const isTransient = (error: HighLevelError): boolean => {
  switch (error._tag) {
    case "TransportFailure":
    case "RequestTimeout":
    case "RateLimiterUnavailable":
    case "DailyLimitExceeded":
    case "UnexpectedBody":
      return true
    case "TokenUnavailable":
      return error.reason === "Unreachable"
    case "Unauthorized":
      return error.reason === "GatewayTimeout"
    case "UnexpectedStatus":
      // A sibling operation responds with 500 for a conversation that does not exist.
      return isTransientStatus(error.status) && error.reason !== "NotFound"
    default:
      return false
  }
}

/**
 * Returns whether something changed in HighLevel. If the result is `"unknown"`, send the
 * update again: it sets absolute values.
 */
export const applied = (error: HighLevelError): Applied => (error._tag === "InvalidRequest" ? "no" : error.applied)

/**
 * Returns whether the cause is the token, its scope or the `Version` rather than this
 * call. Other calls of the location fail the same way until somebody fixes it.
 */
export const isConfiguration = (error: HighLevelError): boolean => {
  switch (error._tag) {
    case "ReconnectRequired":
      return true
    case "TokenUnavailable":
      return error.reason === "Refused"
    case "Unauthorized":
      return error.reason !== "GatewayTimeout" && error.reason !== "NotFound"
    case "BadRequest":
    case "UnexpectedStatus":
      return error.status === 403 || (error.reason !== "Unknown" && error.reason !== "NotFound" && !isTransient(error))
    default:
      return false
  }
}

const byReason: Partial<Record<typeof BadRequest.Type.reason, string>> = {
  InvalidToken: "The token is invalid, expired or revoked: use another one, or reconnect the location.",
  MissingToken: "No token was sent: check for a proxy that drops the Authorization header.",
  WrongLocation: "Use a token of this location.",
  WrongTokenType: "Use a token of the sub-account instead of its agency's.",
  LocationInactive: "Ask the customer: the sub-account is paused.",
  VersionHeader: "Use another API version.",
  GatewayTimeout: "Try again later; the token is valid.",
  NotFound: "Do not retry: the location has no such conversation."
}

const scopes: Readonly<Record<string, string>> = {
  "Conversations.update": "conversations.write",
  "Conversations.get": "conversations.readonly",
  "Conversations.search": "conversations.readonly"
}

const missingScope = (operation: string) => {
  const scope = scopes[operation]
  return `Add the scope${scope === undefined ? "" : ` ${scope}`} to the app or the token, and reconnect the location.`
}

const byTag: Record<HighLevelError["_tag"], string> = {
  BadRequest: "Do not retry. Most often the conversation is not in that location.",
  Unauthorized: "Read the messages for the reason, then check the token.",
  Unprocessable: "Do not retry. The messages name the fields.",
  UnexpectedStatus: "Do not retry. Read the messages for the reason.",
  Unsuccessful: "Do not retry. Contact HighLevel's support with the trace id.",
  UnreadableResponse: "Treat an update as applied. Read the conversation if you need it.",
  UnexpectedBody: "Check what is between you and HighLevel, such as a proxy or a login page. Then try again.",
  TransportFailure: "Try again later with the same values.",
  RequestTimeout: "Try again later with the same values.",
  ReconnectRequired: "Ask the customer to reconnect the location.",
  TokenUnavailable: "Read the messages for the reason. A retry does not help.",
  DailyLimitExceeded: "Try again after the limit resets.",
  RateLimiterUnavailable: "Try again when the store is available.",
  InvalidRequest: "Fix the calling code: the issues name the fields."
}

/** Returns one sentence that says what to do about an error. */
export const advice = (error: HighLevelError): string => {
  const known = "reason" in error && error._tag !== "TokenUnavailable" ? byReason[error.reason] : undefined
  if (known !== undefined) return known
  if ("reason" in error && error.reason === "MissingScope") return missingScope(error.operation)
  if (error._tag === "UnexpectedStatus" || error._tag === "TokenUnavailable") {
    return isTransient(error) ? byTag.TransportFailure : byTag[error._tag]
  }
  return byTag[error._tag]
}
