/** The rate-limit headers of a response: the only place where HighLevel tells its limits. */
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Metric from "effect/Metric"
import * as Result from "effect/Result"
import * as Headers from "effect/http/Headers"
import type { Responded } from "./RateLimitStore.ts"

/** Rate-limit headers that were ignored, by `header`: not an integer, or out of bounds. */
export const ignoredHeaders = Metric.counter("highlevel_ignored_headers", {
  description: "Rate-limit headers that were ignored, because they hold no integer within bounds",
  incremental: true
})

// Labelled once for each header: labelling costs more than counting.
const labelled = new Map<string, Metric.Counter<number>>()

const ignored = (header: string, context: Context.Context<never>) => {
  const counter = labelled.get(header) ?? Metric.withAttributes(ignoredHeaders, { header })
  labelled.set(header, counter)
  counter.updateUnsafe(1, context)
}

// Far beyond what HighLevel documents, and a wait of a location that still ends.
const maximumCount = 1_000_000
const maximumIntervalMillis = 60 * 60 * 1000
const maximumResetMillis = 48 * 60 * 60 * 1000

/** What a response tells, its `Retry-After` within a maximum. A page of a gateway tells no limits. */
export const read = (
  status: number,
  headers: Headers.Headers,
  now: number,
  maximumRetryAfterMillis: number,
  isJson: boolean,
  context: Context.Context<never>
): Responded => {
  const integer = (header: string, minimum: number, maximum: number) => {
    const text = headers[header]
    if (text === undefined) return undefined
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
    if (value >= minimum && value <= maximum) return value
    ignored(header, context)
    return undefined
  }
  const retryAfter = (header: string) => {
    const text = headers[header]
    if (text === undefined) return undefined
    const parsed = Headers.parseRetryAfter(text)
    if (Result.isSuccess(parsed)) {
      return Math.min(Duration.toMillis(Headers.retryAfterDelay(parsed.success, now)), maximumRetryAfterMillis)
    }
    ignored(header, context)
    return undefined
  }
  const told = { _tag: "Responded", isLimited: status === 429, retryAfterMillis: retryAfter("retry-after") } as const
  if (!isJson) return { ...told, isHighLevel: false }
  return {
    ...told,
    isHighLevel: status < 500,
    max: integer("x-ratelimit-max", 1, maximumCount),
    remaining: integer("x-ratelimit-remaining", 0, maximumCount),
    intervalMillis: integer("x-ratelimit-interval-milliseconds", 1, maximumIntervalMillis),
    dailyRemaining: integer("x-ratelimit-daily-remaining", 0, maximumCount),
    dailyResetMillis: integer("x-ratelimit-daily-reset", 1, maximumResetMillis)
  }
}
