/** From a call to its attempts: which are tried again, when, and what is returned. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as Predicate from "effect/Predicate"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import * as Attempt from "./attempt.ts"

/** How often and how long. */
export interface Policy {
  readonly maxAttempts: number
  readonly baseDelayMillis: number
  readonly maxDelayMillis: number
  readonly maxRetryAfterMillis: number
  readonly maxDurationMillis: number
}

/**
 * How long to wait after the failure of that number: between half of and the whole
 * exponential delay, and at least what the server asked for.
 */
export const delayMillis = (
  policy: Policy,
  failures: number,
  random: number,
  retryAfterMillis: number | undefined
): number => {
  const exponential = Math.min(policy.maxDelayMillis, policy.baseDelayMillis * 2 ** (failures - 1))
  return Math.max(exponential * (0.5 + random / 2), retryAfterMillis ?? 0)
}

/** What a call returned, and how many requests it took. */
export interface Executed<A> {
  readonly output: A
  readonly attempts: number
}

/** A refused token is renewed, so that the attempt can be made again at once. */
const renewed = <A, E>(
  { accessToken }: Attempt.Policies,
  call: Attempt.Call<A, E>,
  progress: Attempt.Progress,
  tried: Attempt.Tried<A, E>,
  waiting: Attempt.Interruptibility
) =>
  Effect.gen(function* (): Effect.fn.Return<Attempt.Tried<A, E>> {
    if (accessToken.renew === undefined || tried.token === undefined || progress.isRenewed) {
      return { ...tried, next: "end" }
    }
    const renewal = accessToken.renew(call.locationId, tried.token)
    const result = yield* Effect.result(
      waiting(Attempt.ofToken(call, progress, yield* Clock.currentTimeMillis, renewal))
    )
    yield* Attempt.event("token.renew", { "highlevel.token.renewed": Result.isSuccess(result) && result.success })
    if (Result.isSuccess(result)) return { ...tried, next: result.success ? "again" : "end" }
    return {
      ...tried,
      result: Result.fail(result.failure),
      next: Attempt.isUnreachable(result.failure) ? "retry" : "end"
    }
  })

/** Whether something may have been changed by an attempt that did not succeed. */
const mayBeApplied = (
  { unknownApplied }: Attempt.Call<unknown, unknown>,
  { observation, result }: Attempt.Tried<unknown, unknown>
) =>
  Result.isFailure(result) && Predicate.hasProperty(result.failure, "applied")
    ? result.failure.applied === "unknown"
    : observation._tag === "Unknown" && unknownApplied === "unknown"

export const run = <A, E>(
  policies: Attempt.Policies,
  policy: Policy,
  call: Attempt.Call<A, E>
): Effect.Effect<Executed<A>, E | Attempt.CallError> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const { conversationId, locationId, operation } = call
      const { maxAttempts, maxDurationMillis } = policy
      // A wait can always be interrupted; a request in flight can, unless it is to finish.
      const waiting = call.finishInFlight ? Effect.interruptible : restore
      const inFlight = call.finishInFlight ? identity : restore
      const ids = conversationId === undefined ? { locationId } : { locationId, conversationId }
      let progress: Attempt.Progress = {
        subject: { operation, ...ids, attempts: 0, applied: "no" },
        cause: undefined,
        endsAt: (yield* Clock.currentTimeMillis) + call.timeoutMillis,
        isRenewed: false
      }
      let failures = 0
      let retryEndsAt = Infinity
      while (true) {
        let tried = yield* Attempt.make(policies, call, progress, waiting, inFlight)
        const attempts = progress.subject.attempts + (tried.token === undefined ? 0 : 1)
        if (tried.next !== "end") {
          const applied = mayBeApplied(call, tried) ? "unknown" : progress.subject.applied
          progress = { ...progress, subject: { ...progress.subject, attempts, applied } }
        }
        if (tried.next === "renew token") {
          tried = yield* renewed(policies, call, progress, tried, waiting)
          progress = { ...progress, isRenewed: tried.next !== "retry" }
          if (tried.next === "again") continue
        }
        const { observation, result } = tried
        const ended = Effect.map(Effect.fromResult(result), (output) => ({ output, attempts }))
        if (tried.next === "end") return yield* ended

        const now = yield* Clock.currentTimeMillis
        const responded = observation._tag === "Responded" ? observation : undefined
        const isLimited = responded?.isLimited === true
        if (isLimited && responded.dailyRemaining === 0) {
          const reset = responded.dailyResetMillis ?? responded.intervalMillis ?? 0
          return yield* Attempt.dailyLimitExceeded(progress.subject, now + reset)
        }
        if (!call.isRepeatable && !isLimited && observation._tag !== "Unused") return yield* ended
        if (++failures >= maxAttempts) return yield* ended
        retryEndsAt = Math.min(retryEndsAt, now + maxDurationMillis)
        const delay = delayMillis(policy, failures, yield* Random.next, responded?.retryAfterMillis)
        if (now + delay > Math.min(retryEndsAt, progress.endsAt)) return yield* ended
        yield* Attempt.event("retry", {
          "highlevel.retry.attempt": attempts,
          "highlevel.retry.delay_milliseconds": delay,
          "highlevel.retry.error": Attempt.outcomeOf(result)
        })
        progress = { ...progress, cause: Result.isFailure(result) ? result.failure : undefined }
        yield* waiting(Effect.sleep(delay))
      }
    })
  )
