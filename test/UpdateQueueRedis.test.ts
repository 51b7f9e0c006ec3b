import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as NodeRedis from "@effect/platform-node/NodeRedis"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Redis from "effect/persistence/Redis"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { HighLevelClient, UpdateQueue } from "effect-highlevel"
import { Sandbox } from "effect-highlevel/testing"
import { sandboxWith } from "./bulk.ts"
import { runningLive } from "./harness.ts"
import * as Process from "./process.ts"
import { isMissing, startRedis } from "./redis.ts"

const locationId = "location"
const read = (index: number) => ({ conversationId: `c${index}`, locationId, unreadCount: 0 })

describe.skipIf(isMissing)("a queue in Redis", () => {
  let redis: Awaited<ReturnType<typeof startRedis>>
  beforeAll(async () => {
    redis = await startRedis()
  })
  afterAll(() => redis.end())

  const layer = (prefix: string) =>
    Layer.mergeAll(
      HighLevelClient.layer({ token: Redacted.make(Sandbox.defaultToken), retry: false }),
      UpdateQueue.layerRedis({ prefix })
    ).pipe(
      Layer.provideMerge(
        Layer.mergeAll(
          Sandbox.layer({ conversations: [0, 1, 2].map((index) => ({ id: `c${index}`, locationId })) }),
          NodeRedis.layer({ socket: { host: "127.0.0.1", port: redis.port } })
        )
      )
    )

  const enqueue = (...indices: ReadonlyArray<number>) =>
    UpdateQueue.enqueue(Stream.fromIterable(indices.map(read)), { job: "job" })
  const untilIdle = Stream.runCollect(UpdateQueue.work({ idle: "3 seconds" }))
  const work = runningLive(untilIdle)

  it.effect("knows an update for 7 days after it ended, and as long as it waits", () =>
    Effect.gen(function* () {
      yield* enqueue(0)
      yield* work
      yield* enqueue(1)
      assert.deepInclude(yield* enqueue(0, 1), { added: 0, known: 2 })
      yield* TestClock.adjust("6 days")
      assert.deepInclude(yield* enqueue(0, 1), { added: 0, known: 2 })
      yield* TestClock.adjust("2 days")
      let enqueued = yield* enqueue(0, 1)
      // A fiber of the layer removes the ids; while it waits for Redis, its next turn may have passed.
      while (enqueued.added === 0) {
        yield* TestClock.withLive(Effect.sleep("2 millis"))
        yield* TestClock.adjust("1 hour")
        enqueued = yield* enqueue(0, 1)
      }
      assert.deepInclude(enqueued, { added: 1, known: 1 })
      assert.strictEqual((yield* work).length, 2)
    }).pipe(Effect.provide(layer("known:")))
  )

  it.effect("is taken whole by a worker that starts again, with what an earlier one has put back", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const body = { statusCode: 401, message: "Invalid token: access token is invalid" }
      yield* sandbox.refuse({ status: 401, body, times: 2 })
      yield* enqueue(0, 1, 2)
      assert.isFalse((yield* work).some(({ _tag }) => _tag === "Applied"))
      // It is five minutes until the first is due.
      const outcomes = yield* runningLive(untilIdle, "1 second")
      assert.deepStrictEqual(
        outcomes.map(({ _tag }) => _tag),
        ["Applied", "Applied", "Applied"]
      )
    }).pipe(Effect.provide(layer("again:")))
  )

  it.effect("lists what failed for good, puts it back, and does not put it back twice", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* sandbox.refuse({ status: 422, conversationId: "c1" })
      yield* enqueue(0, 1)
      yield* work
      const failures = yield* Stream.runCollect(UpdateQueue.failures())
      assert.deepStrictEqual(
        failures.map(({ deliveries, error, job, update }) => [job, update, error._tag, deliveries]),
        [["job", read(1), "Unprocessable", 1]]
      )
      // Cut off between the queue and the list, it is put back again: the queue knows it.
      for (let time = 0; time < 2; time++) yield* Stream.runDrain(UpdateQueue.retry(Stream.fromIterable(failures)))
      assert.deepStrictEqual(yield* Stream.runCollect(UpdateQueue.failures()), [])
      assert.deepStrictEqual(
        (yield* work).map(({ _tag }) => _tag),
        ["Applied"]
      )
      assert.strictEqual((yield* sandbox.requests).length, 3)
    }).pipe(Effect.provide(layer("failures:")))
  )

  it.effect("redelivers what failed, and knows it meanwhile", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* sandbox.refuse({ status: 503, conversationId: "c0", times: 2 })
      yield* enqueue(0)
      const [first] = yield* runningLive(Stream.runCollect(Stream.take(UpdateQueue.work(), 1)))
      assert.deepInclude(first, { _tag: "Returned", deliveries: 1 })
      yield* TestClock.adjust("8 days")
      assert.deepInclude(yield* enqueue(0), { added: 0, known: 1 })
      const outcomes = yield* work
      assert.deepStrictEqual(
        outcomes.map((outcome) => [outcome._tag, "deliveries" in outcome ? outcome.deliveries : 0]),
        [
          ["Returned", 2],
          ["Applied", 0]
        ]
      )
    }).pipe(Effect.provide(layer("redelivered:")))
  )

  it.effect("pages through many failures", () =>
    Effect.gen(function* () {
      const { send } = yield* Redis.Redis
      const failure = (index: number) =>
        JSON.stringify({
          job: "job",
          update: read(index),
          error: { _tag: "Unprocessable", message: "no" },
          deliveries: 1,
          failedAt: "2026-11-26T00:00:00.000Z"
        })
      const key = `many:${UpdateQueue.defaultName}:failures`
      for (let index = 0; index < 1000; index++) yield* send("HSET", key, String(index), failure(index))
      const found = yield* Stream.runCollect(UpdateQueue.failures())
      assert.strictEqual(new Set(found.map(({ update }) => update.conversationId)).size, 1000)
    }).pipe(Effect.provide(layer("many:")))
  )

  it.live(
    "lists an update of which each worker dies, and sends the others",
    () =>
      Effect.gen(function* () {
        const sandbox = yield* Sandbox.Sandbox
        const url = yield* Sandbox.url
        const queue = UpdateQueue.layerRedis({ lease: "1 second" }).pipe(
          Layer.provide(NodeRedis.layer({ socket: { host: "127.0.0.1", port: redis.port } }))
        )
        const poison = { conversationId: "poison", locationId: "l1" }
        const enqueue = (update: typeof poison) => Effect.provide(UpdateQueue.enqueue(Stream.make(update)), queue)
        const run = Effect.promise(() => Process.run("test/fixtures/dying-worker.ts", [url, String(redis.port)]))
        yield* enqueue(poison)
        assert.deepStrictEqual([(yield* run).code, (yield* run).code], [null, null])
        yield* enqueue({ conversationId: "c0", locationId: "l0" })
        const outcomes = yield* UpdateQueue.work({ maxAttempts: 2, idle: "100 millis" }).pipe(
          Stream.runCollect,
          Effect.provide([HighLevelClient.layer({ token: Redacted.make(Sandbox.defaultToken), baseUrl: url }), queue]),
          Effect.provide(FetchHttpClient.layer)
        )
        assert.deepStrictEqual(outcomes.map(({ _tag, update }) => `${update.conversationId} ${_tag}`).toSorted(), [
          "c0 Applied",
          "poison Defect"
        ])
        const [failure, ...others] = yield* Effect.provide(Stream.runCollect(UpdateQueue.failures()), queue)
        assert.deepStrictEqual(others, [])
        assert.deepInclude(failure, { update: poison, deliveries: 2 })
        assert.strictEqual(failure?.error.message, "2 workers took it, and ended without an outcome")
        assert.strictEqual((yield* sandbox.requests).length, 1)
      }).pipe(Effect.provide(sandboxWith(1))),
    30_000
  )
})
