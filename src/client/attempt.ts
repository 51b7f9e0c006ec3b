/** One attempt: a permit of the rate limit, a token, a request. */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type * as RateLimiter from "../rateLimit/RateLimiter.ts"
import type { Observation } from "../rateLimit/RateLimitStore.ts"
import type * as AccessToken from "./AccessToken.ts"
import * as HighLevelError from "./HighLevelError.ts"
import * as HighLevelMetrics from "./HighLevelMetrics.ts"
import type { Subject } from "./response.ts"
import * as Timeout from "./timeout.ts"

/** What every call of a client shares. */
export interface Policies {
  readonly app: string
  readonly accessToken: AccessToken.Service
  readonly rateLimiter: RateLimiter.Service
  readonly attemptTimeoutMillis: number
}

/** What a call can fail with, without a response. */
export type CallError =
  | HighLevelError.ReconnectRequired
  | HighLevelError.TokenUnavailable
  | HighLevelError.DailyLimitExceeded
  | HighLevelError.RateLimiterUnavailable
  | HighLevelError.RequestTimeout

/** How one request ended, what it told of the limits, and what may follow. */
export interface Attempt<A, E> {
  readonly result: Result.Result<A, E>
  readonly observation: Observation
  readonly next: "end" | "retry" | "renew token"
}

/** A call, whatever is called. */
export interface Call<A, E> {
  readonly operation: string
  readonly locationId: string
  readonly conversationId?: string
  /** Whether it may be sent again when it is not known what became of it. */
  readonly isRepeatable: boolean
  /** What a request without a response may have changed. */
  readonly unknownApplied: "no" | "unknown"
  readonly timeoutMillis: number
  /** Whether an interruption lets a request in flight finish. */
  readonly finishInFlight: boolean
  readonly attempt: (token: Redacted.Redacted, subject: Subject) => Effect.Effect<Attempt<A, E>>
}

/** What is known of a call before its next attempt. */
export interface Progress {
  readonly subject: Subject
  /** What the last attempt failed with. */
  readonly cause: unknown
  /** When the call is out of time, in epoch milliseconds. */
  readonly endsAt: number
  /** Whether the token was renewed: it is, once a call. */
  readonly isRenewed: boolean
}

/** An attempt, and its token, if there was one to send it with. */
export interface Tried<A, E> {
  readonly result: Result.Result<A, E | CallError>
  readonly observation: Observation
  readonly next: Attempt<A, E>["next"] | "again"
  readonly token?: Redacted.Redacted
}

/** How an effect is made interruptible, or left as it is. */
export type Interruptibility = <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E>

const unused: Observation = { _tag: "Unused" }
const unknown: Observation = { _tag: "Unknown" }

/** An event on the span of the call. */
export const event = (name: string, attributes: Record<string, unknown>) =>
  Effect.flatMap(Effect.option(Effect.currentSpan), (span) =>
    Effect.map(Clock.currentTimeNanos, (now) => {
      if (Option.isSome(span)) span.value.event(name, now, attributes)
    })
  )

/** The call is out of time. */
export const timedOut = (
  call: Call<unknown, unknown>,
  { cause, subject }: Progress,
  waitingFor: typeof HighLevelError.WaitingFor.Type
) =>
  new HighLevelError.RequestTimeout({
    ...subject,
    scope: "call",
    waitingFor,
    timeoutMillis: call.timeoutMillis,
    ...(cause === undefined ? {} : { cause })
  })

export const withoutPermit = (
  call: Call<unknown, unknown>,
  progress: Progress,
  error: RateLimiter.DailyLimit | RateLimiter.StoreUnavailable | RateLimiter.AcquireTimeout
) => {
  switch (error._tag) {
    case "DailyLimit":
      return dailyLimitExceeded(progress.subject, error.resetsAtMillis)
    case "StoreUnavailable":
      return new HighLevelError.RateLimiterUnavailable({ ...progress.subject, cause: error.cause })
    case "AcquireTimeout":
      return Option.match(error.storeCause, {
        onNone: () => timedOut(call, progress, "rate limit"),
        onSome: (cause) => timedOut(call, { ...progress, cause }, "rate limit store")
      })
  }
}

export const dailyLimitExceeded = (subject: Subject, resetsAtMillis: number) =>
  new HighLevelError.DailyLimitExceeded({ ...subject, resetsAt: DateTime.makeUnsafe(resetsAtMillis) })

