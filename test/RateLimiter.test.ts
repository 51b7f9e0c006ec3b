import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as HttpClient from "effect/http/HttpClient"
import { TestClock } from "effect/testing"
import { Conversations, HighLevelClient, type RateLimitStore, RateLimiter } from "effect-highlevel"
import { Sandbox } from "effect-highlevel/testing"
import * as Bucket from "../src/rateLimit/bucket.ts"
import * as MemoryStore from "../src/rateLimit/memoryStore.ts"
import { ids, steppingClock } from "./harness.ts"
import { responded, fullestWindow, granted } from "./rateLimit.ts"

/** A request in a permit of a bucket. */
const use = (
  limiter: RateLimiter.Service,
  bucket: RateLimitStore.Bucket,
  {
    attempt,
    leaseMillis
  }: { leaseMillis: number; attempt: () => Effect.Effect<{ value: unknown; observation: RateLimitStore.Observation }> }
) =>
  Effect.gen(function* () {
    const permit = yield* limiter.acquire(bucket, { leaseMillis, timeoutMillis: Infinity })
    const { observation } = yield* attempt()
    yield* limiter.release(bucket, permit, observation)
  })

/** A bucket that has learnt its limits at time 0. */
const warm = (max: number, intervalMillis = 1000, told: Partial<RateLimitStore.Responded> = {}) => {
  const state = Bucket.make()
  Bucket.release(
    state,
    0,
    granted(Bucket.acquire(state, 0, 30_000)),
    responded({ max, intervalMillis, remaining: max - 1, ...told })
  )
  return state
}

