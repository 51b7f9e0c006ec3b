import * as NodeRedis from "@effect/platform-node/NodeRedis"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Redis from "effect/persistence/Redis"
import { Conversations, HighLevelClient, RateLimiter, type RateLimitStore } from "effect-highlevel"
import { Sandbox } from "effect-highlevel/testing"
import { once } from "node:events"
import { createInterface } from "node:readline"
import * as RedisStore from "../src/rateLimit/redisStore.ts"
import { layerSandbox } from "./oauth.ts"
import * as Process from "./process.ts"
import { fullestWindow, granted, responded } from "./rateLimit.ts"
import { isMissing, startRedis } from "./redis.ts"

describe.skipIf(isMissing)("the rate limit in Redis", () => {
  let redis: Awaited<ReturnType<typeof startRedis>>
  beforeAll(async () => {
    redis = await startRedis()
  })
  afterAll(() => redis.end())

  const layerRedis = Layer.unwrap(
    Effect.sync(() => NodeRedis.layer({ socket: { host: "127.0.0.1", port: redis.port } }))
  )

  let buckets = 0
  /** A store with a bucket that nobody has used. */
  const fresh = Effect.gen(function* () {
    const bucket = { app: "app", locationId: `location {${++buckets}}:` }
    const store = yield* RedisStore.make(yield* Redis.Redis, "rules:")
    return {
      acquire: (leaseMillis = 30_000) => store.acquire(bucket, leaseMillis),
      release: (permit: RateLimitStore.Permit, observation: RateLimitStore.Observation) =>
        store.release(bucket, permit, observation),
      key: `rules:{app:${encodeURIComponent(bucket.locationId)}}`
    }
  })

  it.live("has the rules of memory: probe, limit, yield, hold, day", () =>
    Effect.gen(function* () {
      const bucket = yield* fresh
      const probe = granted(yield* bucket.acquire())
      assert.deepStrictEqual(yield* bucket.acquire(), { _tag: "Wait", millis: 50, isProbe: true })
      // Of four, one is ours and one is left: two are somebody else's.
      yield* bucket.release(probe, responded({ max: 4, remaining: 1, intervalMillis: 60_000 }))
      granted(yield* bucket.acquire())
      const full = yield* bucket.acquire()
      assert(full._tag === "Wait" && !full.isProbe)
      assert.isAbove(full.millis, 59_000)

      const lowered = yield* fresh
      yield* lowered.release(granted(yield* lowered.acquire()), responded({ max: 10, intervalMillis: 60_000 }))
      const [older, newer] = [granted(yield* lowered.acquire()), granted(yield* lowered.acquire())]
      yield* lowered.release(newer, responded({ max: 3 }))
      yield* lowered.release(older, responded({ max: 10 }))
      assert.strictEqual((yield* lowered.acquire())._tag, "Wait")

      const belated = yield* fresh
      yield* belated.release(granted(yield* belated.acquire()), responded({ max: 10, intervalMillis: 60_000 }))
      const [low, high] = [granted(yield* belated.acquire()), granted(yield* belated.acquire())]
      yield* belated.release(high, responded({ max: 10 }))
      yield* belated.release(low, responded({ max: 3 }))
      assert.strictEqual((yield* belated.acquire())._tag, "Wait")

      const held = yield* fresh
      yield* held.release(
        granted(yield* held.acquire()),
        responded({ isLimited: true, max: 100, retryAfterMillis: 90_000 })
      )
      const hold = yield* held.acquire()
      assert(hold._tag === "Wait")
      assert.isAbove(hold.millis, 89_000)

      const day = yield* fresh
      yield* day.release(
        granted(yield* day.acquire()),
        responded({ max: 100, dailyRemaining: 1, dailyResetMillis: 60_000 })
      )
      const last = granted(yield* day.acquire())
      assert.deepStrictEqual(yield* day.acquire(), { _tag: "Wait", millis: 50, isProbe: true })
      yield* day.release(last, responded({ max: 100, dailyRemaining: 0, dailyResetMillis: 60_000 }))
      assert.strictEqual((yield* day.acquire())._tag, "DailyLimit")
    }).pipe(Effect.provide(layerRedis))
  )

  it.live("takes back what was not used", () =>
    Effect.gen(function* () {
      const bucket = yield* fresh
      yield* bucket.release(granted(yield* bucket.acquire()), responded({ max: 2, intervalMillis: 60_000 }))
      const second = granted(yield* bucket.acquire())
      assert.deepStrictEqual([second.sequence, second.used], [2, 2])
      assert.strictEqual((yield* bucket.acquire())._tag, "Wait")
      yield* bucket.release(second, { _tag: "Unused" })
      granted(yield* bucket.acquire())
    }).pipe(Effect.provide(layerRedis))
  )

  it.live("the permit of a process that died expires with its lease", () =>
    Effect.gen(function* () {
      const bucket = yield* fresh
      yield* bucket.release(granted(yield* bucket.acquire()), responded({ max: 2, intervalMillis: 20 }))
      // Two places are taken and never given back.
      granted(yield* bucket.acquire(30))
      const start = yield* Clock.currentTimeMillis
      granted(yield* bucket.acquire(30).pipe(Effect.repeat({ until: ({ _tag }) => _tag === "Granted" })))
      granted(yield* bucket.acquire(30).pipe(Effect.repeat({ until: ({ _tag }) => _tag === "Granted" })))
      // The lease, its grace of an interval, and the interval in which it counts as ended.
      assert.isAtLeast((yield* Clock.currentTimeMillis) - start, 65)
    }).pipe(Effect.provide(layerRedis))
  )

  it.live("a Redis that comes back empty is a cold bucket that learns what was used", () =>
    Effect.gen(function* () {
      const connection = yield* Redis.Redis
      const bucket = yield* fresh
      const [one] = [granted(yield* bucket.acquire())]
      yield* bucket.release(one, responded({ max: 10, remaining: 9, intervalMillis: 60_000 }))
      const before = granted(yield* bucket.acquire())
      yield* connection.send("FLUSHALL")
      const probe = granted(yield* bucket.acquire())
      assert.strictEqual((yield* bucket.acquire())._tag, "Wait")
      // An answer from before the loss is counted, and teaches the limit.
      yield* bucket.release(before, responded({ max: 10, remaining: 1, intervalMillis: 60_000 }))
      yield* bucket.release(probe, responded({ max: 10, remaining: 0, intervalMillis: 60_000 }))
      const after = yield* bucket.acquire()
      assert(after._tag === "Wait")
      assert.isAbove(after.millis, 50_000)
    }).pipe(Effect.provide(layerRedis))
  )

  it.live("four connections together hold no more than the limit in any window", () =>
    Effect.gen(function* () {
      const received: Array<number> = []
      const connections = yield* Effect.forEach([1, 2, 3, 4], () =>
        Layer.build(Layer.fresh(RateLimiter.layerRedis().pipe(Layer.provide(layerRedis))))
      )
      yield* Effect.forEach(
        Array.from({ length: 120 }, (_, index) => connections[index % 4]),
        (context) =>
          Effect.gen(function* () {
            const limiter = yield* RateLimiter.RateLimiter
            const bucket = { app: "together", locationId: "location" }
            const permit = yield* limiter.acquire(bucket, { leaseMillis: 5000, timeoutMillis: Infinity })
            received.push(performance.now())
            yield* limiter.release(bucket, permit, responded({ max: 20, intervalMillis: 200 }))
          }).pipe(Effect.provideContext(context ?? assert.fail())),
        { concurrency: "unbounded" }
      )
      assert.lengthOf(received, 120)
      // This process and Redis each round down to whole milliseconds: an interval of 200 is longer than 198.
      assert.isAtMost(fullestWindow(received, 198), 20)
    }).pipe(Effect.scoped)
  )

  const locationId = "location"
  const workers = ["a", "b", "c", "d"]
  const perWorker = 25

  const limited: Sandbox.Options = {
    conversations: workers.flatMap((name) =>
      Array.from({ length: perWorker }, (_, index) => ({ id: `${name}-${index}`, locationId, starred: false }))
    ),
    rateLimit: { max: 20, intervalMillis: 500 }
  }

  it.live(
    "four processes, one killed in the middle: no 429, and the others finish",
    () =>
      Effect.gen(function* () {
        const sandbox = yield* Sandbox.Sandbox
        const baseUrl = yield* Sandbox.url
        const outcomes: Array<{ readonly conversationId: string; readonly outcome: string }> = []
        const children = workers.map((name) => {
          const child = Process.start("test/fixtures/worker.ts", [baseUrl, String(redis.port), name, String(perWorker)])
          createInterface({ input: child.stdout }).on("line", (line) => outcomes.push(JSON.parse(line)))
          return { child, closed: once(child, "close") }
        })
        while (outcomes.length < 30) yield* Effect.sleep("5 millis")
        children[0]?.child.kill("SIGKILL")
        yield* Effect.promise(() => Promise.all(children.map(({ closed }) => closed)))
        assert.lengthOf(
          (yield* sandbox.requests).filter(({ status }) => status === 429),
          0
        )
        const survivors = outcomes.filter(({ conversationId }) => !conversationId.startsWith("a-"))
        assert.lengthOf(survivors, 3 * perWorker)
        assert.isTrue(outcomes.every(({ outcome }) => outcome === "applied"))
        const applied = new Set((yield* sandbox.applied).map(({ conversationId }) => conversationId))
        assert.isTrue(outcomes.every(({ conversationId }) => applied.has(conversationId)))
      }).pipe(Effect.provide(layerSandbox(limited))),
    60_000
  )

  it.live(
    "Redis is restarted, empty, in the middle: no burst, and everything is applied",
    () =>
      Effect.gen(function* () {
        const sandbox = yield* Sandbox.Sandbox
        const baseUrl = yield* Sandbox.url
        const ended: Array<string> = []
        const client = HighLevelClient.layer({
          token: Redacted.make(Sandbox.defaultToken),
          app: "restarted",
          baseUrl,
          attemptTimeout: "1 second",
          retry: { baseDelay: "50 millis" }
        }).pipe(
          Layer.provide(RateLimiter.layerRedis({ prefix: "restarted:" })),
          Layer.provide(layerRedis),
          Layer.provide(FetchHttpClient.layer)
        )
        // A connection, a client and a backlog each.
        const all = Effect.forEach(
          workers,
          (name) =>
            Effect.forEach(
              Array.from({ length: perWorker }, (_, index) => `${name}-${index}`),
              (conversationId) =>
                Effect.ensuring(
                  Conversations.update({ conversationId, locationId, starred: true }),
                  Effect.sync(() => ended.push(conversationId))
                ),
              { concurrency: 10, discard: true }
            ).pipe(Effect.provide(Layer.fresh(client))),
          { concurrency: "unbounded", discard: true }
        )
        const fiber = yield* Effect.forkChild(all)
        while (ended.length < 30) yield* Effect.sleep("5 millis")
        yield* Effect.promise(() => redis.stop())
        yield* Effect.promise(() => redis.start())
        yield* Fiber.join(fiber)
        const requests = yield* sandbox.requests
        assert.lengthOf(yield* sandbox.applied, 4 * perWorker)
        // What was in flight when Redis fell is counted nowhere: at most that may be refused.
        assert.isAtMost(requests.filter(({ status }) => status === 429).length, 20)
        const times = requests.filter(({ status }) => status === 200).map(({ receivedAt }) => receivedAt)
        assert.isAtMost(fullestWindow(times, 500), 40)
      }).pipe(Effect.provide(layerSandbox(limited)), Effect.provide(Logger.layer([]))),
    60_000
  )
})
