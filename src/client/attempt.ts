/** One attempt: acquires a permit of the rate limit, gets a token, sends the request. */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Tracer from "effect/Tracer"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as RateLimitHeaders from "../rateLimit/headers.ts"
import * as Monotonic from "../rateLimit/monotonic.ts"
import type * as RateLimiter from "../rateLimit/RateLimiter.ts"
import type { Observation, Permit } from "../rateLimit/RateLimitStore.ts"
import type * as AccessToken from "./AccessToken.ts"
import type { RequestSlot } from "./clientOptions.ts"
import * as Exchange from "./exchange.ts"
import * as HighLevelError from "./HighLevelError.ts"
import * as HighLevelMetrics from "./HighLevelMetrics.ts"
import * as Timeout from "./timeout.ts"

/** The call that an attempt belongs to. */
export interface Subject {
  readonly operation: string
  readonly locationId: string
  readonly conversationId?: string
  /** Requests sent so far. */
  readonly attempts: number
  /** What is known about earlier attempts. */
  readonly applied: "no" | "unknown"
}

/** What all calls of a client share. */
export interface Policies {
  readonly app: string
  readonly accessToken: AccessToken.Service
  readonly rateLimiter: RateLimiter.Service
  readonly attemptTimeoutMillis: number
  readonly maxRetryAfterMillis: number
  /** Derives the context of a request from that of its call. */
  readonly contextOf: (context: Context.Context<never>) => Context.Context<never>
  readonly exchange: (request: HttpClientRequest.HttpClientRequest) => Effect.Effect<Exchange.Received, Exchange.Broken>
}

/** The errors of an attempt without a response. */
export type CallError =
  | HighLevelError.ReconnectRequired
  | HighLevelError.TokenUnavailable
  | HighLevelError.DailyLimitExceeded
  | HighLevelError.RateLimiterUnavailable
  | HighLevelError.RequestTimeout

/** The meaning of a response, and whether to retry. */
export interface Meaning<A, E> {
  readonly result: Result.Result<A, E>
  readonly next: "end" | "retry" | "renew token"
}

/** An error with a tag, which metrics and spans use as its name. */
export interface Tagged {
  readonly _tag: string
}

/** A call of any operation or endpoint. */
export interface Call<A, E extends Tagged> {
  /** The state before the first attempt. */
  readonly subject: Subject
  readonly request: (token: Redacted.Redacted) => HttpClientRequest.HttpClientRequest
  readonly read: (received: Exchange.Received, subject: Subject, token: Redacted.Redacted) => Meaning<A, E>
  readonly broken: (broken: Exchange.Broken, subject: Subject, token: Redacted.Redacted) => E
  /** Whether it may be sent again after its response was lost. */
  readonly isIdempotent: boolean
  /** Whether a request whose response was lost may have changed something. */
  readonly isWrite: boolean
  readonly timeoutMillis: number
  /** Whether an interruption lets a request in flight finish. */
  readonly finishInFlight: boolean
  readonly requestSlot?: RequestSlot | undefined
}

/** Makes an effect interruptible, or leaves it as it is. */
export type Interruptibility = <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E>

/** A running call: what all of its attempts share. */
export interface Running<A, E extends Tagged> {
  readonly policies: Policies
  readonly call: Call<A, E>
  readonly context: Context.Context<never>
  /** When the call times out, in monotonic milliseconds. */
  readonly endsAt: number
  readonly waiting: Interruptibility
  readonly inFlight: Interruptibility
}

/** The state of a call between two attempts. */
export interface Progress {
  readonly subject: Subject
  /** The error of the last attempt. */
  readonly cause: unknown
  /** When it began to wait for a permit, in monotonic milliseconds. */
  readonly askedAt: number
}