describe("the rules of a bucket", () => {
  it("a cold bucket has one probe in flight, whatever became of the last", () => {
    const state = Bucket.make()
    const probe = granted(Bucket.acquire(state, 0, 30_000))
    assert.deepStrictEqual(Bucket.acquire(state, 0, 30_000), { _tag: "Wait", millis: 50, isProbe: true })
    Bucket.release(state, 10, probe, { _tag: "Unknown" })
    granted(Bucket.acquire(state, 10, 30_000))
    assert.strictEqual(Bucket.acquire(state, 10, 30_000)._tag, "Wait")
  })

  it("counts what is in flight and what ended less than an interval ago", () => {
    const state = warm(3)
    const first = granted(Bucket.acquire(state, 100, 30_000))
    granted(Bucket.acquire(state, 100, 30_000))
    Bucket.release(state, 400, first, responded())
    // The probe counts until 1000, `first` until 1400, the other is in flight.
    assert.deepStrictEqual(Bucket.acquire(state, 500, 30_000), { _tag: "Wait", millis: 500, isProbe: false })
    granted(Bucket.acquire(state, 1000, 30_000))
    assert.deepStrictEqual(Bucket.acquire(state, 1000, 30_000), { _tag: "Wait", millis: 400, isProbe: false })
  })

  it("an attempt whose end is unknown counts as ended one interval after it was given up", () => {
    const state = warm(1)
    Bucket.release(state, 1500, granted(Bucket.acquire(state, 1000, 30_000)), { _tag: "Unknown" })
    assert.deepStrictEqual(Bucket.acquire(state, 2600, 30_000), { _tag: "Wait", millis: 900, isProbe: false })
    granted(Bucket.acquire(state, 3500, 30_000))
  })

  it("a permit that is never released expires with its lease", () => {
    const state = warm(1)
    granted(Bucket.acquire(state, 1000, 500))
    // The lease and its grace end at 2500, and it counts as ended until 3500.
    assert.deepStrictEqual(Bucket.acquire(state, 2500, 500), { _tag: "Wait", millis: 1000, isProbe: false })
    granted(Bucket.acquire(state, 3500, 500))
  })

  it("a lowered limit is obeyed at once, and an older answer does not raise it", () => {
    const state = warm(10)
    const [older, newer] = [granted(Bucket.acquire(state, 10, 30_000)), granted(Bucket.acquire(state, 10, 30_000))]
    Bucket.release(state, 20, newer, responded({ max: 2, remaining: 0 }))
    Bucket.release(state, 30, older, responded({ max: 10, remaining: 8 }))
    assert.strictEqual(state.limit?.max, 2)
    assert.strictEqual(Bucket.acquire(state, 40, 30_000)._tag, "Wait")
  })

  it("a lower limit in an older answer is obeyed, too", () => {
    const state = warm(10)
    const [older, newer] = [granted(Bucket.acquire(state, 10, 30_000)), granted(Bucket.acquire(state, 10, 30_000))]
    Bucket.release(state, 20, newer, responded({ max: 10, remaining: 8 }))
    Bucket.release(state, 30, older, responded({ max: 2, remaining: 0 }))
    assert.strictEqual(state.limit?.max, 2)
  })

  it("backs off by what others have used, for one interval", () => {
    const state = warm(10)
    // Of ten, two are ours and three are left: five are somebody else's.
    Bucket.release(state, 100, granted(Bucket.acquire(state, 50, 30_000)), responded({ max: 10, remaining: 3 }))
    const leases = [1, 2, 3].map(() => granted(Bucket.acquire(state, 100, 30_000)))
    assert.strictEqual(Bucket.acquire(state, 100, 30_000)._tag, "Wait")
    leases.forEach((lease) => Bucket.release(state, 150, lease, responded()))
    assert.deepStrictEqual(Bucket.acquire(state, 200, 30_000), { _tag: "Wait", millis: 800, isProbe: false })
    granted(Bucket.acquire(state, 1100, 30_000))
  })

  it("goes on backing off while others use as much", () => {
    const state = warm(10)
    const [first, second] = [granted(Bucket.acquire(state, 50, 30_000)), granted(Bucket.acquire(state, 50, 30_000))]
    // Of ten, three are ours and two are left: five are somebody else's, and still are later.
    Bucket.release(state, 100, first, responded({ max: 10, remaining: 2 }))
    Bucket.release(state, 900, second, responded({ max: 10, remaining: 2 }))
    assert.deepStrictEqual(state.external, { count: 5, until: 1900 })
    // Less counts when that is over, and not before.
    const [early, late] = [granted(Bucket.acquire(state, 1899, 30_000)), granted(Bucket.acquire(state, 1899, 30_000))]
    Bucket.release(state, 1899, early, responded({ max: 10, remaining: 6 }))
    assert.deepStrictEqual(state.external, { count: 5, until: 1900 })
    Bucket.release(state, 1900, late, responded({ max: 10, remaining: 6 }))
    assert.deepStrictEqual(state.external, { count: 1, until: 2900 })
  })

  it("a 429 counts as used and holds the whole bucket", () => {
    const state = warm(10)
    Bucket.release(state, 100, granted(Bucket.acquire(state, 50, 30_000)), responded({ isLimited: true }))
    assert.deepStrictEqual(Bucket.acquire(state, 100, 30_000), { _tag: "Wait", millis: 1000, isProbe: false })
    Bucket.release(
      state,
      1200,
      granted(Bucket.acquire(state, 1100, 30_000)),
      responded({ isLimited: true, retryAfterMillis: 5000 })
    )
    assert.deepStrictEqual(Bucket.acquire(state, 2200, 30_000), { _tag: "Wait", millis: 4000, isProbe: false })
  })

  it("a reached daily limit fails at once, after the responses in flight, until it resets", () => {
    const state = warm(10, 1000, { dailyRemaining: 1, dailyResetMillis: 60_000 })
    const last = granted(Bucket.acquire(state, 10, 30_000))
    assert.deepStrictEqual(Bucket.acquire(state, 10, 30_000), { _tag: "Wait", millis: 50, isProbe: true })
    Bucket.release(state, 20, last, responded({ max: 10, dailyRemaining: 0, dailyResetMillis: 59_980 }))
    assert.deepStrictEqual(Bucket.acquire(state, 30, 30_000), { _tag: "DailyLimit", millis: 59_970 })
    granted(Bucket.acquire(state, 60_000, 30_000))
  })

  it("an exhausted day is probed when it ends, one request at a time, until more remain", () => {
    // Without a reset, the day may be over after an interval.
    const state = warm(10, 1000, { dailyRemaining: 0 })
    assert.deepStrictEqual(Bucket.acquire(state, 500, 30_000), { _tag: "DailyLimit", millis: 500 })
    const probe = granted(Bucket.acquire(state, 1000, 30_000))
    assert.deepStrictEqual(Bucket.acquire(state, 1000, 30_000), { _tag: "Wait", millis: 50, isProbe: true })
    Bucket.release(state, 1100, probe, responded({ max: 10, intervalMillis: 2000, dailyRemaining: 0 }))
    assert.deepStrictEqual(Bucket.acquire(state, 1200, 30_000), { _tag: "DailyLimit", millis: 1900 })
    const again = granted(Bucket.acquire(state, 3100, 30_000))
    Bucket.release(state, 3200, again, responded({ isHighLevel: false }))
    const last = granted(Bucket.acquire(state, 3200, 30_000))
    assert.strictEqual(Bucket.acquire(state, 3200, 30_000)._tag, "Wait")
    Bucket.release(state, 3300, last, responded({ max: 10, dailyRemaining: 7 }))
    granted(Bucket.acquire(state, 3300, 30_000))
    granted(Bucket.acquire(state, 3300, 30_000))
  })

  it("what was not sent is not counted as one of the day's requests", () => {
    const state = warm(10, 1000, { dailyRemaining: 1, dailyResetMillis: 60_000 })
    Bucket.release(state, 10, granted(Bucket.acquire(state, 10, 30_000)), { _tag: "Unused" })
    granted(Bucket.acquire(state, 10, 30_000))
  })

  it("a permit of an earlier life of the bucket is counted, and teaches the limit", () => {
    const [earlier, later] = [Bucket.make("1"), Bucket.make("2")]
    const permit = granted(Bucket.acquire(earlier, 0, 30_000))
    const other = granted(Bucket.acquire(later, 0, 30_000))
    assert.strictEqual(permit.sequence, other.sequence)
    Bucket.release(later, 10, permit, responded({ max: 3, intervalMillis: 1000 }))
    // It and the other one count: one more.
    granted(Bucket.acquire(later, 10, 30_000))
    assert.strictEqual(Bucket.acquire(later, 10, 30_000)._tag, "Wait")
  })

  it("a server that sends no limits has the documented ones; a gateway has none", () => {
    const state = Bucket.make()
    Bucket.release(state, 0, granted(Bucket.acquire(state, 0, 30_000)), responded({ isHighLevel: false }))
    assert.isTrue(state.limit === undefined)
    Bucket.release(state, 0, granted(Bucket.acquire(state, 0, 30_000)), responded())
    assert.strictEqual(state.limit?.max, 100)
  })
})

