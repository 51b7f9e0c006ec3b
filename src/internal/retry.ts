/** Which failures are tried again, and when. */
import * as Duration from "effect/Duration"
import * as Result from "effect/Result"
import * as Headers from "effect/http/Headers"
import type * as HighLevelError from "../HighLevelError.ts"

export interface Policy {
  readonly maxAttempts: number
  readonly baseDelayMillis: number
  readonly maxDelayMillis: number
  readonly maxRetryAfterMillis: number
  readonly maxDurationMillis: number
}

const transientStatuses = new Set([408, 429, 500, 502, 503, 504])

/**
 * Whether repeating may help. The call sets absolute values, so that an update
 * that was applied unseen may be repeated too.
 */
export const isTransient = (error: HighLevelError.UpdateError): boolean => {
  switch (error._tag) {
    case "TransportFailure":
    case "RequestTimeout":
      return true
    case "TokenUnavailable":
      return error.reason === "Unreachable"
    case "UnexpectedStatus":
      // A sibling operation answers 500 for a conversation that is not there.
      return (
        transientStatuses.has(error.status) &&
        !(error.status === 500 && error.messages.some((message) => /not found/i.test(message)))
      )
    default:
      return false
  }
}

/** The `Retry-After` of an answer, in milliseconds from now, within the cap. */
export const retryAfterMillis = (
  { maxRetryAfterMillis }: Policy,
  headers: Headers.Headers,
  now: number
): number | undefined => {
  const value = headers["retry-after"]
  if (value === undefined) return undefined
  const parsed = Headers.parseRetryAfter(value)
  if (Result.isFailure(parsed)) return undefined
  return Math.min(Duration.toMillis(Headers.retryAfterDelay(parsed.success, now)), maxRetryAfterMillis)
}

/**
 * How long to wait after the attempt of that number: between half of and the
 * whole exponential delay, and at least what the server asked for.
 */
export const delayMillis = (
  policy: Policy,
  attempt: number,
  random: number,
  retryAfterMillis: number | undefined
): number => {
  const exponential = Math.min(policy.maxDelayMillis, policy.baseDelayMillis * 2 ** (attempt - 1))
  return Math.max(exponential * (0.5 + random / 2), retryAfterMillis ?? 0)
}