export const withoutToken = (subject: Subject, error: AccessToken.AccessTokenError) => {
  const { cause, messages, reason, status, traceId } = error
  const fields = {
    ...subject,
    messages,
    ...(status === undefined ? {} : { status }),
    ...(error.error === undefined ? {} : { error: error.error }),
    ...(traceId === undefined ? {} : { traceId })
  }
  return reason === "ReconnectRequired"
    ? new HighLevelError.ReconnectRequired(fields)
    : new HighLevelError.TokenUnavailable({ ...fields, reason, ...(cause === undefined ? {} : { cause }) })
}

/** What a token source returns, in time, named as an error of the call. */
export const ofToken = <B>(
  call: Call<unknown, unknown>,
  progress: Progress,
  now: number,
  effect: Effect.Effect<B, AccessToken.AccessTokenError>
): Effect.Effect<B, CallError> => {
  const named = Effect.mapError(effect, (error) => withoutToken(progress.subject, error))
  return progress.endsAt === Infinity
    ? named
    : Effect.timeoutOrElse(named, {
        duration: Math.max(0, progress.endsAt - now),
        orElse: () => Effect.fail(timedOut(call, progress, "token"))
      })
}

export const isUnreachable = (error: CallError) => error._tag === "TokenUnavailable" && error.reason === "Unreachable"

export const outcomeOf = (result: Result.Result<unknown, unknown>): string => {
  if (Result.isSuccess(result)) return "Success"
  return Predicate.hasProperty(result.failure, "_tag") ? String(result.failure._tag) : "Failure"
}

/** A permit, a token, a request. Runs uninterruptibly, but for what is `waiting` and `inFlight`. */
export const make = <A, E>(
  { accessToken, app, attemptTimeoutMillis, rateLimiter }: Policies,
  call: Call<A, E>,
  progress: Progress,
  waiting: Interruptibility,
  inFlight: Interruptibility
) =>
  Effect.gen(function* (): Effect.fn.Return<Tried<A, E>, CallError> {
    const { locationId, operation, unknownApplied } = call
    const bucket = { app, locationId }
    const askedAt = yield* Clock.currentTimeMillis
    const permit = yield* Effect.mapError(
      waiting(
        rateLimiter.acquire(bucket, {
          leaseMillis: Math.min(attemptTimeoutMillis, 600_000),
          timeoutMillis: progress.endsAt - askedAt
        })
      ),
      (error) => withoutPermit(call, progress, error)
    )
    const context = yield* Effect.context()
    const acquiredAt = yield* Clock.currentTimeMillis
    HighLevelMetrics.rateLimitWait.updateUnsafe(acquiredAt - askedAt, context)
    if (acquiredAt > askedAt) {
      yield* event("rate_limit.wait", { "highlevel.rate_limit.wait_milliseconds": acquiredAt - askedAt })
    }
    const released = (observation: Observation) => rateLimiter.release(bucket, permit, observation)

    const got = Effect.onError(waiting(ofToken(call, progress, acquiredAt, accessToken.get(locationId))), () =>
      released(unused)
    )
    const token = yield* Effect.result(got)
    if (Result.isFailure(token)) {
      const next = isUnreachable(token.failure) ? "retry" : "end"
      return { result: Result.fail(token.failure), observation: unused, next }
    }

    const subject = { ...progress.subject, attempts: progress.subject.attempts + 1 }
    const left = progress.endsAt - (yield* Clock.currentTimeMillis)
    const isLast = left < attemptTimeoutMillis
    const late = (): Attempt<A, E | CallError> => ({
      result: Result.fail(
        new HighLevelError.RequestTimeout({
          ...subject,
          applied: unknownApplied,
          scope: isLast ? "call" : "attempt",
          waitingFor: "response",
          timeoutMillis: isLast ? call.timeoutMillis : attemptTimeoutMillis,
          ...(progress.cause === undefined ? {} : { cause: progress.cause })
        })
      ),
      observation: unknown,
      next: isLast ? "end" : "retry"
    })
    const sent = Timeout.within<Attempt<A, E | CallError>>(
      call.attempt(token.success, subject),
      isLast ? Math.max(0, left) : attemptTimeoutMillis,
      late
    )
    const tried = yield* Effect.onError(inFlight(sent), () => released(unknown))
    yield* released(tried.observation)
    HighLevelMetrics.count(HighLevelMetrics.attempts, operation, outcomeOf(tried.result), context)
    return { ...tried, token: token.success }
  })