const Simulation = Schema.Struct({
  max: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 20 })),
  slowest: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 3000 })),
  calls: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 120 }))
})

describe("no window of the server", () => {
  it.effect.prop("holds more than the limit, whatever the jitter and the wall clock", [Simulation], ([simulation]) =>
    Effect.gen(function* () {
      const { calls, max, slowest } = simulation
      const clock = yield* Clock.Clock
      let offset = 0
      const stepping = steppingClock(clock, () => offset)
      const limiter = yield* RateLimiter.makeMemory
      const received: Array<number> = []
      const call = use(
        limiter,
        { app: "app", locationId: "location" },
        {
          leaseMillis: 30_000,
          attempt: () =>
            Effect.gen(function* () {
              // Somewhere between its start and its end the server receives it.
              yield* Effect.sleep(yield* Random.nextIntBetween(0, slowest))
              received.push(clock.currentTimeMillisUnsafe())
              offset = yield* Random.nextIntBetween(-2, 3).pipe(Effect.map((hours) => hours * 3_600_000))
              yield* Effect.sleep(yield* Random.nextIntBetween(0, slowest))
              return { value: undefined, observation: responded({ max, intervalMillis: 1000 }) }
            })
        }
      )
      const fiber = yield* Effect.forkChild(
        Effect.forEach(Array.from({ length: calls }), () => call, { concurrency: "unbounded", discard: true }).pipe(
          Effect.provideService(Clock.Clock, stepping)
        )
      )
      yield* TestClock.adjust("25 minutes")
      assert.isDefined(fiber.pollUnsafe(), "a location stands still")
      yield* Fiber.join(fiber)
      assert.lengthOf(received, calls)
      assert.isAtMost(fullestWindow(received, 1000), max)
    })
  )
})