/** The result of an attempt, and the token it was sent with, if any. */
export interface Tried<A, E extends Tagged> {
  readonly result: Result.Result<A, E | CallError>
  readonly observation: Observation
  readonly next: Meaning<A, E>["next"] | "again"
  readonly subject: Subject
  readonly token?: Redacted.Redacted
}

const unused: Observation = { _tag: "Unused" }
const unknown: Observation = { _tag: "Unknown" }

/** An event on the span of the call. */
export const event = (name: string, attributes: Record<string, unknown>) =>
  Effect.withFiber((fiber) => {
    const span = Context.getOrUndefined(fiber.context, Tracer.ParentSpan)
    if (span?._tag === "Span") span.event(name, fiber.getRef(Clock.Clock).currentTimeNanosUnsafe(), attributes)
    return Effect.void
  })

const requestTimeout = (
  { cause, subject }: Pick<Progress, "cause" | "subject">,
  fields: Pick<HighLevelError.RequestTimeout, "scope" | "timeoutMillis" | "waitingFor">
) => new HighLevelError.RequestTimeout({ ...subject, ...fields, ...(cause === undefined ? {} : { cause }) })

/** The error of a call that timed out. */
const timedOut = (
  { timeoutMillis }: Call<unknown, Tagged>,
  progress: Progress,
  waitingFor: HighLevelError.RequestTimeout["waitingFor"]
) => requestTimeout(progress, { scope: "call", waitingFor, timeoutMillis })

const withoutPermit = (
  call: Call<unknown, Tagged>,
  progress: Progress,
  error: RateLimiter.DailyLimit | RateLimiter.StoreUnavailable | RateLimiter.AcquireTimeout
) => {
  switch (error._tag) {
    case "DailyLimit":
      return dailyLimitExceeded(progress.subject, error.resetsAtMillis)
    case "StoreUnavailable":
      return new HighLevelError.RateLimiterUnavailable({ ...progress.subject, cause: error.cause })
    case "AcquireTimeout":
      return error.storeCause === undefined
        ? timedOut(call, progress, "rate limit")
        : timedOut(call, { ...progress, cause: error.storeCause }, "rate limit store")
  }
}

export const dailyLimitExceeded = (subject: Subject, resetsAtMillis: number) =>
  new HighLevelError.DailyLimitExceeded({ ...subject, resetsAt: DateTime.makeUnsafe(resetsAtMillis) })

