/** The rate-limit headers of a response: the only place where HighLevel tells its limits. */
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Metric from "effect/Metric"
import * as Result from "effect/Result"
import * as Headers from "effect/http/Headers"
import type { Responded } from "./RateLimitStore.ts"

/** Rate-limit headers that were ignored, by `header`: no integer, or beyond what HighLevel could mean. */
export const ignoredHeaders = Metric.counter("highlevel_ignored_headers", {
  description: "Rate-limit headers with values that cannot be right",
  incremental: true
})

const hour = 3_600_000

// The names, and the least and the most that is believed.
const max = ["x-ratelimit-max", 1, 1_000_000] as const
const remaining = ["x-ratelimit-remaining", 0, 1_000_000] as const
const interval = ["x-ratelimit-interval-milliseconds", 1, hour] as const
const dailyRemaining = ["x-ratelimit-daily-remaining", 0, 1_000_000] as const
const dailyReset = ["x-ratelimit-daily-reset", 1, 48 * hour] as const

const retryAfterMillis = (text: string, now: number, maximum: number) =>
  Result.match(Headers.parseRetryAfter(text), {
    onFailure: () => undefined,
    onSuccess: (parsed) => Math.min(Duration.toMillis(Headers.retryAfterDelay(parsed, now)), maximum)
  })

/** What a response tells, its `Retry-After` within a maximum. A response that is not HighLevel's tells no limits. */
export const read = (
  response: {
    readonly status: number
    readonly headers: Headers.Headers
    /** Whether the body is JSON, as HighLevel's are, or empty. */
    readonly isJson: boolean
  },
  now: number,
  maximumRetryAfterMillis: number,
  context: Context.Context<never>
): Responded => {
  const { headers, isJson, status } = response
  const number = ([name, least, most]: readonly [name: string, least: number, most: number]) => {
    const text = headers[name]
    if (text === undefined || !isJson) return undefined
    const value = text.trim() === "" ? Number.NaN : Number(text)
    if (Number.isInteger(value) && value >= least && value <= most) return value
    Metric.withAttributes(ignoredHeaders, { header: name }).updateUnsafe(1, context)
    return undefined
  }
  return {
    _tag: "Responded",
    isHighLevel: isJson && status < 500,
    isLimited: status === 429,
    max: number(max),
    remaining: number(remaining),
    intervalMillis: number(interval),
    dailyRemaining: number(dailyRemaining),
    dailyResetMillis: number(dailyReset),
    retryAfterMillis:
      headers["retry-after"] === undefined
        ? undefined
        : retryAfterMillis(headers["retry-after"], now, maximumRetryAfterMillis)
  }
}