const client = (options?: Partial<HighLevelClient.Options>) =>
  HighLevelClient.layer({ token: Redacted.make(Sandbox.defaultToken), ...options })

const seeded = (count: number, locationId = ids.locationId) =>
  Array.from({ length: count }, (_, index) => ({ id: `${locationId}-${index}`, locationId, starred: false }))

const updateAll = (conversations: ReadonlyArray<Sandbox.Seed>) =>
  Effect.forEach(
    conversations,
    ({ id, locationId }) => Effect.exit(Conversations.update({ conversationId: id, locationId, starred: true })),
    { concurrency: "unbounded" }
  )

const bucket = { app: "app", locationId: "location" }
const unbounded = { leaseMillis: 30_000, timeoutMillis: Infinity }

describe("the calls that wait for a location", () => {
  /** A limiter whose location has one request at a time in flight, and calls that tell when they got a permit. */
  const queued = Effect.gen(function* () {
    const limiter = yield* RateLimiter.makeMemory
    const probe = yield* limiter.acquire(bucket, unbounded)
    const got: Array<number> = []
    const call = (name: number, timeoutMillis = Infinity) =>
      limiter.acquire(bucket, { leaseMillis: 30_000, timeoutMillis }).pipe(
        Effect.map(() => void got.push(name)),
        Effect.forkChild({ startImmediately: true })
      )
    return { call, got, release: (max: number) => limiter.release(bucket, probe, responded({ max })) }
  })

  it.effect(
    "are many, and come first who came first",
    () =>
      Effect.gen(function* () {
        const { call, got, release } = yield* queued
        const names = Array.from({ length: 20_000 }, (_, name) => name)
        const fibers = yield* Effect.forEach(names, (name) => call(name))
        // Every third leaves, some of them when they would have been next.
        const leaving = fibers.filter((_, name) => name % 3 === 0)
        yield* Effect.forEach(leaving.slice(1), Fiber.interrupt)
        yield* release(1_000_000)
        yield* Effect.forEach(fibers, Fiber.await)
        assert.deepStrictEqual(
          got,
          names.filter((name) => name === 0 || name % 3 > 0)
        )
      }),
    // Where each join or turn looked at all who wait, it would take longer.
    10_000
  )

  it.effect("leave at once when they are interrupted or out of time", () =>
    Effect.gen(function* () {
      const { call, got, release } = yield* queued
      const [first, second, third] = [yield* call(1), yield* call(2, 1000), yield* call(3)]
      yield* TestClock.adjust("1 second")
      const late = second.pollUnsafe()
      assert(late !== undefined && late._tag === "Failure")
      assert.match(String(late.cause), /AcquireTimeout/)
      yield* Fiber.interrupt(first)
      yield* release(100)
      yield* Fiber.await(third)
      assert.deepStrictEqual(got, [3])
    })
  )

  it.effect("pass the turn on when they are interrupted as they get it", () =>
    Effect.gen(function* () {
      const { call, got, release } = yield* queued
      const fibers = yield* Effect.forEach([1, 2, 3, 4], (name) => call(name))
      const [first, second, third, fourth] = fibers
      assert(first !== undefined && second !== undefined && third !== undefined && fourth !== undefined)
      // Each hands over to the next, which is interrupted before it goes on.
      first.interruptUnsafe()
      second.interruptUnsafe()
      third.interruptUnsafe()
      yield* release(100)
      yield* Fiber.await(fourth)
      assert.deepStrictEqual(got, [4])
    })
  )
})

