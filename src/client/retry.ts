/** From a call to its attempts: which are tried again, when, and what is returned. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as Predicate from "effect/Predicate"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import * as Bucket from "../rateLimit/bucket.ts"
import * as Monotonic from "../rateLimit/monotonic.ts"
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
const delayMillis = (
  policy: Policy,
  failures: number,
  random: number,
  retryAfterMillis: number | undefined
): number => {
  const exponential = Math.min(policy.maxDelayMillis, policy.baseDelayMillis * 2 ** (failures - 1))
  return Math.max(Math.round(exponential * (0.5 + random / 2)), retryAfterMillis ?? 0)
}

/** What a call returned, and how many requests it took. */
export interface Executed<A> {
  readonly output: A
  readonly attempts: number
}

/** A refused token is renewed, so that the attempt can be made again at once. */
const renewed = Effect.fnUntraced(function* <A, E extends Attempt.Tagged>(
  { accessToken }: Attempt.Policies,
  call: Attempt.Call<A, E>,
  progress: Attempt.Progress,
  tried: Attempt.Tried<A, E>,
  waiting: Attempt.Interruptibility
): Effect.fn.Return<Attempt.Tried<A, E>> {
  if (accessToken.renew === undefined || tried.token === undefined) return { ...tried, next: "end" }
  const renewal = Attempt.fromSource(call, progress, accessToken.renew(call.locationId, tried.token))
  const result = yield* Effect.result(waiting(renewal))
  yield* Attempt.event("token.renew", { "highlevel.token.renewed": Result.isSuccess(result) && result.success })
  if (Result.isSuccess(result)) return { ...tried, next: result.success ? "again" : "end" }
  const next = Attempt.isUnreachable(result.failure) ? "retry" : "end"
  return { ...tried, result: Result.fail(result.failure), next }
})

/** Whether something may have been changed by an attempt that did not succeed. */
const mayBeApplied = (
  { isWrite }: Attempt.Call<unknown, Attempt.Tagged>,
  { observation, result }: Attempt.Tried<unknown, Attempt.Tagged>
) =>
  Result.isFailure(result) && Predicate.hasProperty(result.failure, "applied")
    ? result.failure.applied === "unknown"
    : observation._tag === "Unknown" && isWrite

/** Makes attempts until one of them ends the call. */
export const run = <A, E extends Attempt.Tagged>(
  policies: Attempt.Policies,
  policy: Policy,
  call: Attempt.Call<A, E>
): Effect.Effect<Executed<A>, E | Attempt.CallError> =>
  Effect.uninterruptibleMask((restore) => untilOneEnds(policies, policy, call, restore))

const untilOneEnds = Effect.fnUntraced(function* <A, E extends Attempt.Tagged>(
  policies: Attempt.Policies,
  policy: Policy,
  call: Attempt.Call<A, E>,
  restore: Attempt.Interruptibility
): Effect.fn.Return<Executed<A>, E | Attempt.CallError> {
  const { conversationId, finishInFlight, locationId, operation } = call
  // A wait can always be interrupted; a request in flight can, unless it is to finish.
  const waiting = finishInFlight ? Effect.interruptible : restore
  const inFlight = finishInFlight ? identity : restore
  const ids = conversationId === undefined ? { locationId } : { locationId, conversationId }
  const clock = yield* Clock.Clock
  const endsAt = Monotonic.millis(clock) + call.timeoutMillis
  let retryEndsAt = Infinity
  let attempts = 0
  let failures = 0
  let applied: "no" | "unknown" = "no"
  let isRenewed = false
  let cause: Attempt.Tagged | undefined
  while (true) {
    const progress = { subject: { operation, ...ids, attempts, applied }, cause, endsAt }
    let tried = yield* Attempt.make(policies, call, progress, waiting, inFlight)
    if (tried.token !== undefined) attempts++
    if (tried.next === "renew token") {
      const subject = { ...progress.subject, attempts }
      tried = isRenewed
        ? { ...tried, next: "end" }
        : yield* renewed(policies, call, { ...progress, subject }, tried, waiting)
      isRenewed = tried.next !== "retry"
      if (tried.next === "again") continue
    }
    const { observation, result } = tried
    if (tried.next === "end") return { output: yield* Effect.fromResult(result), attempts }

    if (mayBeApplied(call, tried)) applied = "unknown"
    const now = Monotonic.millis(clock)
    const responded = observation._tag === "Responded" ? observation : undefined
    const isLimited = responded?.isLimited === true
    if (isLimited && responded.dailyRemaining === 0) {
      const resetsAt = clock.currentTimeMillisUnsafe() + Bucket.dailyResetMillis(responded)
      return yield* Attempt.dailyLimitExceeded({ operation, ...ids, attempts, applied }, resetsAt)
    }
    const isAllowed =
      (call.isRepeatable || isLimited || observation._tag === "Unused") && ++failures < policy.maxAttempts
    retryEndsAt = Math.min(retryEndsAt, now + policy.maxDurationMillis)
    const delay = delayMillis(policy, failures, yield* Random.next, responded?.retryAfterMillis)
    if (!isAllowed || now + delay > Math.min(retryEndsAt, endsAt)) {
      return { output: yield* Effect.fromResult(result), attempts }
    }
    cause = Result.isFailure(result) ? result.failure : undefined
    yield* Attempt.event("retry", {
      "highlevel.retry.attempt": attempts,
      "highlevel.retry.delay_milliseconds": delay,
      "highlevel.retry.error": cause?._tag
    })
    yield* waiting(Effect.sleep(delay))
  }
})
