import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Headers from "effect/http/Headers"
import * as HttpClient from "effect/http/HttpClient"
import { TestClock } from "effect/testing"
import { Conversations, HighLevelClient, type RateLimitStore, RateLimiter } from "effect-highlevel"
import { Sandbox } from "effect-highlevel/testing"
import * as Bucket from "../src/rateLimit/bucket.ts"
import * as RateLimitHeaders from "../src/rateLimit/headers.ts"
import { answering, ids, settle, updateOver } from "./harness.ts"
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

const Nonsense = Schema.Literals([
  "1",
  "100",
  "0",
  "1e19",
  "9e15",
  "1e15",
  "0.5",
  "-1",
  "",
  "3600000",
  "172800000",
  "1000000"
])

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
    assert.deepStrictEqual(Bucket.acquire(state, 30, 30_000), { _tag: "DailyLimit", resetsAtMillis: 60_000 })
    granted(Bucket.acquire(state, 60_000, 30_000))
  })

  it("a day without requests whose end is not known is probed after an interval, one request at a time", () => {
    const state = warm(10)
    const two = [granted(Bucket.acquire(state, 10, 30_000)), granted(Bucket.acquire(state, 10, 30_000))] as const
    Bucket.release(state, 20, two[1], responded({ max: 10, dailyRemaining: 0 }))
    Bucket.release(state, 30, two[0], responded({ max: 10, dailyRemaining: 1 }))
    assert.deepStrictEqual(Bucket.acquire(state, 40, 30_000), { _tag: "DailyLimit", resetsAtMillis: 1020 })
    for (const now of [1020, 3000]) {
      const probe = granted(Bucket.acquire(state, now, 30_000))
      assert.deepStrictEqual(Bucket.acquire(state, now, 30_000), { _tag: "Wait", millis: 50, isProbe: true })
      Bucket.release(state, now + 10, probe, responded({ max: 10, dailyRemaining: 0 }))
      assert.strictEqual(Bucket.acquire(state, now + 20, 30_000)._tag, "DailyLimit")
    }
    Bucket.release(state, 6010, granted(Bucket.acquire(state, 6000, 30_000)), responded({ max: 10, dailyRemaining: 9 }))
    granted(Bucket.acquire(state, 6020, 30_000))
    granted(Bucket.acquire(state, 6020, 30_000))
  })

  it("a server that sends no limits has the documented ones; a gateway has none", () => {
    const state = Bucket.make()
    Bucket.release(state, 0, granted(Bucket.acquire(state, 0, 30_000)), responded({ isHighLevel: false }))
    assert.isTrue(state.limit === undefined)
    Bucket.release(state, 0, granted(Bucket.acquire(state, 0, 30_000)), responded())
    assert.strictEqual(state.limit?.max, 100)
  })
})

describe("the numbers of headers", () => {
  const names = {
    max: "x-ratelimit-max",
    remaining: "x-ratelimit-remaining",
    intervalMillis: "x-ratelimit-interval-milliseconds",
    dailyRemaining: "x-ratelimit-daily-remaining",
    dailyResetMillis: "x-ratelimit-daily-reset"
  } as const
  const read = (text: string, options: { readonly isJson?: boolean; readonly status?: number } = {}) => {
    const headers = Object.fromEntries(Object.values(names).map((name) => [name, text]))
    return RateLimitHeaders.read(
      { status: 200, isJson: true, ...options, headers: Headers.fromInput({ ...headers, "retry-after": "7" }) },
      0,
      60_000,
      Context.empty()
    )
  }

  it.each<ReadonlyArray<string | number | undefined>>([
    ["1", 1, 1, 1, 1, 1],
    ["0", undefined, 0, undefined, 0, undefined],
    ["1000000", 1_000_000, 1_000_000, 1_000_000, 1_000_000, 1_000_000],
    ["1000001", undefined, undefined, 1_000_001, undefined, 1_000_001],
    ["3600001", undefined, undefined, undefined, undefined, 3_600_001],
    ["172800000", undefined, undefined, undefined, undefined, 172_800_000],
    ["172800001"],
    ["9e15"],
    ["1e15"],
    ["1e19"],
    ["1e999"],
    ["-1"],
    ["0.5"],
    ["12.5"],
    ["1,000"],
    ["NaN"],
    ["many"],
    ["100, 25"],
    [""],
    [" "]
  ])(
    "%j is believed where it can be right",
    (text = "", max, remaining, intervalMillis, dailyRemaining, dailyResetMillis) => {
      assert.deepStrictEqual<unknown>(read(String(text)), {
        _tag: "Responded",
        isHighLevel: true,
        isLimited: false,
        max,
        remaining,
        intervalMillis,
        dailyRemaining,
        dailyResetMillis,
        retryAfterMillis: 7000
      })
    }
  )

  it("are no limits where the response is not HighLevel's", () => {
    assert.deepStrictEqual<unknown>(read("10", { isJson: false, status: 429 }), {
      _tag: "Responded",
      isHighLevel: false,
      isLimited: true,
      max: undefined,
      remaining: undefined,
      intervalMillis: undefined,
      dailyRemaining: undefined,
      dailyResetMillis: undefined,
      retryAfterMillis: 7000
    })
  })

  it.effect("are counted where they are ignored", () =>
    Effect.gen(function* () {
      const headers = { [names.max]: "0.5", [names.intervalMillis]: "1e19", [names.remaining]: "9" }
      const { layer } = answering(200, `{"success":true,"conversation":{}}`, headers)
      yield* updateOver(layer)
      yield* updateOver(answering(200, "<html>", headers).layer).pipe(Effect.ignore)
      const ignored = (yield* Metric.snapshot).filter(({ id }) => id === "highlevel_ignored_headers")
      assert.deepStrictEqual(
        ignored.map(({ attributes, state }) => [attributes?.["header"], "count" in state ? state.count : 0]),
        [
          [names.max, 1],
          [names.intervalMillis, 1]
        ]
      )
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
  )

  it.effect.prop("stop no location for longer than their bounds", [Schema.Array(Schema.Array(Nonsense))], ([rounds]) =>
    Effect.sync(() => {
      const state = Bucket.make()
      let now = 0
      for (const values of rounds) {
        const headers = Object.fromEntries(Object.values(names).map((name, index) => [name, values[index] ?? "1"]))
        const acquired = Bucket.acquire(state, now, 30_000)
        if (acquired._tag === "Granted") {
          const response = {
            status: values.length % 2 === 0 ? 200 : 429,
            isJson: true,
            headers: Headers.fromInput(headers)
          }
          Bucket.release(state, now, acquired.permit, RateLimitHeaders.read(response, now, 60_000, Context.empty()))
        } else now += acquired._tag === "Wait" ? acquired.millis : acquired.resetsAtMillis - now
        assert.isTrue(Number.isFinite(now))
        const next = Bucket.acquire({ ...state, inFlight: new Map(state.inFlight) }, now, 30_000)
        if (next._tag === "Wait")
          assert.isTrue(Number.isInteger(next.millis) && next.millis > 0 && next.millis <= 3_600_000)
        if (next._tag === "DailyLimit") assert.isAtMost(next.resetsAtMillis - now, 48 * 3_600_000)
      }
    })
  )
})

const Simulation = Schema.Struct({
  max: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 20 })),
  slowest: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 3000 })),
  calls: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 120 })),
  // How many hours the wall clock is off, for two seconds each.
  steps: Schema.NonEmptyArray(Schema.Int.check(Schema.isBetween({ minimum: -48, maximum: 48 })))
})

