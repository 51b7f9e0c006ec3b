import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as PersistedQueue from "effect/persistence/PersistedQueue"
import * as TestClock from "effect/testing/TestClock"
import { HighLevelClient, type UpdateConversation, UpdateQueue } from "effect-highlevel"
import { Sandbox } from "effect-highlevel/testing"
import { applied, clientOf } from "./harness.ts"

const ids = (index: number) => ({ conversationId: `conversation ${index}`, locationId: "location" })
const read = (index: number) => ({ ...ids(index), unreadCount: 0 })
const conversations = Array.from({ length: 20 }, (_, index) => ({
  id: `conversation ${index}`,
  locationId: "location",
  unreadCount: 9
}))

const layer = (options?: HighLevelClient.Options) =>
  Layer.mergeAll(
    HighLevelClient.layer({ token: Redacted.make(Sandbox.defaultToken), retry: false, ...options }),
    PersistedQueue.layer.pipe(Layer.provide(PersistedQueue.layerStoreMemory))
  ).pipe(Layer.provideMerge(Sandbox.layer({ conversations, rateLimit: { max: 10_000 } })))

const enqueue = (job: string, updates: ReadonlyArray<UpdateConversation.ConversationUpdate>) =>
  UpdateQueue.enqueue(Stream.fromIterable(updates), { job })

const take = (count: number, options?: UpdateQueue.WorkOptions) =>
  UpdateQueue.work(options).pipe(Stream.take(count), Stream.runCollect)

