import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as PersistedQueue from "effect/persistence/PersistedQueue"
import * as TestClock from "effect/testing/TestClock"
import { HighLevelClient, QueueRecords, type UpdateConversation, UpdateQueue } from "effect-highlevel"
import { Sandbox } from "effect-highlevel/testing"
import { applied, clientOf, intercepted, running } from "./harness.ts"

const ids = (index: number, locationId = "location") => ({ conversationId: `conversation ${index}`, locationId })
const read = (index: number, locationId?: string) => ({ ...ids(index, locationId), unreadCount: 0 })
const conversations = Array.from({ length: 20 }, (_, index) => ({
  id: `conversation ${index}`,
  locationId: "location",
  unreadCount: 9
}))

const many = Array.from({ length: 301 }, (_, index) => ({ id: `conversation ${index}`, locationId: "location" }))
const invalidToken = { statusCode: 401, message: "Invalid JWT" }

const layer = (
  options?: HighLevelClient.Options,
  seeds: ReadonlyArray<Sandbox.Seed> = conversations,
  queues: typeof UpdateQueue.layerMemory = UpdateQueue.layerMemory
) =>
  Layer.mergeAll(
    HighLevelClient.layer({ token: Redacted.make(Sandbox.defaultToken), retry: false, ...options }),
    queues
  ).pipe(Layer.provideMerge(Sandbox.layer({ conversations: seeds, rateLimit: { max: 10_000 } })))

const enqueue = (updates: ReadonlyArray<UpdateConversation.ConversationUpdate>, job = "job") =>
  UpdateQueue.enqueue(Stream.fromIterable(updates), { job })

const take = (count: number, options?: UpdateQueue.WorkOptions) =>
  UpdateQueue.work(options).pipe(Stream.take(count), Stream.runCollect)

const untilIdle = (options?: UpdateQueue.WorkOptions) =>
  running(Stream.runCollect(UpdateQueue.work({ idle: "5 seconds", ...options })))

const nameOf = (outcome: UpdateQueue.QueueOutcome): string => {
  if (outcome._tag === "Returned") return `Returned, ${nameOf(outcome.because)}`
  return outcome._tag === "Failed" ? outcome.error._tag : outcome._tag
}

const countOf = (outcomes: ReadonlyArray<UpdateQueue.QueueOutcome>) => {
  const counts: Record<string, number> = {}
  for (const name of outcomes.map(nameOf)) counts[name] = (counts[name] ?? 0) + 1
  return counts
}

describe("a job in the queue", () => {
  it.effect("is merged to the last value of each field of each conversation", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const enqueued = yield* enqueue([
        { ...ids(0), unreadCount: 3 },
        { ...ids(1), unreadCount: 1 },
        { ...ids(0), starred: true },
        { ...ids(0), unreadCount: 0 }
      ])
      assert.deepStrictEqual(enqueued, { job: "job", updates: 4, conversations: 2, added: 2, known: 0 })
      const outcomes = yield* take(2)
      assert.deepStrictEqual(
        outcomes.map(({ _tag, row }) => [_tag, row.job]),
        [
          ["Applied", "job"],
          ["Applied", "job"]
        ]
      )
      assert.deepStrictEqual(
        (yield* sandbox.applied).toSorted((one, other) => one.conversationId.localeCompare(other.conversationId)),
        [
          { ...ids(0), unreadCount: 0, starred: true },
          { ...ids(1), unreadCount: 1 }
        ]
      )
    }).pipe(Effect.provide(layer()))
  )

  it.effect("is not added twice under its name, except for what has changed", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const week = [read(0), read(1), read(2)]
      yield* sandbox.refuse({ status: 422, conversationId: "conversation 2" })
      assert.deepInclude(yield* enqueue(week), { added: 3, known: 0 })
      yield* take(3)
      assert.deepInclude(yield* enqueue(week), { added: 0, known: 3 })
      assert.deepInclude(yield* enqueue([...week, read(3)]), { added: 1, known: 3 })
      assert.deepInclude(yield* enqueue([...week, read(3)]), { added: 0, known: 4 })
      yield* take(1)
      assert.deepInclude(yield* enqueue([{ ...ids(0), unreadCount: 2 }]), { added: 1, known: 0 })
      assert.deepInclude(yield* enqueue(week, "another job"), { added: 3, known: 0 })
      yield* take(4)
      assert.strictEqual((yield* sandbox.requests).length, 8)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("without a name is a job of its own, which can be continued under the name that it got", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const updates = Stream.make(read(0), read(1))
      const { job, ...first } = yield* UpdateQueue.enqueue(updates)
      assert.deepStrictEqual(first, { updates: 2, conversations: 2, added: 2, known: 0 })
      assert.deepInclude(yield* UpdateQueue.enqueue(updates), { added: 2, known: 0 })
      assert.deepInclude(yield* UpdateQueue.enqueue(updates, { job }), { added: 0, known: 2 })
      yield* take(4)
      assert.strictEqual((yield* sandbox.applied).length, 4)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("with an update that is not valid fails before anything is in the queue", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        enqueue([
          { ...ids(0), unreadCount: 1 },
          { ...ids(1), unreadCount: -1 }
        ])
      )
      assert.strictEqual(error._tag, "InvalidRequest")
      const worker = yield* Effect.forkChild(take(1))
      yield* TestClock.adjust("1 minute")
      assert.isUndefined(worker.pollUnsafe())
      yield* Fiber.interrupt(worker)
    }).pipe(Effect.provide(layer()))
  )
})

