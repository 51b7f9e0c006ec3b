/**
 * Everything that can go wrong with a call, as one closed union.
 *
 * Three questions are answered for each of them: {@link isTransient}, whether the
 * same call may succeed later; {@link applied}, whether something was changed; and
 * {@link isConfiguration}, whether the whole location is concerned. {@link advice}
 * says what to do. All are schema classes: catch them by tag, encode them, send them
 * over RPC. None of them holds a token.
 *
 * The error describes the last attempt. `applied` takes the earlier ones into
 * account: it is `"unknown"` if the response to one of them was lost.
 */
import type { BadRequest, HighLevelError } from "./errorClasses.ts"
import { type Applied, isTransientStatus } from "./errorFields.ts"

export * from "./errorClasses.ts"

/** Whether the same call may succeed later, without anybody's help. The client has retried it already. */
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
 * Whether something was changed in HighLevel. Where it is `"unknown"`, send the
 * update again: it sets absolute values.
 */
export const applied = (error: HighLevelError): Applied => (error._tag === "InvalidRequest" ? "no" : error.applied)

/**
 * Whether the fault is in the token, its scope or the `Version`, and not in this
 * call: the other calls of the location fail alike until somebody acts.
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
  MissingToken: "No token was sent: look for a proxy that drops the Authorization header.",
  WrongLocation: "Use a token of this location.",
  WrongTokenType: "Use a token of the sub-account, not of its agency.",
  LocationInactive: "Ask the customer: the sub-account is paused.",
  VersionHeader: "Use another API version.",
  GatewayTimeout: "Try again later; the token is valid.",
  NotFound: "Do not repeat: there is no such conversation in the location."
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
  BadRequest: "Do not repeat. Most often the conversation is not in that location.",
  Unauthorized: "Look at the messages, then at the token.",
  Unprocessable: "Do not repeat. The messages name the fields.",
  UnexpectedStatus: "Do not repeat. The messages say why.",
  Unsuccessful: "Do not repeat. Ask HighLevel's support, with the trace id.",
  UnreadableResponse: "Count an update as done. Read the conversation if you need it.",
  UnexpectedBody: "Look at what is between you and HighLevel: a proxy, a login page. Then try again.",
  TransportFailure: "Try again later, with the same values.",
  RequestTimeout: "Try again later, with the same values.",
  ReconnectRequired: "Ask the customer to reconnect the location. Nothing else helps.",
  TokenUnavailable: "Read the messages: somebody has to act.",
  DailyLimitExceeded: "Try again when the limit resets.",
  RateLimiterUnavailable: "Try again when the store is back.",
  InvalidRequest: "Fix the calling code: the issues name the fields."
}

/** What to do about an error, in a sentence. */
export const advice = (error: HighLevelError): string => {
  const known = "reason" in error && error._tag !== "TokenUnavailable" ? byReason[error.reason] : undefined
  if (known !== undefined) return known
  if ("reason" in error && error.reason === "MissingScope") return missingScope(error.operation)
  if (error._tag === "UnexpectedStatus" || error._tag === "TokenUnavailable") {
    return isTransient(error) ? byTag.TransportFailure : byTag[error._tag]
  }
  return byTag[error._tag]
}
