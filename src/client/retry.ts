/** Makes the attempts of a call: decides which failures to retry, and when. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as Predicate from "effect/Predicate"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import * as Bucket from "../rateLimit/bucket.ts"
import * as Monotonic from "../rateLimit/monotonic.ts"
import type { Permit } from "../rateLimit/RateLimitStore.ts"
import * as Attempt from "./attempt.ts"

/** The limits of retries. */
export interface Policy {
  readonly maxAttempts: number
  readonly baseDelayMillis: number
  readonly maxDelayMillis: number
  readonly maxRetryAfterMillis: number
  readonly maxDurationMillis: number
}

/**
 * The delay after the given number of failures: between half and all of the exponential
 * delay, and at least what the server asked for.
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

/** The output of a call, and the number of requests it took. */
export interface Executed<A> {
  readonly output: A
  readonly attempts: number
}

/** Renews a rejected token, so that the attempt can be retried at once. */
const renewed = Effect.fnUntraced(function* <A, E extends Attempt.Tagged>(
  running: Attempt.Running<A, E>,
  progress: Attempt.Progress,
  tried: Attempt.Tried<A, E>
): Effect.fn.Return<Attempt.Tried<A, E>> {
  const { call, policies, waiting } = running
  const { accessToken } = policies
  if (accessToken.renew === undefined || tried.token === undefined) return { ...tried, next: "end" }
  const renewal = Attempt.fromSource(
    running,
    { ...progress, subject: tried.subject },
    accessToken.renew(call.subject.locationId, tried.token)
  )
  const result = yield* Effect.catch(Effect.map(waiting(renewal), Result.succeed), (error) =>
    Effect.succeed(Result.fail(error))
  )
  yield* Attempt.event("token.renew", { "highlevel.token.renewed": Result.isSuccess(result) && result.success })
  if (Result.isSuccess(result)) return { ...tried, next: result.success ? "again" : "end" }
  const next = Attempt.isUnreachable(result.failure) ? "retry" : "end"
  return { ...tried, result: Result.fail(result.failure), next }
})

/** Whether failed attempts may have changed something. */
const mayBeApplied = (
  { isWrite }: Attempt.Call<unknown, Attempt.Tagged>,
  { observation, result }: Attempt.Tried<unknown, Attempt.Tagged>
) =>
  Result.isFailure(result) && Predicate.hasProperty(result.failure, "applied")
    ? result.failure.applied === "unknown"
    : observation._tag === "Unknown" && isWrite

/** Makes attempts until one ends the call. */
export const run = <A, E extends Attempt.Tagged>(
  context: Context.Context<never>,
  policies: Attempt.Policies,
  policy: Policy,
  call: Attempt.Call<A, E>
): Effect.Effect<Executed<A>, E | Attempt.CallError> =>
  Effect.uninterruptibleMask((restore) => {
    const { finishInFlight, subject, timeoutMillis } = call
    const askedAt = Monotonic.millis(Context.get(context, Clock.Clock))
    const running: Attempt.Running<A, E> = {
      policies,
      call,
      context,
      endsAt: askedAt + timeoutMillis,
      // A wait can always be interrupted; a request in flight only without `finishInFlight`.
      waiting: finishInFlight ? Effect.interruptible : restore,
      inFlight: finishInFlight ? identity : restore
    }
    const first: Attempt.Progress = { subject, cause: undefined, askedAt }
    return Attempt.withPermit(running, first, (permit) => untilOneEnds(policy, running, first, permit))
  })

const untilOneEnds = Effect.fnUntraced(function* <A, E extends Attempt.Tagged>(
  policy: Policy,
  running: Attempt.Running<A, E>,
  first: Attempt.Progress,
  granted: Permit
): Effect.fn.Return<Executed<A>, E | Attempt.CallError> {
  const { call, context, endsAt, waiting } = running
  const clock = Context.get(context, Clock.Clock)
  let progress = first
  let retryEndsAt = Infinity
  let failures = 0
  let isRenewed = false
  for (let permit = granted; ; permit = yield* Attempt.withPermit(running, progress, Effect.succeed)) {
    let tried = yield* Attempt.make(running, progress, permit)
    if (tried.next === "renew token") {
      tried = isRenewed ? { ...tried, next: "end" } : yield* renewed(running, progress, tried)
      isRenewed = tried.next !== "retry"
    }
    const { observation, result } = tried
    const { attempts } = tried.subject
    if (tried.next === "end") return { output: yield* Effect.fromResult(result), attempts }
    if (tried.next === "again") {
      progress = { subject: tried.subject, cause: progress.cause, askedAt: Monotonic.millis(clock) }
      continue
    }

    const subject: Attempt.Subject = mayBeApplied(call, tried)
      ? { ...tried.subject, applied: "unknown" }
      : tried.subject
    const now = Monotonic.millis(clock)
    const responded = observation._tag === "Responded" ? observation : undefined
    const isLimited = responded?.isLimited === true
    if (isLimited && responded.dailyRemaining === 0) {
      const resetsAt = clock.currentTimeMillisUnsafe() + Bucket.dailyResetMillis(responded)
      return yield* Attempt.dailyLimitExceeded(subject, resetsAt)
    }
    const isAllowed =
      (call.isIdempotent || isLimited || observation._tag === "Unused") && ++failures < policy.maxAttempts
    retryEndsAt = Math.min(retryEndsAt, now + policy.maxDurationMillis)
    const delay = delayMillis(policy, failures, yield* Random.next, responded?.retryAfterMillis)
    if (!isAllowed || now + delay > Math.min(retryEndsAt, endsAt)) {
      return { output: yield* Effect.fromResult(result), attempts }
    }
    const cause = Result.isFailure(result) ? result.failure : undefined
    yield* Attempt.event("retry", {
      "highlevel.retry.attempt": attempts,
      "highlevel.retry.delay_milliseconds": delay,
      "highlevel.retry.error": cause?._tag
    })
    yield* waiting(Effect.sleep(delay))
    progress = { subject, cause, askedAt: Monotonic.millis(clock) }
  }
})
