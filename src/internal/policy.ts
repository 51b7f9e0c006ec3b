/**
 * From a call to its attempts: retry, then quota, then the attempt with its
 * timeout. Every update ends in its answer or in a named error.
 */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as Random from "effect/Random"
import type * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type * as AccessToken from "../AccessToken.ts"
import type { Answer, ConversationUpdate } from "../ConversationUpdate.ts"
import * as HighLevelError from "../HighLevelError.ts"
import type * as Quota from "../Quota.ts"
import type { Observation } from "../QuotaStore.ts"
import * as UpdateMetrics from "../UpdateMetrics.ts"
import type { Subject } from "./answer.ts"
import type { Attempted } from "./attempt.ts"
import type { Course } from "./course.ts"
import type { ApiVersion } from "./operation.ts"
import * as Deadline from "./deadline.ts"
import * as Retry from "./retry.ts"
import * as Series from "./series.ts"

const number = (text: string | undefined) => {
  const value = text === undefined || text.trim() === "" ? Number.NaN : Number(text)
  return Number.isFinite(value) && value >= 0 ? value : undefined
}

// A limit or an interval of nothing would stop the bucket for good.
const positive = (text: string | undefined) => {
  const value = number(text)
  return value === 0 ? undefined : value
}

const wasNotSent = ({ _tag }: HighLevelError.UpdateError) =>
  _tag === "InvalidRequest" || _tag === "ReconnectRequired" || _tag === "TokenUnavailable"