describe("a worker", () => {
  it.effect("puts back what may pass, reports each time, and gives up after its attempts", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* sandbox.refuse({ status: 503, conversationId: "conversation 0", times: 2 })
      yield* sandbox.refuse({ status: 503, conversationId: "conversation 1", times: Infinity })
      yield* sandbox.refuse({ status: 422, conversationId: "conversation 2" })
      yield* enqueue([0, 1, 2].map((index) => read(index)))
      const outcomes = yield* running(take(7, { maxAttempts: 3 }))
      assert.deepStrictEqual(
        outcomes.map((outcome) => `${outcome.update.conversationId}: ${nameOf(outcome)}`).toSorted(),
        [
          "conversation 0: Applied",
          "conversation 0: Returned, UnexpectedStatus",
          "conversation 0: Returned, UnexpectedStatus",
          "conversation 1: Returned, UnexpectedStatus",
          "conversation 1: Returned, UnexpectedStatus",
          "conversation 1: UnexpectedStatus",
          "conversation 2: Unprocessable"
        ]
      )
      assert.deepStrictEqual(
        outcomes.flatMap((outcome) => (outcome._tag === "Returned" ? [outcome.deliveries] : [])).toSorted(),
        [1, 1, 2, 2]
      )
    }).pipe(Effect.provide(layer()))
  )

  it.effect("reports a defect, tries it again, and gives up after its attempts", () =>
    Effect.gen(function* () {
      yield* enqueue([0, 1].map((index) => read(index)))
      const outcomes = yield* running(take(4, { maxAttempts: 3 }))
      assert.deepStrictEqual(countOf(outcomes), { Applied: 1, Defect: 1, "Returned, Defect": 2 })
      const [failure] = yield* Stream.runCollect(UpdateQueue.failures())
      assert.deepInclude(failure, {
        job: "job",
        update: read(1),
        deliveries: 3,
        error: { _tag: "Defect", message: "a bug" }
      })
    }).pipe(
      Effect.provide(
        intercepted((update, call) =>
          update.conversationId === "conversation 1" ? Effect.die(new Error("a bug")) : call
        ).pipe(Layer.provideMerge(layer()))
      )
    )
  )

  it.effect("lists what failed for good, and puts it back when asked to", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* TestClock.adjust("1 hour")
      yield* sandbox.refuse({ status: 422, conversationId: "conversation 1" })
      yield* sandbox.refuse({ status: 400, conversationId: "conversation 2" })
      yield* enqueue([0, 1, 2].map((index) => read(index)))
      yield* untilIdle()
      const failures = yield* Stream.runCollect(UpdateQueue.failures())
      assert.deepStrictEqual(failures.map(({ error }) => error._tag).toSorted(), ["BadRequest", "Unprocessable"])
      assert.deepStrictEqual(
        failures.map(({ deliveries, failedAt, job }) => [deliveries, failedAt.epochMilliseconds >= 3_600_000, job]),
        [
          [1, true, "job"],
          [1, true, "job"]
        ]
      )
      const retried = yield* Stream.runCollect(
        UpdateQueue.retry(Stream.filter(UpdateQueue.failures(), ({ error }) => error._tag === "Unprocessable"))
      )
      assert.deepStrictEqual(
        retried.map(({ update }) => update),
        [read(1)]
      )
      assert.strictEqual((yield* Stream.runCollect(UpdateQueue.failures())).length, 1)
      assert.deepInclude(yield* enqueue([read(1)]), { added: 0, known: 1 })
      assert.deepStrictEqual(countOf(yield* untilIdle()), { Applied: 1 })
      // It can fail again, and be put back again.
      yield* sandbox.refuse({ status: 400, conversationId: "conversation 2" })
      for (const expected of [{ BadRequest: 1 }, { Applied: 1 }]) {
        yield* Stream.runDrain(UpdateQueue.retry(UpdateQueue.failures()))
        assert.deepStrictEqual(countOf(yield* untilIdle()), expected)
      }
      assert.deepStrictEqual(yield* Stream.runCollect(UpdateQueue.failures()), [])
    }).pipe(Effect.provide(layer()))
  )

  it.effect("lists an update of which each worker has died, and does not send it", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* enqueue([read(0)])
      const [outcome] = yield* take(1, { maxAttempts: 3 })
      assert.strictEqual(outcome?._tag, "Defect")
      assert.strictEqual((yield* sandbox.requests).length, 0)
      const [failure] = yield* Stream.runCollect(UpdateQueue.failures())
      assert.deepInclude(failure, { update: read(0), deliveries: 3 })
    }).pipe(
      Effect.provide(
        layer(
          {},
          conversations,
          UpdateQueue.layer().pipe(
            Layer.provide(
              // As if three workers had taken each element before.
              Layer.effect(
                PersistedQueue.PersistedQueueStore,
                Effect.map(PersistedQueue.PersistedQueueStore, (store) => ({
                  ...store,
                  take: (options) =>
                    Effect.map(store.take(options), (taken) => ({ ...taken, attempts: taken.attempts + 3 }))
                }))
              )
            ),
            Layer.provideMerge(QueueRecords.layerMemory)
          )
        )
      )
    )
  )

  it.effect("does not lose a failure that cannot be listed, over a store and records of one's own", () => {
    const listed: Array<string> = []
    const records = (isAvailable: () => boolean): QueueRecords.Service => ({
      isKnown: () => Effect.succeed(false),
      waiting: () =>
        isAvailable()
          ? Effect.succeed(0)
          : Effect.fail(new PersistedQueue.PersistedQueueError({ message: "The table is locked" })),
      add: (queue, _id, failure) =>
        isAvailable()
          ? Effect.sync(() => void listed.push(`${queue}: ${JSON.parse(failure).error._tag}`))
          : Effect.fail(new PersistedQueue.PersistedQueueError({ message: "The table is locked" })),
      remove: () => Effect.void,
      failures: () => Stream.empty
    })
    let isAvailable = false
    return Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* sandbox.refuse({ status: 422, times: 2 })
      yield* UpdateQueue.enqueue(Stream.make(read(0)), { name: "own" })
      const [first] = yield* running(take(1, { name: "own" }))
      assert.deepStrictEqual(listed, [])
      isAvailable = true
      const [second] = yield* running(take(1, { name: "own" }))
      assert.strictEqual(first && nameOf(first), "Returned, Defect")
      assert.strictEqual(second && nameOf(second), "Unprocessable")
      assert.deepStrictEqual(listed, ["own: Unprocessable"])
    }).pipe(
      Effect.provide(
        Layer.mergeAll(
          UpdateQueue.layer().pipe(Layer.provide(PersistedQueue.layerStoreMemory)),
          Layer.succeed(
            QueueRecords.QueueRecords,
            records(() => isAvailable)
          )
        ).pipe(Layer.provideMerge(layer()))
      )
    )
  })

  it.effect(
    "stops a location on a dead token, probes it every 5 minutes, and sends all when the token is valid",
    () =>
      Effect.gen(function* () {
        const sandbox = yield* Sandbox.Sandbox
        yield* sandbox.seed({ id: "healthy", locationId: "another location" })
        yield* sandbox.refuse({ status: 401, body: invalidToken, times: 3 })
        yield* enqueue(many.map((_, index) => read(index)))
        const outcomes: Array<UpdateQueue.QueueOutcome> = []
        const worker = yield* Effect.forkChild(
          Stream.runForEach(UpdateQueue.work({ maxAttempts: 2 }), (outcome) =>
            Effect.sync(() => outcomes.push(outcome))
          )
        )
        const after = Effect.fnUntraced(function* (time: Duration.Input) {
          for (let step = 0; step < 50; step++)
            yield* TestClock.adjust(Duration.divideUnsafe(Duration.fromInputUnsafe(time), 50))
          return (yield* sandbox.requests).length
        })
        assert.strictEqual(yield* after("4 minutes"), 2)
        // The first one was refused, and sent again; the rest was not sent.
        assert.deepStrictEqual(countOf(outcomes.slice(0, 302)), { NotSent: 300, "Returned, Unauthorized": 2 })
        const notSent = outcomes.find((outcome) => outcome._tag === "NotSent")
        assert.strictEqual(notSent?.reason._tag, "Unauthorized")
        assert.strictEqual(yield* after("5 minutes"), 3)
        // Another location is not concerned.
        yield* enqueue([{ conversationId: "healthy", locationId: "another location", starred: true }])
        assert.strictEqual(yield* after("30 seconds"), 4)
        yield* sandbox.refuse({ status: 401, body: invalidToken })
        assert.strictEqual(yield* after("4 minutes"), 5)
        // None of this counts: each is delivered for the first or second time.
        assert.strictEqual(yield* after("5 minutes"), 5 + 301)
        assert.strictEqual((yield* sandbox.applied).length, 302)
        assert.deepStrictEqual(yield* Stream.runCollect(UpdateQueue.failures()), [])
        yield* Fiber.interrupt(worker)
      }).pipe(Effect.provide(layer({}, many))),
    20_000
  )

  it.effect("does not wait for a stopped location when it is idle", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* sandbox.refuse({ status: 401, body: invalidToken, times: Infinity })
      yield* enqueue(many.map((_, index) => read(index)))
      const worker = yield* Effect.forkChild(Stream.runCollect(UpdateQueue.work({ idle: "8 minutes" })))
      while (worker.pollUnsafe() === undefined) yield* TestClock.adjust("1 second")
      const outcomes = yield* Fiber.join(worker)
      assert.isAtMost((yield* sandbox.requests).length, 4)
      assert.strictEqual(new Set(outcomes.map(({ update }) => update.conversationId)).size, 301)
    }).pipe(Effect.provide(layer({}, many)))
  )

  it.effect("waits for the location that an earlier worker found stopped, and sends all when its token is valid", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* sandbox.refuse({ status: 401, body: invalidToken, times: 4 })
      yield* enqueue([0, 1, 2].map((index) => read(index)))
      // The token is still refused when the second worker probes it.
      for (const _ of [1, 2]) {
        const outcomes = yield* untilIdle()
        assert.isAtLeast(outcomes.length, 3)
        assert.notInclude(outcomes.map(nameOf), "Applied")
      }
      assert.strictEqual((yield* sandbox.requests).length, 4)
      assert.deepStrictEqual(countOf(yield* untilIdle()), { Applied: 3 })
      assert.deepStrictEqual(yield* untilIdle(), [])
    }).pipe(Effect.provide(layer()))
  )

  it.effect("does not wait for a location whose token is refused while several requests are in flight", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* enqueue([read(0)])
      yield* enqueue(conversations.slice(1).map((_, index) => read(index + 1)))
      for (const { id } of conversations.slice(1)) {
        yield* sandbox.refuse({ status: 401, body: invalidToken, conversationId: id, times: Infinity })
      }
      const outcomes = yield* untilIdle()
      assert.strictEqual(new Set(outcomes.map(({ update }) => update.conversationId)).size, 20)
      assert.isAbove((yield* sandbox.requests).length, 10)
      assert.isBelow(yield* Effect.clockWith((clock) => clock.currentTimeMillis), 60_000)
    }).pipe(
      Effect.provide(
        // They end one after the other.
        intercepted(({ conversationId }, call) =>
          Effect.delay(call, Duration.seconds(Number(conversationId.replace("conversation ", ""))))
        ).pipe(Layer.provideMerge(layer()))
      )
    )
  )

  it.effect("sends one update of a location at a time until HighLevel has accepted its token", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* sandbox.refuse({ status: 401, body: invalidToken, times: Infinity })
      yield* enqueue(conversations.map((_, index) => read(index)))
      yield* untilIdle()
      assert.strictEqual((yield* sandbox.requests).length, 2)
    }).pipe(
      Effect.provide(intercepted((_update, call) => Effect.delay(call, "1 second")).pipe(Layer.provideMerge(layer())))
    )
  )

  it.effect("is not idle while another worker has an update", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* sandbox.fault({ kind: "slow-headers", delay: "20 seconds" })
      yield* enqueue([read(0)])
      const other = yield* Effect.forkChild(take(1))
      while ((yield* sandbox.requests).length === 0) yield* TestClock.adjust("10 millis")
      const idle = yield* Effect.forkChild(untilIdle())
      yield* TestClock.adjust("10 seconds")
      assert.isUndefined(idle.pollUnsafe())
      assert.deepStrictEqual(yield* Fiber.join(idle), [])
      assert.deepStrictEqual(countOf(yield* Fiber.join(other)), { Applied: 1 })
    }).pipe(Effect.provide(layer()))
  )

  it.effect("leaves what a reached daily limit stops in the queue until the limit resets", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* sandbox.seed({ id: "other", locationId: "another location" })
      yield* sandbox.limit({ daily: 3 })
      yield* enqueue([0, 1, 2, 3, 4].map((index) => read(index)))
      yield* enqueue([{ conversationId: "other", locationId: "another location", starred: true }])
      const outcomes = yield* untilIdle()
      assert.strictEqual((yield* sandbox.applied).length, 4)
      assert.strictEqual(outcomes.filter(({ _tag }) => _tag === "Applied").length, 4)
      const others = outcomes.filter(({ _tag }) => _tag !== "Applied")
      assert.isAbove(others.length, 0)
      assert.isTrue(
        others.every((outcome) =>
          outcome._tag === "NotSent"
            ? outcome.reason._tag === "DailyLimitExceeded"
            : nameOf(outcome) === "Returned, DailyLimitExceeded"
        )
      )
      // Not an hour later, and all of it the next day.
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* untilIdle(), [])
      yield* TestClock.adjust("24 hours")
      assert.deepStrictEqual(countOf(yield* untilIdle()), { Applied: 2 })
    }).pipe(Effect.provide(layer()))
  )

  it.effect("sends the updates of one location beside another that refuses everything", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const refused = Array.from({ length: 400 }, (_, index) => ({
        id: `conversation ${index}`,
        locationId: "refusing"
      }))
      const healthy = Array.from({ length: 100 }, (_, index) => ({ id: `healthy ${index}`, locationId: "healthy" }))
      for (const seed of [...refused, ...healthy]) yield* sandbox.seed(seed)
      for (const { id } of refused) yield* sandbox.refuse({ status: 429, conversationId: id, times: Infinity })
      yield* enqueue(
        [...refused, ...healthy].map(({ id, locationId }) => ({ conversationId: id, locationId, unreadCount: 0 }))
      )
      const worker = yield* Effect.forkChild(Stream.runDrain(UpdateQueue.work()))
      const startedAt = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
      while ((yield* sandbox.applied).length < 100) yield* TestClock.adjust("100 millis")
      assert.isAtMost((yield* Effect.clockWith((clock) => clock.currentTimeMillis)) - startedAt, 5000)
      yield* Fiber.interrupt(worker)
    }).pipe(Effect.provide(layer({ retry: {} })))
  )

  it.effect("ends when it is idle: not while something waits for the rate limit, or to be redelivered", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* sandbox.limit({ max: 2, intervalMillis: 60_000 })
      yield* sandbox.refuse({ status: 503, conversationId: "conversation 4", times: 6 })
      yield* enqueue([0, 1, 2, 3, 4].map((index) => read(index)))
      const fiber = yield* Effect.forkChild(UpdateQueue.work({ idle: "5 seconds" }).pipe(Stream.runDrain))
      while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust("1 second")
      yield* Fiber.join(fiber)
      assert.strictEqual((yield* sandbox.applied).length, 5)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("whose outcomes are read slowly is not idle", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* enqueue(conversations.map((_, index) => read(index)))
      const fiber = yield* Effect.forkChild(
        UpdateQueue.work({ concurrency: 1, idle: "1 second" }).pipe(Stream.runForEach(() => Effect.sleep("3 seconds")))
      )
      while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust("100 millis")
      yield* Fiber.join(fiber)
      assert.strictEqual((yield* sandbox.applied).length, 20)
    }).pipe(Effect.provide(layer()))
  )

  it.effect.each([
    ["concurrency", { concurrency: 0 }],
    ["maxAttempts", { maxAttempts: 0.5 }],
    ["idle", { idle: -1 }]
  ] as const)("that cannot work with its options says which: %s", ([option, options]) =>
    Effect.gen(function* () {
      assert.strictEqual((yield* Effect.flip(Stream.runDrain(UpdateQueue.work(options)))).option, option)
    }).pipe(Effect.provide(layer()))
  )

  it.effect.each([
    [5, 5],
    [64, 16]
  ] as const)("with a concurrency of %i sends so many at once in one location", ([concurrency, expected]) => {
    const state = { now: 0, most: 0 }
    const client = clientOf(() =>
      Effect.gen(function* () {
        state.most = Math.max(state.most, ++state.now)
        yield* Effect.sleep("1 second")
        state.now--
        return applied
      })
    )
    return Effect.gen(function* () {
      yield* enqueue(Array.from({ length: 60 }, (_, index) => read(index)))
      yield* running(take(60, { concurrency }))
      assert.strictEqual(state.most, expected)
    }).pipe(Effect.provide(Layer.merge(client, UpdateQueue.layerMemory)))
  })

  it.effect("that is stopped ends what it sent, and gives the rest back", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      // HighLevel has accepted the token: more than one is sent at once.
      yield* enqueue([read(0)])
      yield* enqueue(conversations.slice(1).map((_, index) => read(index + 1)))
      yield* sandbox.fault({ kind: "slow-headers", delay: "1 second", times: 3 })
      const stop = yield* Deferred.make<void>()
      const fiber = yield* Effect.forkChild(
        UpdateQueue.work({ concurrency: 2, stop: Deferred.await(stop) }).pipe(Stream.runCollect)
      )
      while ((yield* sandbox.requests).length < 3) yield* TestClock.adjust("10 millis")
      yield* Deferred.succeed(stop, undefined)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(
        (yield* Fiber.join(fiber)).map(({ _tag }) => _tag),
        ["Applied", "Applied", "Applied"]
      )
      assert.strictEqual((yield* sandbox.requests).length, 3)
      yield* running(take(17))
      assert.strictEqual((yield* sandbox.applied).length, 20)
    }).pipe(Effect.provide(layer({ rateLimit: false })))
  )

  it.effect("that is stopped does not wait for a retry, and gives its update back", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* sandbox.refuse({ status: 429, headers: { "retry-after": "60" } })
      yield* enqueue([read(0)])
      const stop = yield* Deferred.make<void>()
      const fiber = yield* Effect.forkChild(UpdateQueue.work({ stop: Deferred.await(stop) }).pipe(Stream.runCollect))
      while ((yield* sandbox.requests).length < 1) yield* TestClock.adjust("10 millis")
      yield* Deferred.succeed(stop, undefined)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* Fiber.join(fiber), [])
      yield* running(take(1))
      assert.strictEqual((yield* sandbox.applied).length, 1)
    }).pipe(Effect.provide(layer({ rateLimit: false, retry: { maxAttempts: 2 } })))
  )
})

describe("the list of failures", () => {
  it.effect("with an entry that is none fails with an error that says so", () =>
    Effect.gen(function* () {
      const records = yield* QueueRecords.QueueRecords
      yield* records.add(UpdateQueue.defaultName, "id", "of another version")
      const error = yield* Effect.flip(Stream.runCollect(UpdateQueue.failures()))
      assert.strictEqual(error.message, "A failure in the list cannot be read")
    }).pipe(Effect.provide(UpdateQueue.layerMemory))
  )
})