/** The limiter on a machine whose wall clock is set back and forth. */
const steppedClock = (
  limiter: RateLimiter.Service,
  clock: Clock.Clock,
  steps: ReadonlyArray<number>
): RateLimiter.Service => {
  const currentTimeMillisUnsafe = () => {
    const now = clock.currentTimeMillisUnsafe()
    return now + (steps[Math.floor(now / 2000) % steps.length] ?? 0) * 3_600_000
  }
  const stepped = Object.assign(Object.create(clock), {
    currentTimeMillisUnsafe,
    currentTimeMillis: Effect.sync(currentTimeMillisUnsafe)
  })
  return {
    acquire: (bucket, options) => Effect.provideService(limiter.acquire(bucket, options), Clock.Clock, stepped),
    release: (bucket, permit, observation) =>
      Effect.provideService(limiter.release(bucket, permit, observation), Clock.Clock, stepped)
  }
}

describe("no window of the server", () => {
  it.effect.prop("holds more than the limit, whatever the jitter and the clock", [Simulation], ([simulation]) =>
    Effect.gen(function* () {
      const { calls, max, slowest } = simulation
      const limiter = steppedClock(yield* RateLimiter.makeMemory, yield* Clock.Clock, simulation.steps)
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
              received.push(yield* Clock.currentTimeMillis)
              yield* Effect.sleep(yield* Random.nextIntBetween(0, slowest))
              return { value: undefined, observation: responded({ max, intervalMillis: 1000 }) }
            })
        }
      )
      const fiber = yield* Effect.forkChild(
        Effect.forEach(Array.from({ length: calls }), () => call, { concurrency: "unbounded", discard: true })
      )
      // With one request at a time, each takes two delays and an interval.
      yield* TestClock.adjust(calls * (2 * slowest + 1000))
      assert.isDefined(fiber.pollUnsafe(), "a location was stopped")
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

  it.effect("a turn is passed on by whoever leaves, waiting or at its turn", () =>
    Effect.gen(function* () {
      const limiter = yield* RateLimiter.makeMemory
      const bucket = { app: "app", locationId: "location" }
      // By their number, which a permit has from the bucket.
      const permits: Array<number | undefined> = []
      const acquire = (index: number, timeoutMillis = Infinity) =>
        Effect.forkChild(
          Effect.tap(limiter.acquire(bucket, { leaseMillis: 30_000, timeoutMillis }), ({ sequence }) =>
            Effect.sync(() => void (permits[sequence - 2] = index))
          )
        )
      const probe = yield* limiter.acquire(bucket, { leaseMillis: 30_000, timeoutMillis: Infinity })
      const fibers = yield* Effect.forEach([0, 1, 2, 3, 4, 5], (index) => acquire(index, index === 3 ? 20 : Infinity))
      yield* settle
      // One that waits, the one that asks, and the one that asks then.
      yield* Fiber.interrupt(fibers[4] ?? assert.fail())
      yield* Fiber.interrupt(fibers[0] ?? assert.fail())
      yield* Fiber.interrupt(fibers[1] ?? assert.fail())
      yield* TestClock.adjust(30)
      yield* limiter.release(bucket, probe, responded({ max: 10, intervalMillis: 1000 }))
      yield* settle
      assert.deepStrictEqual(permits, [2, 5])
      yield* acquire(6)
      yield* settle
      assert.deepStrictEqual(permits, [2, 5, 6])
    })
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
        currentTimeMillisUnsafe: () => now,
        currentTimeMillis: Effect.sync(() => now),
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
