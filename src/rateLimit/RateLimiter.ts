/**
 * Uses all of HighLevel's rate limit without exceeding it.
 *
 * HighLevel limits each app to 100 requests per 10 seconds and 200,000 per day per
 * location (less for some agencies) and reports the limits only in response headers.
 * A bucket starts with one probe and learns its limits from the response. It then grants
 * a permit only while the requests in flight plus those that ended less than one interval
 * ago are fewer than the limit. So no window of the server, fixed or sliding, exceeds the
 * limit, whatever the jitter. If other clients share the bucket, it backs off.
 *
 * Effect's `HttpClient.withRateLimiter` does not count requests in flight: of 600
 * updates at 100 a second it sent 787 to 951 requests, this one 600.
 *
 * A client has {@link layerMemory} by default, for one process. {@link layerRedis}
 * shares the buckets among processes and machines.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Redis from "effect/persistence/Redis"
import * as MemoryStore from "./memoryStore.ts"
import * as Monotonic from "./monotonic.ts"
import type { Bucket, Observation, Permit, RateLimitStore } from "./RateLimitStore.ts"
import * as RedisStore from "./redisStore.ts"
import * as WaitQueue from "./waitQueue.ts"

/** The daily limit is exhausted. */
export class DailyLimit extends Data.TaggedError("DailyLimit")<{
  /** When the limit resets, in epoch milliseconds. */
  readonly resetsAtMillis: number
}> {}

/** The shared store has been unavailable for `maxWaitMillis`. */
export class StoreUnavailable extends Data.TaggedError("StoreUnavailable")<{ readonly cause: unknown }> {}

/** No permit was available within `timeoutMillis`. */
export class AcquireTimeout extends Data.TaggedError("AcquireTimeout")<{
  /** The store's failure, if the call was waiting for the store. */
  readonly storeCause: unknown
}> {}

/** Grants permits for requests. */
export interface Service {
  /** Waits for a permit of the bucket, in order of arrival. */
  readonly acquire: (
    bucket: Bucket,
    options: {
      /** How long a permit lasts that is never released, such as one of a process that died. */
      readonly leaseMillis: number
      readonly timeoutMillis: number
    }
  ) => Effect.Effect<Permit, DailyLimit | StoreUnavailable | AcquireTimeout>

  /** Releases a permit and reports the response to its request. */
  readonly release: (bucket: Bucket, permit: Permit, observation: Observation) => Effect.Effect<void>
}

/** The rate limiter of a client. A client without one in its context makes its own, in memory. */
export class RateLimiter extends Context.Service<RateLimiter, Service>()("effect-highlevel/RateLimiter/RateLimiter") {}

/** The calls that wait for a bucket. Only the first one asks the store. */
interface Queue extends WaitQueue.WaitQueue {
  /** Wakes the first call when a response has arrived. */
  readonly released: Latch.Latch
  /** The store's failure, and since when it fails. */
  failure: { readonly since: number; readonly cause: unknown } | undefined
}

const joinQueue = (known: Queue | undefined): Queue =>
  known ?? { ...WaitQueue.make(), released: Latch.makeUnsafe(), failure: undefined }

// A location's id holds no line break, so that no two buckets share a key.
const keyOf = ({ app, locationId }: Bucket) => `${app}\n${locationId}`

// The longest sleep before the store is asked again: another process may have learnt a higher limit.
const maximumSleepMillis = 1000
const storeRetryMillis = 250
// The longest that a response waits for the store.
const maximumReleaseMillis = 2000

const makeOver = <E>(store: RateLimitStore<E>, maxWaitMillis: number, queues: Map<string, Queue>): Service => {
  // A store in memory needs no timeout.
  const inTime = <A, E2>(effect: Effect.Effect<A, E2>, millis: number): Effect.Effect<A, E2 | Error> =>
    maxWaitMillis === Infinity
      ? effect
      : Effect.timeoutOrElse(effect, {
          duration: millis,
          orElse: () => Effect.fail(new Error(`no response within ${millis} ms`))
        })

  const poll = Effect.fnUntraced(function* (queue: Queue, bucket: Bucket, leaseMillis: number) {
    const clock = yield* Clock.Clock
    while (true) {
      const askedAt = Monotonic.millis(clock)
      // Calls behind one that has waited for the store share its timeout.
      const left = maxWaitMillis - (askedAt - (queue.failure?.since ?? askedAt))
      const exit = yield* Effect.exit(inTime(store.acquire(bucket, leaseMillis), Math.max(left, storeRetryMillis)))
      if (Exit.isSuccess(exit)) {
        queue.failure = undefined
        if (exit.value._tag === "Granted") return exit.value.permit
        if (exit.value._tag === "DailyLimit") {
          return yield* new DailyLimit({ resetsAtMillis: clock.currentTimeMillisUnsafe() + exit.value.millis })
        }
        const sleep = Effect.sleep(Math.min(exit.value.millis, maximumSleepMillis))
        yield* exit.value.isProbe ? Effect.raceFirst(sleep, queue.released.await) : sleep
        continue
      }
      if (Exit.hasInterrupts(exit)) return yield* Effect.interrupt
      queue.failure = { since: queue.failure?.since ?? askedAt, cause: exit.cause }
      if (Monotonic.millis(clock) - queue.failure.since >= maxWaitMillis) {
        return yield* new StoreUnavailable({ cause: exit.cause })
      }
      yield* Effect.sleep(storeRetryMillis)
    }
  })

  return {
    acquire: (bucket, { leaseMillis, timeoutMillis }) => {
      const key = keyOf(bucket)
      const turn = (queue: Queue) => poll(queue, bucket, leaseMillis)
      if (!Number.isFinite(timeoutMillis)) return WaitQueue.inTurn(queues, key, joinQueue, turn)
      let joined: Queue | undefined
      const acquired = WaitQueue.inTurn(queues, key, (known) => (joined = joinQueue(known)), turn)
      return Effect.timeoutOrElse(acquired, {
        duration: timeoutMillis,
        orElse: () => Effect.fail(new AcquireTimeout({ storeCause: joined?.failure?.cause }))
      })
    },

    release: (bucket, permit, observation) =>
      // A permit whose release fails expires.
      Effect.flatMap(
        Effect.exit(inTime(store.release(bucket, permit, observation), maximumReleaseMillis)),
        () => queues.get(keyOf(bucket))?.released.release ?? Effect.void
      )
  }
}

