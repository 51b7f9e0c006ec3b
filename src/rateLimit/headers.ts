/** The rate-limit headers of a response: the only place where HighLevel tells its limits. */
import * as Duration from "effect/Duration"
import * as Result from "effect/Result"
import * as Headers from "effect/http/Headers"
import type { Responded } from "./RateLimitStore.ts"

// Thirty years in milliseconds: what is beyond is no limit, and no date can hold it.
const maximumNumber = 1e12

const number = (text: string | undefined) => {
  const value = text === undefined || text.trim() === "" ? Number.NaN : Number(text)
  return value >= 0 && value <= maximumNumber ? value : undefined
}

const retryAfterMillis = (text: string, now: number, maximum: number) =>
  Result.match(Headers.parseRetryAfter(text), {
    onFailure: () => undefined,
    onSuccess: (parsed) => Math.min(Duration.toMillis(Headers.retryAfterDelay(parsed, now)), maximum)
  })

/** What a response tells, its `Retry-After` within a maximum. */
export const read = (
  status: number,
  headers: Headers.Headers,
  now: number,
  maximumRetryAfterMillis: number
): Responded => ({
  _tag: "Responded",
  isHighLevel: status < 500,
  isLimited: status === 429,
  // A limit or an interval of nothing would stop the bucket for good.
  max: number(headers["x-ratelimit-max"]) || undefined,
  remaining: number(headers["x-ratelimit-remaining"]),
  intervalMillis: number(headers["x-ratelimit-interval-milliseconds"]) || undefined,
  dailyRemaining: number(headers["x-ratelimit-daily-remaining"]),
  dailyResetMillis: number(headers["x-ratelimit-daily-reset"]),
  retryAfterMillis:
    headers["retry-after"] === undefined
      ? undefined
      : retryAfterMillis(headers["retry-after"], now, maximumRetryAfterMillis)
})