const observationOf = ({ response, result }: Attempted, retry: Retry.Policy, now: number): Observation => {
  if (response === undefined) {
    return { _tag: Result.isFailure(result) && wasNotSent(result.failure) ? "Unused" : "Unknown" }
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

// No other 401 is cured by another token.
const isRefusedToken = (error: HighLevelError.UpdateError) =>
  error._tag === "Unauthorized" && error.reason === "InvalidToken"

const outcomeOf = (result: Result.Result<unknown, HighLevelError.UpdateError>) =>
  Result.isSuccess(result) ? "Applied" : result.failure._tag

/** The error of an update for which there is no token. */
const withoutToken = (
  subject: Subject,
  { cause, error, messages, reason, status, traceId }: AccessToken.AccessTokenError
) => {
  const said = {
    ...subject,
    messages,
    ...(status === undefined ? {} : { status }),
    ...(error === undefined ? {} : { error }),
    ...(traceId === undefined ? {} : { traceId })
  }
  return reason === "ReconnectRequired"
    ? new HighLevelError.ReconnectRequired(said)
    : new HighLevelError.TokenUnavailable({ ...said, reason, ...(cause === undefined ? {} : { cause }) })
}

/** An attempt, the token it was made with, and what its answer told the quota. */
interface Observed {
  readonly attempted: Attempted
  readonly observation: Observation
  readonly token?: Redacted.Redacted
}

/** The same, as the quota takes it. */
interface Placed {
  readonly value: Observed
  readonly observation: Observation
}

export const make = (options: {
  readonly app: string
  readonly accessToken: AccessToken.Service
  readonly quota: Quota.Service
  readonly retry: Retry.Policy
  readonly attemptTimeout: Duration.Duration
  readonly attempt: (
    update: ConversationUpdate,
    version: ApiVersion,
    subject: Subject,
    token: Redacted.Redacted
  ) => Effect.Effect<Attempted>
}) => {
  const { accessToken, app, attempt, attemptTimeout, quota, retry } = options
  const countAttempt = Series.by(UpdateMetrics.attempts, "outcome")
  const countRemaining = Series.by(UpdateMetrics.quotaRemaining, "location_id")
  const timeoutMillis = Duration.toMillis(attemptTimeout)
  const leaseMillis = Math.min(timeoutMillis, 600_000)

  /** One attempt in its place of the quota, counted when it starts. */
  const inQuota = (
    update: ConversationUpdate,
    version: ApiVersion,
    progress: Course,
    // Around what begins with the request, so not around the wait for a token.
    around: (effect: Effect.Effect<Placed>) => Effect.Effect<Placed> = identity
  ) => {
    const { conversationId, locationId } = update

    const send = (token: Redacted.Redacted): Effect.Effect<Placed> => {
      const subject = { conversationId, locationId, attempts: ++progress.attempts }
      const late = (): Attempted => ({
        result: Result.fail(new HighLevelError.RequestTimeout({ ...subject, scope: "attempt", timeoutMillis }))
      })
      const timed = Deadline.within(attempt(update, version, subject, token), timeoutMillis, late)
      return Effect.flatMap(timed, (attempted) =>
        Effect.withFiber((fiber) => {
          const now = fiber.getRef(Clock.Clock).currentTimeMillisUnsafe()
          const observation = observationOf(attempted, retry, now)
          if (observation._tag !== "Unused") countAttempt(outcomeOf(attempted.result), 1, fiber.context)
          if (observation._tag === "Answered" && observation.remaining !== undefined) {
            countRemaining(locationId, observation.remaining, fiber.context)
          }
          return Effect.succeed({ value: { attempted, observation, token }, observation })
        })
      )
    }

    const withToken = (token: Result.Result<Redacted.Redacted, AccessToken.AccessTokenError>) => {
      if (Result.isSuccess(token)) return around(Effect.suspend(() => send(token.success)))
      const attempted = {
        result: Result.fail(withoutToken({ conversationId, locationId, ...progress }, token.failure))
      }
      const observation = { _tag: "Unused" } as const
      return Effect.succeed<Placed>({ value: { attempted, observation }, observation })
    }

    return quota.use(
      { app, locationId },
      {
        leaseMillis,
        attempt: (waitedMillis) =>
          Effect.withFiber((fiber) => {
            UpdateMetrics.quotaWait.updateUnsafe(waitedMillis, fiber.context)
            const placed = Effect.flatMap(Effect.result(accessToken.get(locationId)), withToken)
            return waitedMillis > 0
              ? Effect.andThen(event("quota.wait", { "highlevel.quota.wait_milliseconds": waitedMillis }), placed)
              : placed
          })
      }
    )
  }

  /** The same, of a job that stops: its waits end at once, and what was sent comes to its end. */
  const inQuotaToItsEnd = (update: ConversationUpdate, version: ApiVersion, progress: Course) => {
    let observed: Observed | undefined
    const landed = (effect: Effect.Effect<Placed>) =>
      Effect.uninterruptible(
        Effect.tap(effect, ({ value }) =>
          Effect.sync(() => {
            observed = value
          })
        )
      )
    return inQuota(update, version, progress, landed).pipe(
      Effect.interruptible,
      Effect.exit,
      Effect.flatMap((exit) => (observed === undefined ? exit : Effect.succeed(observed)))
    )
  }

  return Effect.fnUntraced(function* (
    update: ConversationUpdate,
    version: ApiVersion,
    // How many requests were sent so far; outlives a call that is timed out.
    progress: Course,
    toItsEnd: boolean
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
    let failures = 0
    let isRenewed = false
    while (true) {
      const inPlace = toItsEnd ? inQuotaToItsEnd : inQuota
      const { attempted, observation, token } = yield* Effect.mapError(inPlace(update, version, progress), (error) =>
        error._tag === "BudgetSpent"
          ? spent(error.resetsAtMillis)
          : new HighLevelError.QuotaUnavailable({ conversationId, locationId, ...progress, cause: error.cause })
      )
      if (Result.isSuccess(attempted.result)) return attempted.result.success
      let error = attempted.result.failure
      if (isRefusedToken(error) && token !== undefined && accessToken.renew !== undefined && !isRenewed) {
        const renewal = accessToken.renew(locationId, token)
        const renewed = yield* Effect.result(toItsEnd ? Effect.interruptible(renewal) : renewal)
        isRenewed = Result.isSuccess(renewed)
        yield* event("token.renew", { "highlevel.token.renewed": Result.isSuccess(renewed) && renewed.success })
        if (Result.isSuccess(renewed) && renewed.success) continue
        if (Result.isFailure(renewed)) {
          error = withoutToken({ conversationId, locationId, ...progress }, renewed.failure)
        }
      }
      const now = yield* Clock.currentTimeMillis
      failures++
      deadline ??= now + retry.maxDurationMillis
      if (observation._tag === "Answered" && observation.isLimited && observation.dailyRemaining === 0) {
        return yield* spent(now + (observation.dailyResetMillis ?? observation.intervalMillis ?? 0))
      }
      if (!Retry.isTransient(error) || failures >= retry.maxAttempts) return yield* error
      const retryAfter = observation._tag === "Answered" ? observation.retryAfterMillis : undefined
      const delay = Retry.delayMillis(retry, failures, yield* Random.next, retryAfter)
      if (now + delay > deadline) return yield* error
      yield* event("retry", {
        "highlevel.retry.attempt": progress.attempts,
        "highlevel.retry.delay_milliseconds": delay,
        "highlevel.retry.error": error._tag
      })
      yield* toItsEnd ? Effect.interruptible(Effect.sleep(delay)) : Effect.sleep(delay)
    }
  })
}