/** A rate limiter over any store. */
export const makeWith = <E>(
  store: RateLimitStore<E>,
  options?: {
    /** How long to wait for an unavailable store, in milliseconds. @default 60_000 */
    readonly maxWaitMillis?: number | undefined
  }
): Service => makeOver(store, options?.maxWaitMillis ?? 60_000, new Map())

/** Limits nothing: every request is sent at once. */
export const unlimited: Service = {
  acquire: () => Effect.succeed({ sequence: 0, used: 0, epoch: "" }),
  release: () => Effect.void
}

/** A rate limiter in the memory of this process. */
export const makeMemory: Effect.Effect<Service> = Effect.sync(() => {
  const memory = MemoryStore.make()
  const queues = new Map<string, Queue>()
  const queued = makeOver(
    {
      acquire: (bucket, leaseMillis) =>
        Effect.map(Clock.Clock, (clock) => memory.acquire(keyOf(bucket), Monotonic.millis(clock), leaseMillis)),
      release: (bucket, permit, observation) =>
        Effect.withFiber((fiber) => {
          memory.release(keyOf(bucket), Monotonic.millis(fiber.getRef(Clock.Clock)), permit, observation)
          return Effect.void
        })
    },
    Infinity,
    queues
  )
  return {
    ...queued,
    // Without waiting calls there is no queue to join.
    acquire: (bucket, options) =>
      Effect.withFiber((fiber) => {
        const key = keyOf(bucket)
        if (queues.has(key)) return queued.acquire(bucket, options)
        const acquired = memory.acquire(key, Monotonic.millis(fiber.getRef(Clock.Clock)), options.leaseMillis)
        return acquired._tag === "Granted" ? Effect.succeed(acquired.permit) : queued.acquire(bucket, options)
      })
  }
})

/**
 * Keeps the buckets in memory. Provide the same layer to several clients of an app to
 * share them.
 *
 * **Example** (Two clients, one rate limit)
 *
 * ```ts
 * import { HighLevelClient, RateLimiter, UpdateConversation } from "effect-highlevel"
 * import { Sandbox } from "effect-highlevel/testing"
 * import * as Effect from "effect/Effect"
 * import * as Latch from "effect/Latch"
 * import * as Layer from "effect/Layer"
 * import * as Redacted from "effect/Redacted"
 *
 * const ids = { conversationId: "tDtDnQdgm2LXpyiqYvZ6", locationId: "tDtDnQdgm2LXpyiqYvZ6" }
 * const make = HighLevelClient.make({ token: Redacted.make("sandbox-token"), app: "my-app" })
 *
 * const program = Effect.gen(function* () {
 *   const [one, other] = [yield* make, yield* make]
 *   yield* one.execute(UpdateConversation.updateConversation, { ...ids, starred: true })
 *   const { attempts } = yield* other.execute(UpdateConversation.updateConversation, { ...ids, unreadCount: 0 })
 *   return attempts
 * })
 *
 * const layer = Layer.merge(RateLimiter.layerMemory, Sandbox.layer())
 *
 * await Effect.runPromise(program.pipe(Effect.provide(layer))) // => 1
 * ```
 */
export const layerMemory: Layer.Layer<RateLimiter> = Layer.effect(RateLimiter, makeMemory)

/**
 * Keeps the buckets in Redis, on Redis's clock, shared among processes and machines.
 * Provide the connection with `NodeRedis.layer` of `@effect/platform-node`.
 *
 * **Details**
 *
 * While Redis is unavailable, requests wait, and fail with `RateLimiterUnavailable` after
 * `maxWaitMillis`; none is sent uncounted. If Redis lost its data, one probe learns the
 * limits and how much of them is used. The permits of a process that died expire.
 *
 * Each request costs one round trip. Its release is sent with the next request of the
 * location, within 100 ms, or when the layer is closed.
 */
export const layerRedis = (options?: {
  /** The prefix of the keys. @default "effect-highlevel:rate-limit:" */
  readonly prefix?: string | undefined

  /** How long to wait for an unavailable Redis, in milliseconds. @default 60_000 */
  readonly maxWaitMillis?: number | undefined
}): Layer.Layer<RateLimiter, never, Redis.Redis> =>
  Layer.effect(
    RateLimiter,
    Effect.flatMap(Redis.Redis, (redis) =>
      Effect.map(RedisStore.make(redis, options?.prefix ?? "effect-highlevel:rate-limit:"), (store) =>
        makeWith(store, options)
      )
    )
  )
