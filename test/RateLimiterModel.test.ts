import * as NodeRedis from "@effect/platform-node/NodeRedis"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Redis from "effect/persistence/Redis"
import { TestClock } from "effect/testing"
import { Conversations, HighLevelClient, RateLimiter, type RateLimitStore } from "effect-highlevel"
import * as Bucket from "../src/rateLimit/bucket.ts"
import * as RedisStore from "../src/rateLimit/redisStore.ts"
import { answering, applied } from "./harness.ts"
import { granted, responded } from "./rateLimit.ts"
import { isMissing, startRedis } from "./redis.ts"

// `npm run test:long` makes more of them.
const scale = Number(process.env["SCALE"] ?? 1)

const between = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))
const oneOf = (...values: ReadonlyArray<number>) => Schema.UndefinedOr(Schema.Literals(values))

const seldom = (...values: ReadonlyArray<number>) =>
  Schema.Union([Schema.Undefined, Schema.Undefined, Schema.Undefined, Schema.Literals(values)])
const mostly = (...values: ReadonlyArray<number>) =>
  Schema.Union([Schema.Undefined, Schema.Literals(values), Schema.Literals(values), Schema.Literals(values)])

const Acquire = Schema.Struct({ _tag: Schema.Literal("Acquire") })
const Responded = Schema.Struct({
  _tag: Schema.Literal("Responded"),
  index: between(0, 9),
  isHighLevel: Schema.Boolean,
  isLimited: Schema.Literals([false, false, false, true]),
  max: mostly(1, 2, 3, 4),
  remaining: oneOf(0, 1, 9),
  intervalMillis: oneOf(600_000, 1_800_000),
  dailyRemaining: seldom(0, 1, 5),
  dailyResetMillis: oneOf(700_000),
  retryAfterMillis: oneOf(300_000)
})

/** Acquire, release one of the permits, or let time pass: the oftener it is listed, the oftener it happens. */
const Step = Schema.Union([
  Acquire,
  Acquire,
  Acquire,
  Responded,
  Responded,
  Schema.Struct({ _tag: Schema.Literals(["Unused", "Unknown"]), index: between(0, 9) }),
  Schema.Struct({ _tag: Schema.Literal("Pass"), millis: Schema.Literals([207_500, 713_500]) })
])
const Steps = Schema.Array(Step).check(Schema.isMinLength(20), Schema.isMaxLength(60))

/** What happened some time ago: the clock of Redis cannot be set. */
const ageLua = `
local passed = tonumber(ARGV[1])
local all = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
for i = 1, #all, 2 do redis.call('ZADD', KEYS[1], all[i + 1] - passed, all[i]) end
local words = {}
for word in string.gmatch(redis.call('GET', KEYS[2]), '%S+') do words[#words + 1] = word end
for _, i in ipairs({6, 8, 11}) do words[i] = math.max(0, words[i] - passed) end
redis.call('SET', KEYS[2], table.concat(words, ' '))`

const leaseMillis = 1_000_000_000

