/**
 * Keeps the buckets in Redis with one round trip for each request: a release waits in
 * this process for the next acquire of its bucket, and is flushed if there is none.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import type * as Scope from "effect/Scope"
import * as Redis from "effect/persistence/Redis"
import { dailyResetMillis, documentedLimit } from "./bucket.ts"
import * as Monotonic from "./monotonic.ts"
import type { Acquired, Bucket, Observation, Permit, RateLimitStore } from "./RateLimitStore.ts"
import { lua, maximumUntilMillis } from "./redisScript.ts"

// How long a release waits for the next acquire: less if other processes need its limits.
const urgentMillis = 5
const ordinaryMillis = 100
const retryMillis = 250
// A release that fails for this long is dropped: the permit expires.
const maximumAgeMillis = 2000

/** A release that Redis has not confirmed. Applying one twice changes nothing. */
interface Release {
  readonly permit: Permit
  readonly observation: Observation
  readonly endedAt: number
}

/** The pending releases of a bucket, and when to flush them. */
interface Pending {
  readonly releases: ReadonlyArray<Release>
  readonly dueAt: number
}

type Reply =
  | readonly ["Granted", sequence: number, used: number, epoch: string, max: number]
  | readonly ["Wait", millis: number, isProbe: number]
  | readonly ["DailyLimit", millis: number]

/** Whether other processes need the limits of a response, since they differ from those its request was sent under. */
const isUrgent = (observation: Observation, known: number | undefined) => {
  if (observation._tag !== "Responded") return observation._tag === "Unused"
  const { dailyRemaining, isLimited, max = documentedLimit } = observation
  return isLimited || dailyRemaining === 0 || max !== known
}

const argumentsOf = ({ endedAt, observation, permit }: Release, now: number) => {
  const told = observation._tag === "Responded" ? observation : undefined
  return [
    permit.epoch,
    permit.sequence,
    permit.used,
    now - endedAt,
    observation._tag,
    told?.isHighLevel,
    told?.isLimited,
    told?.max,
    told?.remaining,
    told?.intervalMillis,
    told?.dailyRemaining,
    told && dailyResetMillis(told),
    told?.retryAfterMillis && Math.min(told.retryAfterMillis, maximumUntilMillis)
  ]
}

export const make = Effect.fnUntraced(function* (
  redis: Redis.Redis["Service"],
  prefix: string
): Effect.fn.Return<RateLimitStore<Redis.RedisError>, never, Scope.Scope> {
  const pending = new Map<string, Pending>()
  const isPending = Latch.makeUnsafe()
  /** The limit that a request was sent under, 0 for a probe. */
  const limits = new WeakMap<Permit, number>()
  // A hash tag keeps the keys of a bucket in one slot of a Redis cluster.
  const keyOf = ({ app, locationId }: Bucket) =>
    `${prefix}{${encodeURIComponent(app)}:${encodeURIComponent(locationId)}}`
  const evaluate = redis.eval(
    Redis.script(
      (key: string, leaseMillis: number | "", releases: ReadonlyArray<Release>, now: number) => [
        `${key}:requests`,
        `${key}:limits`,
        leaseMillis,
        ...releases.flatMap((release) => argumentsOf(release, now))
      ],
      { numberOfKeys: 2, lua }
    ).withReturnType<Reply>()
  )

  const add = (key: string, releases: ReadonlyArray<Release>, dueAt: number) => {
    const others = pending.get(key)
    pending.set(key, {
      releases: [...(others?.releases ?? []), ...releases],
      dueAt: Math.min(others?.dueAt ?? Infinity, dueAt)
    })
    isPending.openUnsafe()
  }

  /** Sends the pending releases of a bucket, and keeps them unless Redis confirms. */
  const send = (key: string, leaseMillis: number | "") =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Clock.Clock, (clock) => {
        const now = Monotonic.millis(clock)
        const kept = pending.get(key)?.releases ?? []
        const releases = kept.filter(({ endedAt }) => now - endedAt < maximumAgeMillis)
        pending.delete(key)
        return Effect.onExit(restore(evaluate(key, leaseMillis, releases, now)), (exit) => {
          if (Exit.isFailure(exit) && releases.length > 0) add(key, releases, now + retryMillis)
          return Effect.void
        })
      })
    )

  const flush = (until: number) =>
    Effect.suspend(() => {
      const due = [...pending].filter(([, { dueAt }]) => dueAt <= until)
      return Effect.forEach(due, ([key]) => Effect.exit(send(key, "")), { concurrency: "unbounded", discard: true })
    })
  yield* Effect.addFinalizer(() =>
    Effect.timeoutOrElse(flush(Infinity), { duration: maximumAgeMillis, orElse: () => Effect.void })
  )
  yield* Effect.forkScoped(
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      while (true) {
        yield* isPending.await
        yield* Effect.sleep(urgentMillis)
        yield* flush(Monotonic.millis(clock))
        if (pending.size === 0) isPending.closeUnsafe()
      }
    })
  )

  const acquiredOf = (reply: Reply): Acquired => {
    switch (reply[0]) {
      case "Granted": {
        const permit = { sequence: reply[1], used: reply[2], epoch: reply[3] }
        limits.set(permit, reply[4])
        return { _tag: "Granted", permit }
      }
      case "Wait":
        return { _tag: "Wait", millis: reply[1], isProbe: reply[2] === 1 }
      case "DailyLimit":
        return { _tag: "DailyLimit", millis: reply[1] }
    }
  }

  return {
    acquire: (bucket, leaseMillis) => Effect.map(send(keyOf(bucket), leaseMillis), acquiredOf),
    release: (bucket, permit, observation) =>
      Effect.map(Clock.Clock, (clock) => {
        const endedAt = Monotonic.millis(clock)
        const waitMillis = isUrgent(observation, limits.get(permit)) ? urgentMillis : ordinaryMillis
        add(keyOf(bucket), [{ permit, observation, endedAt }], endedAt + waitMillis)
      })
  }
})
