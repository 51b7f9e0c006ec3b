/**
 * What a client counts, as Effect metrics: read them with `Metric.snapshot`, or
 * export them with `effect/observability`.
 *
 * @since 0.1.0
 */
import * as Metric from "effect/Metric"

/**
 * Updates by `outcome`: `Applied`, or the tag of the error.
 *
 * @category metrics
 * @since 0.1.0
 */
export const updates = Metric.counter("highlevel_updates", {
  description: "Updates of conversations, by outcome",
  incremental: true
})

/**
 * Requests sent, by `outcome`.
 *
 * @category metrics
 * @since 0.1.0
 */
export const attempts = Metric.counter("highlevel_update_attempts", {
  description: "Requests sent to HighLevel, by outcome",
  incremental: true
})

/**
 * How long attempts waited for their place in the quota, in milliseconds.
 *
 * @category metrics
 * @since 0.1.0
 */
export const quotaWait = Metric.histogram("highlevel_quota_wait_milliseconds", {
  description: "Time that requests waited for the quota",
  boundaries: [1, 10, 100, 1_000, 10_000, 60_000, 600_000]
})

/**
 * What HighLevel said is left of the current interval, by `location_id`.
 *
 * @category metrics
 * @since 0.1.0
 */
export const quotaRemaining = Metric.gauge("highlevel_quota_remaining", {
  description: "Requests left in the interval, by location"
})