describe.skipIf(isMissing)("the store in Redis", () => {
  let redis: Awaited<ReturnType<typeof startRedis>>
  beforeAll(async () => {
    redis = await startRedis()
  })
  afterAll(() => redis.end())

  const layerRedis = Layer.unwrap(
    Effect.sync(() => NodeRedis.layer({ socket: { host: "127.0.0.1", port: redis.port } }))
  )
  let locations = 0
  const fresh = () => {
    const bucket = { app: "app", locationId: `location-${++locations}` }
    return { bucket, keys: [`model:{app:${bucket.locationId}}:requests`, `model:{app:${bucket.locationId}}:limits`] }
  }
  const evaluations = Effect.map(
    Effect.flatMap(Redis.Redis, (connection) => connection.send("INFO", "commandstats")),
    (stats) => Number(/cmdstat_evalsha:calls=(\d+)/.exec(String(stats))?.[1] ?? 0)
  )

  // The test clock stands still, so that nothing is flushed: every release rides on an acquire.
  it.effect.prop(
    "decides as memory does, whatever happens",
    [Steps],
    ([steps]) =>
      Effect.gen(function* () {
        const connection = yield* Redis.Redis
        const store = yield* RedisStore.make(connection, "model:")
        const { bucket, keys } = fresh()
        const state = Bucket.make()
        let passed = 0
        const now = () => performance.now() + passed
        const permits: Array<readonly [memory: RateLimitStore.Permit, redis: RateLimitStore.Permit]> = []
        for (const step of [...steps, { _tag: "Acquire" } as const]) {
          // Time passes after an acquire, so that no release waits for one.
          if (step._tag === "Acquire" || step._tag === "Pass") {
            const expected = Bucket.acquire(state, now(), leaseMillis)
            const actual = yield* store.acquire(bucket, leaseMillis)
            assert.strictEqual(actual._tag, expected._tag)
            if (expected._tag === "Granted" && actual._tag === "Granted") {
              const { sequence, used } = expected.permit
              assert.deepInclude({ ...actual.permit }, { sequence, used })
              permits.push([expected.permit, actual.permit])
            } else if (expected._tag !== "Granted" && actual._tag !== "Granted") {
              assert.approximately(actual.millis, expected.millis, 400)
              if (expected._tag === "Wait") assert.deepInclude({ ...actual }, { isProbe: expected.isProbe })
            }
            if (step._tag === "Acquire") continue
            yield* connection.send("EVAL", ageLua, "2", ...keys, String(step.millis))
            passed += step.millis
            continue
          }
          const [pair] = permits.splice(step.index % Math.max(1, permits.length), 1)
          if (pair === undefined) continue
          Bucket.release(state, now(), pair[0], step)
          yield* store.release(bucket, pair[1], step)
        }
      }).pipe(Effect.provide(layerRedis)),
    { timeout: 60_000, arbitrary: { runs: 60 * scale } }
  )

  it.effect("is asked once for each request: a release rides on the next acquire", () =>
    Effect.gen(function* () {
      const store = yield* RedisStore.make(yield* Redis.Redis, "model:")
      const { bucket } = fresh()
      yield* store.release(bucket, granted(yield* store.acquire(bucket, leaseMillis)), responded({ max: 100 }))
      const before = yield* evaluations
      for (let request = 0; request < 10; request++) {
        const permit = granted(yield* store.acquire(bucket, leaseMillis))
        yield* store.release(bucket, permit, responded({ max: 100 }))
      }
      assert.strictEqual((yield* evaluations) - before, 10)
    }).pipe(Effect.provide(layerRedis))
  )

  it.live("is told what other processes need even if no acquire follows", () =>
    Effect.gen(function* () {
      const [one, other] = [
        yield* RedisStore.make(yield* Redis.Redis, "model:"),
        yield* RedisStore.make(yield* Redis.Redis, "model:")
      ]
      const { bucket } = fresh()
      const probe = granted(yield* one.acquire(bucket, leaseMillis))
      yield* one.release(bucket, probe, responded({ max: 1, intervalMillis: 60_000 }))
      // A probe is waited for 50 ms at a time, a limit that is reached for its interval.
      const seen = yield* Effect.repeat(other.acquire(bucket, leaseMillis), {
        until: (acquired) => acquired._tag === "Wait" && !acquired.isProbe
      })
      assert.strictEqual(seen._tag, "Wait")
    }).pipe(Effect.provide(layerRedis))
  )

  it.effect("is told everything before its layer is closed", () =>
    Effect.gen(function* () {
      const connection = yield* Redis.Redis
      const { bucket } = fresh()
      const scope = yield* Scope.make()
      const store = yield* Scope.provide(RedisStore.make(connection, "model:"), scope)
      const probe = granted(yield* store.acquire(bucket, leaseMillis))
      yield* store.release(bucket, probe, responded({ max: 3 }))
      yield* Scope.close(scope, Exit.void)
      const other = yield* RedisStore.make(connection, "model:")
      assert.strictEqual(granted(yield* other.acquire(bucket, leaseMillis)).used, 2)
    }).pipe(Effect.provide(layerRedis))
  )

  /** A store over a connection that does not confirm what it evaluates while it is told to fail or to hang. */
  const unreliable = Effect.gen(function* () {
    const connection = yield* Redis.Redis
    const state: { mode: "up" | "fails" | "hangs" } = { mode: "up" }
    const evaluated = Latch.makeUnsafe()
    const store = yield* RedisStore.make(
      {
        ...connection,
        eval: (script) => {
          const evaluate = connection.eval(script)
          return (...params) => {
            if (state.mode === "up") return evaluate(...params)
            if (state.mode === "hangs")
              return evaluate(...params).pipe(Effect.andThen(evaluated.open), Effect.andThen(Effect.never))
            return Effect.fail(new Redis.RedisError({ cause: new Error("ECONNRESET") }))
          }
        }
      },
      "model:"
    )
    return { evaluated, state, store }
  })

  it.effect("is told again what it did not confirm, and that changes nothing", () =>
    Effect.gen(function* () {
      const { evaluated, state, store } = yield* unreliable
      const { bucket } = fresh()
      const acquire = store.acquire(bucket, leaseMillis)
      const first = granted(yield* acquire)
      yield* store.release(bucket, first, responded({ max: 100, dailyRemaining: 3, dailyResetMillis: 60_000 }))
      const [unused, second] = [granted(yield* acquire), granted(yield* acquire)]
      yield* store.release(bucket, unused, { _tag: "Unused" })
      yield* store.release(bucket, second, responded({ max: 100 }))
      state.mode = "fails"
      yield* Effect.flip(acquire)
      // Applied, with a permit that nobody got, but interrupted before it was confirmed.
      state.mode = "hangs"
      const hanging = yield* Effect.forkChild(acquire)
      yield* evaluated.await
      yield* Fiber.interrupt(hanging)
      state.mode = "up"
      // The first, the second, the one that nobody got; of the day's three, two are granted.
      assert.strictEqual(granted(yield* acquire).used, 4)
      assert.deepInclude({ ...(yield* acquire) }, { _tag: "Wait", isProbe: true })
    }).pipe(Effect.provide(layerRedis))
  )

  it.effect("is not told what is older than two seconds", () =>
    Effect.gen(function* () {
      const { state, store } = yield* unreliable
      const { bucket } = fresh()
      const probe = granted(yield* store.acquire(bucket, leaseMillis))
      state.mode = "fails"
      yield* store.release(bucket, probe, responded({ max: 100 }))
      yield* TestClock.adjust("3 seconds")
      state.mode = "up"
      assert.deepInclude({ ...(yield* store.acquire(bucket, leaseMillis)) }, { _tag: "Wait", isProbe: true })
    }).pipe(Effect.provide(layerRedis))
  )

  it.effect("is not broken for everybody by nonsense that it stores", () =>
    Effect.gen(function* () {
      const connection = yield* Redis.Redis
      const store = yield* RedisStore.make(connection, "model:")
      for (const words of [
        "nonsense",
        "",
        Array.from({ length: 11 }, () => "nan").join(" "),
        Array.from({ length: 11 }, () => "inf").join(" "),
        Array.from({ length: 11 }, () => "9e15").join(" "),
        Array.from({ length: 11 }, () => "-1").join(" "),
        "epoch 5 0 9e15 1e300 9e14 1e15 9e14 0 99 9e14"
      ]) {
        const { bucket, keys } = fresh()
        yield* connection.send("SET", keys[1] ?? "", words)
        const probe = granted(yield* store.acquire(bucket, leaseMillis))
        yield* store.release(bucket, probe, responded({ max: 5, intervalMillis: 60_000 }))
        granted(yield* store.acquire(bucket, leaseMillis))
      }
      const { bucket, keys } = fresh()
      yield* connection.send("LPUSH", keys[1] ?? "", "not a string")
      granted(yield* store.acquire(bucket, leaseMillis))
    }).pipe(Effect.provide(layerRedis))
  )

  it.live("is not kept busy by nonsense in the headers, and no location is stopped by it", () =>
    Effect.gen(function* () {
      for (const nonsense of ["1e19", "1e15", "9e15", "NaN", "-1", "0", "0.5", "1,000", ""]) {
        const names = ["max", "remaining", "interval-milliseconds", "daily-remaining", "daily-reset"]
        const headers = Object.fromEntries(names.map((name) => [`x-ratelimit-${name}`, nonsense]))
        const before = yield* evaluations
        const { layer } = answering(200, JSON.stringify(applied), headers)
        const exits = yield* Effect.forEach(
          Array.from({ length: 20 }, (_, index) => `${index}`),
          (conversationId) =>
            Effect.result(
              Conversations.update({
                conversationId,
                locationId: `${nonsense}-${Number(conversationId) % 2}`,
                starred: true
              })
            ),
          { concurrency: 4 }
        ).pipe(
          Effect.provide(
            HighLevelClient.layer({ token: Redacted.make("token"), app: "app" }).pipe(
              Layer.provide([RateLimiter.layerRedis({ prefix: "nonsense:" }), layer])
            )
          )
        )
        // A day of nothing is exhausted, for an interval: there is no credible reset.
        const successes = exits.filter(({ _tag }) => _tag === "Success").length
        assert.strictEqual(successes, nonsense === "0" ? 2 : 20, nonsense)
        for (const exit of exits) {
          if (exit._tag === "Success") continue
          assert(exit.failure._tag === "DailyLimitExceeded")
          assert.isAtMost(exit.failure.resetsAt.epochMilliseconds, Date.now() + 10_000)
        }
        assert.isAtMost((yield* evaluations) - before, 60)
      }
    }).pipe(Effect.provide(layerRedis))
  )
})
