/** Exit codes, after sysexits.h, so that a script can tell what to do next. */
import * as HighLevelError from "../client/HighLevelError.ts"

/** Applied. */
export const done = 0
/** Usage, invalid input, no token, a wrong API version. */
export const usage = 64
/** Refused by HighLevel: do not retry. */
export const refused = 65
/** Anything else. */
export const failed = 70
/** Temporary: a retry may succeed. */
export const temporary = 75
/** Unauthorized: the token, its scope or its location. */
export const unauthorized = 77
/** Interrupted. */
export const interrupted = 130

// In order of precedence for jobs with several outcomes.
const severity = [done, usage, refused, failed, temporary, unauthorized, interrupted]

export const worst = (one: number, other: number): number =>
  severity.indexOf(one) >= severity.indexOf(other) ? one : other

export const fromError = (error: HighLevelError.HighLevelError | HighLevelError.InvalidOptions): number => {
  if (error._tag === "InvalidOptions" || error._tag === "InvalidRequest") return usage
  if (HighLevelError.applied(error) === "yes") return done
  if (HighLevelError.isTransient(error)) return temporary
  if ("reason" in error && error.reason === "VersionHeader") return usage
  if (HighLevelError.isConfiguration(error)) return unauthorized
  if (error._tag === "UnexpectedStatus") return error.status === 404 || error.reason === "NotFound" ? refused : failed
  return error._tag === "UnreadableResponse" ? failed : refused
}