describe("a job in the queue", () => {
  it.effect("is merged to the last value of each field of each conversation", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const enqueued = yield* enqueue("job", [
        { ...ids(0), unreadCount: 3 },
        { ...ids(1), unreadCount: 1 },
        { ...ids(0), starred: true },
        { ...ids(0), unreadCount: 0 }
      ])
      assert.deepStrictEqual(enqueued, { updates: 4, conversations: 2 })
      const outcomes = yield* take(2)
      assert.deepStrictEqual(
        outcomes.map(({ _tag, job }) => [_tag, job]),
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

  it.effect("is not there twice when it is enqueued again, except for what has changed", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* enqueue("job", [{ ...ids(0), unreadCount: 1 }])
      yield* take(1)
      yield* enqueue("job", [
        { ...ids(0), unreadCount: 1 },
        { ...ids(1), unreadCount: 1 }
      ])
      yield* take(1)
      yield* enqueue("job", [{ ...ids(0), unreadCount: 2 }])
      yield* enqueue("another job", [{ ...ids(0), unreadCount: 2 }])
      yield* take(2)
      assert.deepStrictEqual(
        (yield* sandbox.applied).map(({ conversationId, unreadCount }) => [conversationId, unreadCount]),
        [
          ["conversation 0", 1],
          ["conversation 1", 1],
          ["conversation 0", 2],
          ["conversation 0", 2]
        ]
      )
    }).pipe(Effect.provide(layer()))
  )

  it.effect("with an update that is not valid fails before anything is in the queue", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        enqueue("job", [
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
      yield* enqueue("job", [0, 1, 2].map(read))
      const fiber = yield* Effect.forkChild(take(7, { maxAttempts: 3 }))
      while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust("1 second")
      const outcomes = (yield* Fiber.join(fiber)).map((outcome) => [
        outcome.update.conversationId,
        outcome._tag === "Applied" ? "Applied" : `${outcome.error._tag}${outcome.isFinal ? ", final" : ""}`
      ])
      assert.deepStrictEqual(outcomes.toSorted(), [
        ["conversation 0", "Applied"],
        ["conversation 0", "UnexpectedStatus"],
        ["conversation 0", "UnexpectedStatus"],
        ["conversation 1", "UnexpectedStatus"],
        ["conversation 1", "UnexpectedStatus"],
        ["conversation 1", "UnexpectedStatus, final"],
        ["conversation 2", "Unprocessable, final"]
      ])
    }).pipe(Effect.provide(layer()))
  )

  it.effect("leaves what a spent day keeps waiting in the queue, and is not held up by it", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* sandbox.seed({ id: "other", locationId: "another location" })
      yield* sandbox.limit({ daily: 3 })
      yield* enqueue("job", [0, 1, 2, 3, 4].map(read))
      yield* enqueue("job", [{ conversationId: "other", locationId: "another location", starred: true }])
      // Four of them come back once or more: what was refused for the day, and then is applied.
      const outcomes: Array<UpdateQueue.Outcome> = []
      const fiber = yield* Effect.forkChild(
        UpdateQueue.work({ concurrency: 1, idle: "1 minute" }).pipe(
          Stream.runForEach((outcome) => Effect.sync(() => outcomes.push(outcome)))
        )
      )
      while ((yield* sandbox.applied).length < 4) yield* TestClock.adjust("1 second")
      yield* TestClock.adjust("1 hour")
      assert.isUndefined(fiber.pollUnsafe())
      assert.strictEqual((yield* sandbox.applied).length, 4)
      while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust("1 hour")
      yield* Fiber.join(fiber)
      assert.strictEqual((yield* sandbox.applied).length, 6)
      assert.strictEqual(outcomes.filter(({ _tag }) => _tag === "Applied").length, 6)
      const others = outcomes.filter((outcome) => outcome._tag === "Failed")
      assert.isAbove(others.length, 0)
      assert.isTrue(others.every(({ error, isFinal }) => error._tag === "DailyLimitExceeded" && !isFinal))
    }).pipe(Effect.provide(layer()))
  )

  it.effect("ends when it is idle: not while something waits for the quota, or to be tried again", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* sandbox.limit({ max: 2, intervalMillis: 60_000 })
      yield* sandbox.refuse({ status: 503, conversationId: "conversation 4", times: 6 })
      yield* enqueue("job", [0, 1, 2, 3, 4].map(read))
      const fiber = yield* Effect.forkChild(UpdateQueue.work({ idle: "5 seconds" }).pipe(Stream.runDrain))
      while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust("1 second")
      yield* Fiber.join(fiber)
      assert.strictEqual((yield* sandbox.applied).length, 5)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("whose outcomes are read slowly is not idle", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* enqueue("job", [0, 1, 2, 3, 4, 5, 6, 7].map(read))
      const fiber = yield* Effect.forkChild(
        UpdateQueue.work({ concurrency: 1, idle: "1 second" }).pipe(Stream.runForEach(() => Effect.sleep("3 seconds")))
      )
      while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust("100 millis")
      yield* Fiber.join(fiber)
      assert.strictEqual((yield* sandbox.applied).length, 8)
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

  it.effect("makes so many at once", () => {
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
      yield* enqueue(
        "job",
        conversations.map((_, index) => read(index))
      )
      const fiber = yield* Effect.forkChild(take(20, { concurrency: 5 }))
      while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust("1 second")
      assert.strictEqual(state.most, 5)
    }).pipe(
      Effect.provide(Layer.merge(client, PersistedQueue.layer.pipe(Layer.provide(PersistedQueue.layerStoreMemory))))
    )
  })

  it.effect("that is stopped ends what it sent, and gives the rest back", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* sandbox.fault({ kind: "slow-headers", delay: "1 second", times: 2 })
      yield* enqueue(
        "job",
        conversations.map((_, index) => read(index))
      )
      const stop = yield* Deferred.make<void>()
      const fiber = yield* Effect.forkChild(
        UpdateQueue.work({ concurrency: 2, stop: Deferred.await(stop) }).pipe(Stream.runCollect)
      )
      while ((yield* sandbox.requests).length < 2) yield* TestClock.adjust("10 millis")
      yield* Deferred.succeed(stop, undefined)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(
        (yield* Fiber.join(fiber)).map(({ _tag }) => _tag),
        ["Applied", "Applied"]
      )
      assert.strictEqual((yield* sandbox.requests).length, 2)
      const rest = yield* Effect.forkChild(take(18))
      while (rest.pollUnsafe() === undefined) yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* sandbox.applied).length, 20)
    }).pipe(Effect.provide(layer({ rateLimit: false })))
  )

  it.effect("that is stopped does not wait for a retry, and gives its update back", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* sandbox.refuse({ status: 429, headers: { "retry-after": "60" } })
      yield* enqueue("job", [read(0)])
      const stop = yield* Deferred.make<void>()
      const fiber = yield* Effect.forkChild(UpdateQueue.work({ stop: Deferred.await(stop) }).pipe(Stream.runCollect))
      while ((yield* sandbox.requests).length < 1) yield* TestClock.adjust("10 millis")
      yield* Deferred.succeed(stop, undefined)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* Fiber.join(fiber), [])
      const rest = yield* Effect.forkChild(take(1))
      while (rest.pollUnsafe() === undefined) yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* sandbox.applied).length, 1)
    }).pipe(Effect.provide(layer({ rateLimit: false, retry: { maxAttempts: 2 } })))
  )
})
