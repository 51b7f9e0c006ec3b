/**
 * The metrics of a client. Read them with `Metric.snapshot`, or export them with
 * `effect/observability`.
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"

/** Calls, by `operation` and `outcome`: `Success`, or the tag of the error. */
export const calls = Metric.counter("highlevel_calls", {
  description: "Calls of operations, by outcome",
  incremental: true
})

/** Requests sent, by `operation` and `outcome`. */
export const attempts = Metric.counter("highlevel_attempts", {
  description: "Requests sent to HighLevel, by outcome",
  incremental: true
})

export { ignoredHeaders } from "../rateLimit/headers.ts"

/** How long requests waited for the rate limit, in milliseconds. */
export const rateLimitWait = Metric.histogram("highlevel_rate_limit_wait_milliseconds", {
  description: "Time that requests waited for the rate limit",
  boundaries: [1, 10, 100, 1_000, 10_000, 60_000, 600_000]
})

const labelled = new Map<string, Metric.Counter<number>>()

/**
 * Increments a counter. Labelled counters are cached: making one costs more than counting.
 *
 * @internal
 */
export const count = (
  { description, id }: Metric.Counter<number>,
  operation: string,
  outcome: string,
  context: Context.Context<never>
): void => {
  const key = `${id} ${operation} ${outcome}`
  const counter =
    labelled.get(key) ?? Metric.counter(id, { description, incremental: true, attributes: { operation, outcome } })
  labelled.set(key, counter)
  counter.updateUnsafe(1, context)
}

/**
 * Counts a call by its outcome. Interrupted calls are not counted.
 *
 * @internal
 */
export const counted = <A, E extends { readonly _tag: string }>(
  call: Effect.Effect<A, E>,
  operation: string,
  context: Context.Context<never>
): Effect.Effect<A, E> =>
  Effect.onExit(call, (exit) => {
    const outcome = Exit.isSuccess(exit) ? "Success" : Option.getOrUndefined(Exit.findErrorOption(exit))?._tag
    if (outcome !== undefined) count(calls, operation, outcome, context)
    return Effect.void
  })