describe("many locations", () => {
  const told = responded({ max: 1, intervalMillis: 60_000, dailyRemaining: 5, dailyResetMillis: 86_400_000 })

  it.effect("cost as much each as few do", () =>
    Effect.gen(function* () {
      const limiter = yield* RateLimiter.makeMemory
      for (let index = 0; index < 40_000; index++) {
        const location = { app: "app", locationId: String(index) }
        yield* limiter.release(location, yield* limiter.acquire(location, unbounded), told)
      }
      // None of them is forgotten while it is full.
      for (const locationId of ["0", "39999"]) {
        const full = limiter.acquire({ app: "app", locationId }, { leaseMillis: 30_000, timeoutMillis: 0 })
        assert.strictEqual((yield* Effect.flip(full))._tag, "AcquireTimeout")
      }
    })
  )

  it("are forgotten when nothing but a limit is known of them, a day that is exhausted is not", () => {
    const store = MemoryStore.make()
    const learn = (key: string, now: number, dailyRemaining: number) =>
      store.release(key, now, granted(store.acquire(key, now, 1000)), { ...told, max: 100, dailyRemaining })
    learn("open", 0, 5)
    learn("exhausted", 0, 0)
    for (let index = 0; index < 10_000; index++) learn(String(index), 60_000, 5)
    assert.strictEqual(store.acquire("exhausted", 60_000, 1000)._tag, "DailyLimit")
    granted(store.acquire("open", 60_000, 1000))
    assert.deepInclude({ ...store.acquire("open", 60_000, 1000) }, { _tag: "Wait", isProbe: true })
  })
})

