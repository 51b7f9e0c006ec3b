/** Parses the rate-limit headers of a response, the only place where HighLevel reports its limits. */
import type * as Context from "effect/Context"
import * as Metric from "effect/Metric"
import type * as Headers from "effect/http/Headers"
import type { Responded } from "./RateLimitStore.ts"

const counting = {
  description: "Rate-limit headers that were ignored, because they hold no integer within bounds",
  incremental: true
} as const

/** Counts ignored rate-limit headers, by `header`: not an integer, or out of bounds. */
export const ignoredHeaders = Metric.counter("highlevel_ignored_headers", counting)

// Cached by header: making a counter costs more than counting, and Effect's withAttributes even more.
const labelled = new Map<string, Metric.Counter<number>>()

const ignored = (header: string, context: Context.Context<never>) => {
  const counter = labelled.get(header) ?? Metric.counter(ignoredHeaders.id, { ...counting, attributes: { header } })
  labelled.set(header, counter)
  counter.updateUnsafe(1, context)
}

// Far beyond the documented limits, but still a wait that ends.
const maximumCount = 1_000_000
const maximumIntervalMillis = 60 * 60 * 1000
const maximumResetMillis = 48 * 60 * 60 * 1000

// The three date formats of HTTP. The last one has no zone.
const httpDate = /^(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,? [\w -]+ \d\d:\d\d:\d\d (?:(gmt)|\d{4})$/i

/** Parses seconds or a date; NaN for anything else. Effect's parser would add 0.5 kB to a bundle. */
const retryAfterMillis = (text: string, now: number): number => {
  if (/^\d+$/.test(text)) return Number(text) * 1000
  const [date, zone] = httpDate.exec(text) ?? []
  return Math.max(0, date === undefined ? Number.NaN : Date.parse(zone === undefined ? `${date} GMT` : date) - now)
}

/** The limits that a response reports, with its `Retry-After` capped. A gateway's page reports none. */
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
    const millis = retryAfterMillis(text.trim(), now)
    if (!Number.isNaN(millis)) return Math.min(millis, maximumRetryAfterMillis)
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

/** The observation of a response that was cut off after its head: the request has ended. */
export const cutOff = (status: number): Responded => ({
  _tag: "Responded",
  isHighLevel: false,
  isLimited: status === 429
})
