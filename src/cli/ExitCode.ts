/** Exit codes, after sysexits.h, so that a script can tell what to do next. */
import type * as HighLevelError from "../HighLevelError.ts"

/** The update was applied. */
export const done = 0
/** Usage, invalid input, no token: nothing was sent. */
export const usage = 64
/** Refused by the API: repeating does not help. */
export const refused = 65
/** Anything else. */
export const failed = 70
/** Temporary: repeating may help. */
export const temporary = 75
/** Unauthorized: the token, its scope or its location. */
export const unauthorized = 77
/** Interrupted. */
export const interrupted = 130

// Of many outcomes, the one that calls for somebody's attention first.
const severity = [done, usage, refused, failed, temporary, unauthorized, interrupted]

export const worst = (one: number, other: number): number =>
  severity.indexOf(one) >= severity.indexOf(other) ? one : other

const fromUnexpectedStatus = ({ messages, status }: HighLevelError.UnexpectedStatus) => {
  if (status === 403) return unauthorized
  if (status === 404) return refused
  // A sibling operation was seen to answer 500 for a conversation that is not there.
  if (status === 500 && messages.some((message) => /not found/i.test(message))) return refused
  if (status === 408 || status === 429 || status >= 500) return temporary
  return failed
}

export const fromError = (error: HighLevelError.UpdateError | HighLevelError.InvalidOptions): number => {
  switch (error._tag) {
    case "AppliedUnreadable":
      return done
    case "InvalidRequest":
    case "InvalidOptions":
      return usage
    case "BadRequest":
    case "Unprocessable":
    case "Unsuccessful":
      return refused
    case "Unauthorized":
    case "ReconnectRequired":
      return unauthorized
    case "TokenUnavailable":
      return error.reason === "Unreachable" ? temporary : unauthorized
    case "TransportFailure":
    case "RequestTimeout":
    case "DailyQuotaExceeded":
    case "QuotaUnavailable":
      return temporary
    case "UnexpectedStatus":
      return fromUnexpectedStatus(error)
  }
}