const withoutToken = (subject: Subject, error: AccessToken.AccessTokenError) => {
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

/** Gets the token, bounded by the call's timeout. */
export const fromSource = <A>(
  { call, context, endsAt }: Running<unknown, Tagged>,
  progress: Progress,
  effect: Effect.Effect<A, AccessToken.AccessTokenError>
): Effect.Effect<A, CallError> => {
  const named = Effect.mapErrorEager(effect, (error) => withoutToken(progress.subject, error))
  return endsAt === Infinity
    ? named
    : Effect.timeoutOrElse(named, {
        duration: Math.max(0, endsAt - Monotonic.millis(Context.get(context, Clock.Clock))),
        orElse: () => Effect.fail(timedOut(call, progress, "token"))
      })
}

export const isUnreachable = (error: CallError) => error._tag === "TokenUnavailable" && error.reason === "Unreachable"

/** Waits for a permit. Without a generator, since 100,000 calls may wait here at once. */
export const withPermit = <A, E extends Tagged, B, E2>(
  { call, endsAt, policies, waiting }: Running<A, E>,
  progress: Progress,
  use: (permit: Permit) => Effect.Effect<B, E2>
): Effect.Effect<B, E2 | CallError> =>
  Effect.matchCauseEffect(
    waiting(
      policies.rateLimiter.acquire(
        { app: policies.app, locationId: progress.subject.locationId },
        {
          leaseMillis: Math.min(policies.attemptTimeoutMillis, 600_000),
          timeoutMillis: endsAt - progress.askedAt
        }
      )
    ),
    {
      onSuccess: use,
      onFailure: (cause) => Effect.failCause(Cause.map(cause, (error) => withoutPermit(call, progress, error)))
    }
  )

/** Gets a token and sends the request, holding a permit. Only `waiting` and `inFlight` can be interrupted. */
export const make = Effect.fnUntraced(function* <A, E extends Tagged>(
  running: Running<A, E>,
  progress: Progress,
  permit: Permit
): Effect.fn.Return<Tried<A, E>> {
  const { call, context, endsAt, inFlight, policies, waiting } = running
  const { accessToken, app, attemptTimeoutMillis, rateLimiter } = policies
  const { locationId, operation } = progress.subject
  const bucket = { app, locationId }
  const clock = Context.get(context, Clock.Clock)
  const waitedMillis = Monotonic.millis(clock) - progress.askedAt
  HighLevelMetrics.rateLimitWait.updateUnsafe(waitedMillis, context)
  if (waitedMillis >= 1) yield* event("rate_limit.wait", { "highlevel.rate_limit.wait_milliseconds": waitedMillis })

  const { requestSlot } = call
  const source = fromSource(running, progress, accessToken.get(locationId))
  const token = yield* Effect.exit(
    waiting(requestSlot === undefined ? source : Effect.tap(source, requestSlot.acquire))
  )
  if (Exit.isFailure(token)) {
    yield* rateLimiter.release(bucket, permit, unused)
    const error = yield* Effect.flip(Exit.failCause(token.cause))
    const next = isUnreachable(error) ? "retry" : "end"
    return { result: Result.fail(error), observation: unused, next, subject: progress.subject }
  }

  const subject = { ...progress.subject, attempts: progress.subject.attempts + 1 }
  const left = endsAt - Monotonic.millis(clock)
  const isLast = left < attemptTimeoutMillis
  const allowedMillis = isLast ? Math.max(0, left) : attemptTimeoutMillis
  const late = () =>
    requestTimeout(
      { cause: progress.cause, subject: call.isWrite ? { ...subject, applied: "unknown" } : subject },
      {
        scope: isLast ? "call" : "attempt",
        waitingFor: "response",
        timeoutMillis: isLast ? call.timeoutMillis : attemptTimeoutMillis
      }
    )
  const exchange = policies.exchange(call.request(token.value))
  const exchanged = Timeout.within(exchange, policies.contextOf(context), allowedMillis, late)
  const received = yield* Effect.exit(inFlight(exchanged))
  if (requestSlot !== undefined) yield* requestSlot.release
  if (Exit.isFailure(received)) {
    const broken = Exit.findErrorOption(received)
    const status = Option.isSome(broken) && broken.value._tag === "Broken" ? broken.value.status : undefined
    // A response that was cut off has begun: its request is no longer in flight.
    const observation = status === undefined ? unknown : RateLimitHeaders.cutOff(status)
    yield* rateLimiter.release(bucket, permit, observation)
    const failure = yield* Effect.flip(Exit.failCause(received.cause))
    const error = failure._tag === "Broken" ? call.broken(failure, subject, token.value) : failure
    HighLevelMetrics.count(HighLevelMetrics.attempts, operation, error._tag, context)
    const next = failure._tag === "RequestTimeout" && isLast ? "end" : "retry"
    return { result: Result.fail(error), observation: unknown, next, subject, token: token.value }
  }
  const { headers, status } = received.value
  const now = clock.currentTimeMillisUnsafe()
  const isJson = Exchange.isJson(received.value)
  const observation = RateLimitHeaders.read(status, headers, now, policies.maxRetryAfterMillis, isJson, context)
  yield* rateLimiter.release(bucket, permit, observation)
  const { next, result } = call.read(received.value, subject, token.value)
  const outcome = Result.isSuccess(result) ? "Success" : result.failure._tag
  HighLevelMetrics.count(HighLevelMetrics.attempts, operation, outcome, context)
  return { result, observation, next, subject, token: token.value }
})
