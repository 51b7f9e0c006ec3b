/** One attempt: a permit of the rate limit, a token, a request. */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as RateLimitHeaders from "../rateLimit/headers.ts"
import type * as RateLimiter from "../rateLimit/RateLimiter.ts"
import type { Observation } from "../rateLimit/RateLimitStore.ts"
import type * as AccessToken from "./AccessToken.ts"
import type { Broken, Received } from "./exchange.ts"
import * as HighLevelError from "./HighLevelError.ts"
import * as HighLevelMetrics from "./HighLevelMetrics.ts"
import * as Timeout from "./timeout.ts"

/** Which call an attempt is of. */
export interface Subject {
  readonly operation: string
  readonly locationId: string
  readonly conversationId?: string
  /** How many requests were sent, this one included. */
  readonly attempts: number
  /** What is known of the earlier ones. */
  readonly applied: "no" | "unknown"
}

/** What every call of a client shares. */
export interface Policies {
  readonly app: string
  readonly accessToken: AccessToken.Service
  readonly rateLimiter: RateLimiter.Service
  readonly attemptTimeoutMillis: number
  readonly maxRetryAfterMillis: number
  readonly exchange: (request: HttpClientRequest.HttpClientRequest) => Effect.Effect<Received, Broken>
}

/** What a call can fail with, without a response. */
export type CallError =
  | HighLevelError.ReconnectRequired
  | HighLevelError.TokenUnavailable
  | HighLevelError.DailyLimitExceeded
  | HighLevelError.RateLimiterUnavailable
  | HighLevelError.RequestTimeout

/** What a response means, and what may follow. */
export interface Meaning<A, E> {
  readonly result: Result.Result<A, E>
  readonly next: "end" | "retry" | "renew token"
}

/** A call, whatever is called. */
export interface Call<A, E> {
  readonly operation: string
  readonly locationId: string
  readonly conversationId?: string
  /** Without a token. */
  readonly request: HttpClientRequest.HttpClientRequest
  readonly read: (received: Received, subject: Subject, token: Redacted.Redacted) => Meaning<A, E>
  readonly broken: (broken: Broken, subject: Subject, token: Redacted.Redacted) => E
  /** Whether it may be sent again when it is not known what became of it. */
  readonly isRepeatable: boolean
  /** Whether a request without a response may have changed something. */
  readonly isWrite: boolean
  readonly timeoutMillis: number
  /** Whether an interruption lets a request in flight finish. */
  readonly finishInFlight: boolean
}

/** What is known of a call before its next attempt. */
export interface Progress {
  readonly subject: Subject
  /** What the last attempt failed with. */
  readonly cause: unknown
  /** When the call is out of time, in epoch milliseconds. */
  readonly endsAt: number
}

/** An attempt, and its token, if there was one to send it with. */
export interface Tried<A, E> {
  readonly result: Result.Result<A, E | CallError>
  readonly observation: Observation
  readonly next: Meaning<A, E>["next"] | "again"
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

/** What a token source returns, while the call has time. */
export const inTime = <A>(
  call: Call<unknown, unknown>,
  progress: Progress,
  effect: Effect.Effect<A, CallError>
): Effect.Effect<A, CallError> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) =>
    Effect.timeoutOrElse(effect, {
      duration: Math.max(0, progress.endsAt - now),
      orElse: () => Effect.fail(timedOut(call, progress, "token"))
    })
  )

export const isUnreachable = (error: CallError) => error._tag === "TokenUnavailable" && error.reason === "Unreachable"

/** What a metric and a span call a failure. */
export const tagOf = (failure: unknown) => (Predicate.hasProperty(failure, "_tag") ? String(failure._tag) : "Failure")

/** A permit, a token, a request. Runs uninterruptibly, but for what is `waiting` and `inFlight`. */
export const make = Effect.fnUntraced(function* <A, E>(
  policies: Policies,
  call: Call<A, E>,
  progress: Progress,
  waiting: Interruptibility,
  inFlight: Interruptibility
): Effect.fn.Return<Tried<A, E>, CallError> {
  const { accessToken, app, attemptTimeoutMillis, rateLimiter } = policies
  const { locationId, operation, timeoutMillis } = call
  const bucket = { app, locationId }
  const clock = yield* Clock.Clock
  const askedAt = clock.currentTimeMillisUnsafe()
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
  const waitedMillis = clock.currentTimeMillisUnsafe() - askedAt
  HighLevelMetrics.rateLimitWait.updateUnsafe(waitedMillis, context)
  if (waitedMillis > 0) yield* event("rate_limit.wait", { "highlevel.rate_limit.wait_milliseconds": waitedMillis })

  const named = Effect.mapError(accessToken.get(locationId), (error) => withoutToken(progress.subject, error))
  const got = timeoutMillis === Infinity ? named : inTime(call, progress, named)
  const token = yield* Effect.result(Effect.onError(waiting(got), () => rateLimiter.release(bucket, permit, unused)))
  if (Result.isFailure(token)) {
    return {
      result: Result.fail(token.failure),
      observation: unused,
      next: isUnreachable(token.failure) ? "retry" : "end"
    }
  }

  const subject = { ...progress.subject, attempts: progress.subject.attempts + 1 }
  const left = progress.endsAt - clock.currentTimeMillisUnsafe()
  const isLast = left < attemptTimeoutMillis
  const late = () =>
    new HighLevelError.RequestTimeout({
      ...subject,
      ...(call.isWrite ? { applied: "unknown" } : {}),
      scope: isLast ? "call" : "attempt",
      waitingFor: "response",
      timeoutMillis: isLast ? timeoutMillis : attemptTimeoutMillis,
      ...(progress.cause === undefined ? {} : { cause: progress.cause })
    })
  const request = HttpClientRequest.setHeader(call.request, "authorization", `Bearer ${Redacted.value(token.success)}`)
  const allowedMillis = isLast ? Math.max(0, left) : attemptTimeoutMillis
  const exchanged = Timeout.within(policies.exchange(request), context, allowedMillis, late)
  const received = yield* Effect.result(
    Effect.onError(inFlight(exchanged), () => rateLimiter.release(bucket, permit, unknown))
  )
  if (Result.isFailure(received)) {
    const { failure } = received
    const error = failure._tag === "Broken" ? call.broken(failure, subject, token.success) : failure
    HighLevelMetrics.count(HighLevelMetrics.attempts, operation, tagOf(error), context)
    const next = failure._tag === "RequestTimeout" && isLast ? "end" : "retry"
    return { result: Result.fail(error), observation: unknown, next, token: token.success }
  }
  const { headers, status } = received.success
  const now = clock.currentTimeMillisUnsafe()
  const observation = RateLimitHeaders.read(status, headers, now, policies.maxRetryAfterMillis)
  yield* rateLimiter.release(bucket, permit, observation)
  const { next, result } = call.read(received.success, subject, token.success)
  HighLevelMetrics.count(
    HighLevelMetrics.attempts,
    operation,
    Result.isSuccess(result) ? "Success" : tagOf(result.failure),
    context
  )
  return { result, observation, next, token: token.success }
})