describe("a client against a server that enforces its limits", () => {
  for (const window of ["fixed", "sliding"] as const) {
    it.effect(`applies every update without one 429, in ${window} windows`, () =>
      Effect.gen(function* () {
        const fiber = yield* Effect.forkChild(updateAll(seeded(100)))
        yield* TestClock.adjust("10 minutes")
        const exits = yield* Fiber.join(fiber)
        const sandbox = yield* Sandbox.Sandbox
        assert.isTrue(exits.every((exit) => exit._tag === "Success"))
        assert.lengthOf(yield* sandbox.applied, 100)
        assert.isTrue((yield* sandbox.requests).every(({ status }) => status === 200))
        const times = (yield* sandbox.requests).map(({ receivedAt }) => receivedAt)
        assert.isAtMost(fullestWindow(times, 10_000), 10)
        // And it does not dawdle: a full window each interval.
        assert.isAtMost(Math.max(...times) - Math.min(...times), 100_000)
      }).pipe(
        Effect.provide(
          client().pipe(
            Layer.provideMerge(
              Sandbox.layer({
                conversations: seeded(100),
                rateLimit: { max: 10, intervalMillis: 10_000, window }
              })
            )
          )
        )
      )
    )
  }

  it.effect("backs off from another client and ends with every update applied", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const tenant = yield* Effect.forkChild(
        Effect.forever(Effect.andThen(sandbox.consumeExternally(ids.locationId, 5), Effect.sleep("10 seconds")))
      )
      const fiber = yield* Effect.forkChild(updateAll(seeded(50)))
      yield* TestClock.adjust("20 minutes")
      const exits = yield* Fiber.join(fiber)
      yield* Fiber.interrupt(tenant)
      assert.isTrue(exits.every((exit) => exit._tag === "Success"))
    }).pipe(
      Effect.provide(
        client().pipe(
          Layer.provideMerge(
            Sandbox.layer({ conversations: seeded(50), rateLimit: { max: 10, intervalMillis: 10_000 } })
          )
        )
      )
    )
  )

  it.effect("a reached daily limit is DailyLimitExceeded, with its reset, and sends nothing more", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const conversations = seeded(8)
      const exits = yield* Effect.forEach(conversations, (seed) => Effect.map(updateAll([seed]), ([exit]) => exit))
      assert.deepStrictEqual(
        exits.map((exit) => exit?._tag),
        ["Success", "Success", "Success", "Success", "Success", "Failure", "Failure", "Failure"]
      )
      assert.lengthOf(yield* sandbox.requests, 5)
      const error = yield* Effect.flip(Conversations.update({ conversationId: "a", locationId: ids.locationId }))
      assert(error._tag === "DailyLimitExceeded")
      assert.strictEqual(error.attempts, 0)
      assert.strictEqual(error.resetsAt.epochMilliseconds, 24 * 60 * 60 * 1000)
      yield* TestClock.adjust("24 hours")
      assert.strictEqual((yield* updateAll(conversations.slice(0, 1)))[0]?._tag, "Success")
    }).pipe(
      Effect.provide(
        client().pipe(Layer.provideMerge(Sandbox.layer({ conversations: seeded(8), rateLimit: { daily: 5 } })))
      )
    )
  )

  it.effect.each([
    ["reset-body", 1000],
    ["disconnect", 2000]
  ] as const)(
    "after a %s the next request waits %s ms: what was cut off has begun, what is lost may still arrive",
    ([kind, millis]) =>
      Effect.gen(function* () {
        const sandbox = yield* Sandbox.Sandbox
        yield* Conversations.update({ ...ids, starred: true })
        yield* TestClock.adjust("1 second")
        yield* sandbox.fault({ kind })
        const fiber = yield* Effect.forkChild(Conversations.update({ ...ids, starred: false }))
        yield* TestClock.adjust(millis - 1)
        assert.lengthOf(yield* sandbox.requests, 2)
        yield* TestClock.adjust(1)
        yield* Fiber.join(fiber)
        assert.lengthOf(yield* sandbox.requests, 3)
      }).pipe(
        Effect.provide(
          HighLevelClient.layer({ token: Redacted.make("sandbox-token"), retry: { baseDelay: "1 millis" } }).pipe(
            Layer.provideMerge(Sandbox.layer({ rateLimit: { max: 1, intervalMillis: 1000 } }))
          )
        )
      )
  )

  it.effect("a location's backlog does not delay another's", () =>
    Effect.gen(function* () {
      const backlog = yield* Effect.forkChild(updateAll(seeded(200, "busy")))
      yield* TestClock.adjust("1 second")
      const other = yield* Effect.forkChild(updateAll(seeded(5, "quiet")))
      yield* TestClock.adjust("1 second")
      const exits = yield* Fiber.join(other)
      assert.isTrue(exits.every((exit) => exit._tag === "Success"))
      assert.isUndefined(backlog.pollUnsafe())
      yield* Fiber.interrupt(backlog)
    }).pipe(
      Effect.provide(
        client().pipe(
          Layer.provideMerge(
            Sandbox.layer({
              conversations: [...seeded(200, "busy"), ...seeded(5, "quiet")],
              rateLimit: { max: 10, intervalMillis: 10_000 }
            })
          )
        )
      )
    )
  )

  it.effect("calls that are interrupted while they wait leave the queue to the others", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* updateAll(seeded(10))
      const leaving = yield* Effect.forkChild(updateAll(seeded(20)))
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(leaving)
      const staying = yield* Effect.forkChild(updateAll(seeded(10)))
      yield* TestClock.adjust("10 seconds")
      const exits = yield* Fiber.join(staying)
      assert.isTrue(exits.every((exit) => exit._tag === "Success"))
      assert.lengthOf(yield* sandbox.requests, 20)
    }).pipe(
      Effect.provide(
        client().pipe(
          Layer.provideMerge(
            Sandbox.layer({ conversations: seeded(20), rateLimit: { max: 10, intervalMillis: 10_000 } })
          )
        )
      )
    )
  )

  it.effect("a call that comes later does not overtake one that waits, even if a permit is free already", () =>
    Effect.gen(function* () {
      const limiter = yield* RateLimiter.makeMemory
      const begun: Array<string> = []
      const call = (name: string) =>
        use(
          limiter,
          { app: "app", locationId: "location" },
          {
            leaseMillis: 30_000,
            attempt: () =>
              Effect.sync(() => {
                begun.push(name)
                return { value: name, observation: responded({ max: 1, intervalMillis: 1000, remaining: 0 }) }
              })
          }
        )
      // Time passes, but who sleeps is woken late.
      let now = 0
      const clock = yield* Clock.Clock
      const late = {
        ...clock,
        monotonicTimeNanosUnsafe: () => BigInt(now) * 1_000_000n,
        sleep: () => Effect.never
      }
      yield* Effect.gen(function* () {
        yield* call("first")
        yield* Effect.forkChild(call("waits"), { startImmediately: true })
        now = 5000
        yield* Effect.forkChild(call("later"), { startImmediately: true })
        assert.deepStrictEqual(begun, ["first"])
      }).pipe(Effect.provideService(Clock.Clock, late))
    })
  )

  it.effect("without a rate limiter, the server refuses and the retry does what it can", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(updateAll(seeded(100)))
      yield* TestClock.adjust("10 minutes")
      yield* Fiber.join(fiber)
      const requests = yield* (yield* Sandbox.Sandbox).requests
      assert.isTrue(requests.some(({ status }) => status === 429))
    }).pipe(
      Effect.provide(
        client({ rateLimit: false }).pipe(
          Layer.provideMerge(
            Sandbox.layer({ conversations: seeded(100), rateLimit: { max: 10, intervalMillis: 10_000 } })
          )
        )
      )
    )
  )
})

