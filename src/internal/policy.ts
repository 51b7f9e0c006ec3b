/**
 * From a call to its attempts: retry, then quota, then the attempt with its
 * timeout. Every update ends in its answer or in a named error.
 */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import type { Answer, ConversationUpdate } from "../ConversationUpdate.ts"
import type { ApiVersion } from "../HighLevelApi.ts"
import * as HighLevelError from "../HighLevelError.ts"
import type * as Quota from "../Quota.ts"
import type { Observation } from "../QuotaStore.ts"
import * as UpdateMetrics from "../UpdateMetrics.ts"
import type { Subject } from "./answer.ts"
import type { Attempted } from "./attempt.ts"
import * as Retry from "./retry.ts"

const number = (text: string | undefined) => {
  const value = text === undefined || text.trim() === "" ? Number.NaN : Number(text)
  return Number.isFinite(value) && value >= 0 ? value : undefined
}

// A limit or an interval of nothing would stop the bucket for good.
const positive = (text: string | undefined) => {
  const value = number(text)
  return value === 0 ? undefined : value
}

const observationOf = ({ response, result }: Attempted, retry: Retry.Policy, now: number): Observation => {
  if (response === undefined) {
    return { _tag: Result.isFailure(result) && result.failure._tag === "InvalidRequest" ? "Unused" : "Unknown" }
  }
  const { headers, status } = response
  return {
    _tag: "Answered",
    isAnswer: status < 500,
    isLimited: status === 429,
    max: positive(headers["x-ratelimit-max"]),
    remaining: number(headers["x-ratelimit-remaining"]),
    intervalMillis: positive(headers["x-ratelimit-interval-milliseconds"]),
    dailyRemaining: number(headers["x-ratelimit-daily-remaining"]),
    dailyResetMillis: number(headers["x-ratelimit-daily-reset"]),
    retryAfterMillis: Retry.retryAfterMillis(retry, headers, now)
  }
}

/** An event on the span of the update. */
const event = (name: string, attributes: Record<string, unknown>) =>
  Effect.flatMap(Effect.option(Effect.currentSpan), (span) =>
    Effect.map(Clock.currentTimeNanos, (now) => {
      if (span._tag === "Some") span.value.event(name, now, attributes)
    })
  )

const outcomeOf = (result: Result.Result<unknown, HighLevelError.UpdateError>) =>
  Result.isSuccess(result) ? "Applied" : result.failure._tag

/** How many requests were sent for an update so far; outlives a call that is timed out. */
export interface Progress {
  attempts: number
}

export const make = (options: {
  readonly app: string
  readonly quota: Quota.Service
  readonly retry: Retry.Policy
  readonly attemptTimeout: Duration.Duration
  readonly attempt: (update: ConversationUpdate, version: ApiVersion, subject: Subject) => Effect.Effect<Attempted>
}) => {
  const { app, attempt, attemptTimeout, quota, retry } = options
  const leaseMillis = Math.min(Duration.toMillis(attemptTimeout), 600_000)

  /** One attempt in its place of the quota, counted when it starts. */
  const inQuota = (update: ConversationUpdate, version: ApiVersion, progress: Progress) => {
    const { conversationId, locationId } = update
    return quota.use(
      { app, locationId },
      {
        leaseMillis,
        attempt: Effect.fnUntraced(function* (waitedMillis: number) {
          if (waitedMillis > 0) yield* event("quota.wait", { "highlevel.quota.wait_milliseconds": waitedMillis })
          yield* Metric.update(UpdateMetrics.quotaWait, waitedMillis)
          const subject = { conversationId, locationId, attempts: ++progress.attempts }
          const attempted = yield* Effect.timeoutOrElse(attempt(update, version, subject), {
            duration: attemptTimeout,
            orElse: (): Effect.Effect<Attempted> =>
              Effect.succeed({
                result: Result.fail(
                  new HighLevelError.RequestTimeout({
                    ...subject,
                    scope: "attempt",
                    timeoutMillis: Duration.toMillis(attemptTimeout)
                  })
                )
              })
          })
          const observation = observationOf(attempted, retry, yield* Clock.currentTimeMillis)
          if (observation._tag !== "Unused") {
            yield* Metric.update(
              Metric.withAttributes(UpdateMetrics.attempts, { outcome: outcomeOf(attempted.result) }),
              1
            )
          }
          if (observation._tag === "Answered" && observation.remaining !== undefined) {
            yield* Metric.update(
              Metric.withAttributes(UpdateMetrics.quotaRemaining, { location_id: locationId }),
              observation.remaining
            )
          }
          return { value: { attempted, observation }, observation }
        })
      }
    )
  }

  return Effect.fnUntraced(function* (
    update: ConversationUpdate,
    version: ApiVersion,
    progress: Progress
  ): Effect.fn.Return<Answer, HighLevelError.UpdateError> {
    const { conversationId, locationId } = update
    const spent = (resetsAtMillis: number) =>
      new HighLevelError.DailyQuotaExceeded({
        conversationId,
        locationId,
        ...progress,
        resetsAt: DateTime.makeUnsafe(resetsAtMillis)
      })
    let deadline: number | undefined
    while (true) {
      const { attempted, observation } = yield* inQuota(update, version, progress).pipe(
        Effect.catchTags({
          BudgetSpent: ({ resetsAtMillis }) => Effect.fail(spent(resetsAtMillis)),
          StoreUnavailable: ({ cause }) =>
            Effect.fail(new HighLevelError.QuotaUnavailable({ conversationId, locationId, ...progress, cause }))
        })
      )
      if (Result.isSuccess(attempted.result)) return attempted.result.success
      const error = attempted.result.failure
      const now = yield* Clock.currentTimeMillis
      deadline ??= now + retry.maxDurationMillis
      if (observation._tag === "Answered" && observation.isLimited && observation.dailyRemaining === 0) {
        return yield* spent(now + (observation.dailyResetMillis ?? observation.intervalMillis ?? 0))
      }
      if (!Retry.isTransient(error) || progress.attempts >= retry.maxAttempts) return yield* error
      const retryAfter = observation._tag === "Answered" ? observation.retryAfterMillis : undefined
      const delay = Retry.delayMillis(retry, progress.attempts, yield* Random.next, retryAfter)
      if (now + delay > deadline) return yield* error
      yield* event("retry", {
        "highlevel.retry.attempt": progress.attempts,
        "highlevel.retry.delay_milliseconds": delay,
        "highlevel.retry.error": error._tag
      })
      yield* Effect.sleep(delay)
    }
  })
}