describe("an unavailable store", () => {
  const clientOver = (limiter: RateLimiter.Service) =>
    client().pipe(Layer.provide(Layer.succeed(RateLimiter.RateLimiter, limiter)), Layer.provide(Sandbox.layer()))

  it.effect("that never responds can be left, by interruption and by the call's timeout", () =>
    Effect.gen(function* () {
      const limiter = RateLimiter.makeWith({ acquire: () => Effect.never, release: () => Effect.never })
      const call = Conversations.update(ids, { timeout: "3 seconds" }).pipe(Effect.provide(clientOver(limiter)))
      const leaving = yield* Effect.forkChild(call)
      const staying = yield* Effect.forkChild(Effect.flip(call))
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(leaving)
      yield* TestClock.adjust("2 seconds")
      const error = yield* Fiber.join(staying)
      assert(error._tag === "RequestTimeout")
      assert.deepInclude({ ...error }, { scope: "call", attempts: 0, waitingFor: "rate limit", applied: "no" })
    })
  )

  it.effect("that fails is named by the call's timeout, with its cause", () =>
    Effect.gen(function* () {
      const limiter = RateLimiter.makeWith({
        acquire: () => Effect.fail(new Error("ECONNREFUSED")),
        release: () => Effect.void
      })
      const fiber = yield* Conversations.update(ids, { timeout: "10 seconds" }).pipe(
        Effect.provide(clientOver(limiter)),
        Effect.flip,
        Effect.forkChild
      )
      yield* TestClock.adjust("10 seconds")
      const error = yield* Fiber.join(fiber)
      assert(error._tag === "RequestTimeout")
      assert.strictEqual(error.waitingFor, "rate limit store")
      assert.match(error.message, /waited for the rate limit store for longer than 10000 ms, after: .*ECONNREFUSED/)
    })
  )

  it.effect("is waited for, then RateLimiterUnavailable, and nothing was sent", () =>
    Effect.gen(function* () {
      const limiter = RateLimiter.makeWith(
        { acquire: () => Effect.fail("unavailable"), release: () => Effect.fail("unavailable") },
        { maxWaitMillis: 5000 }
      )
      let requests = 0
      const fiber = yield* Effect.forEach([1, 2, 3], () => Effect.flip(Conversations.update(ids)), {
        concurrency: "unbounded"
      }).pipe(
        Effect.provide(
          client().pipe(
            Layer.provide(Layer.succeed(RateLimiter.RateLimiter, limiter)),
            Layer.provide(
              Layer.succeed(
                HttpClient.HttpClient,
                HttpClient.make(() => Effect.sync(() => requests++).pipe(Effect.andThen(Effect.never)))
              )
            )
          )
        ),
        Effect.forkChild
      )
      yield* TestClock.adjust("4 seconds")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("2 seconds")
      const errors = yield* Fiber.join(fiber)
      // Those that waited behind the first do not each wait as long again.
      assert.deepStrictEqual(
        errors.map(({ _tag }) => _tag),
        ["RateLimiterUnavailable", "RateLimiterUnavailable", "RateLimiterUnavailable"]
      )
      assert.strictEqual(requests, 0)
    })
  )
})
