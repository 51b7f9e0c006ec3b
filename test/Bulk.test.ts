import * as NodeServices from "@effect/platform-node/NodeServices"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import {
  AccessToken,
  Bulk,
  GetConversation,
  HighLevelClient,
  HighLevelError,
  Journal,
  type UpdateConversation
} from "effect-highlevel"
import { Sandbox } from "effect-highlevel/testing"
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { applied, call, clientOf, intercepted } from "./harness.ts"
import { layerSandbox } from "./oauth.ts"

const directory = mkdtempSync(join(tmpdir(), "journal-"))
afterAll(() => rmSync(directory, { recursive: true }))
let journals = 0
const newPath = () => join(directory, `journal-${++journals}.ndjson`)

const seeds = (count: number, locationId = "location") =>
  Array.from({ length: count }, (_, index) => ({ id: `${locationId}-${index}`, locationId, unreadCount: 1 }))

const read = (id: string, unreadCount = 0, locationId = "location") => ({
  conversationId: id,
  locationId,
  unreadCount
})

const unlimited = { max: 1_000_000, intervalMillis: 1000, daily: 10_000_000 }

/** The sandbox on a real socket and the client that talks to it. */
const layer = (conversations: ReadonlyArray<Sandbox.Seed>, options?: HighLevelClient.Options) =>
  Layer.unwrap(
    Effect.map(Sandbox.url, (baseUrl) =>
      HighLevelClient.layer({ token: Redacted.make(Sandbox.defaultToken), baseUrl, retry: false, ...options })
    )
  ).pipe(
    Layer.provide(FetchHttpClient.layer),
    Layer.provideMerge(layerSandbox({ conversations, rateLimit: unlimited })),
    Layer.merge(NodeServices.layer)
  )

/** A client of which each update waits until the test lets it go, and which tells what is on its way. */
const held = () => {
  const inFlight: Array<string> = []
  const begun: Array<string> = []
  const gates = new Map<string, Deferred.Deferred<void, HighLevelError.HighLevelError>>()
  const gateOf = (id: string) => {
    const gate = gates.get(id) ?? Deferred.makeUnsafe<void, HighLevelError.HighLevelError>()
    gates.set(id, gate)
    return gate
  }
  const service = clientOf(({ conversationId, unreadCount }) =>
    Effect.suspend(() => {
      const id = `${conversationId}:${unreadCount}`
      begun.push(id)
      inFlight.push(id)
      return Deferred.await(gateOf(id)).pipe(
        Effect.ensuring(Effect.sync(() => inFlight.splice(inFlight.indexOf(id), 1))),
        Effect.as(applied)
      )
    })
  )
  return {
    service,
    begun,
    inFlight,
    open: (id: string) => Effect.asVoid(Deferred.succeed(gateOf(id), undefined)),
    fail: (id: string) =>
      Effect.asVoid(
        Deferred.fail(gateOf(id), new HighLevelError.TransportFailure({ ...call, conversationId: id, cause: "no" }))
      )
  }
}

const settle = Effect.gen(function* () {
  for (let turn = 0; turn < 50; turn++) yield* Effect.yieldNow
})

const openJournal = (path: string) => Effect.provide(Journal.open({ path }), NodeServices.layer)

/** A run of updates with a journal, and what came out, in input order. */
const runWith = (path: string, updates: ReadonlyArray<UpdateConversation.ConversationUpdate>, options?: Bulk.Options) =>
  Effect.gen(function* () {
    const journal = yield* openJournal(path)
    const outcomes = yield* Stream.runCollect(Bulk.updateAll(Stream.fromIterable(updates), { journal, ...options }))
    return outcomes.toSorted((one, other) => one.index - other.index).map(({ _tag }) => _tag)
  }).pipe(Effect.scoped)

describe("a job", () => {
  it.effect("gives one outcome for each input, whatever becomes of it", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* sandbox.refuse({ status: 422, conversationId: "location-1" })
      const inputs = [
        ...seeds(4).map(({ id }) => read(id)),
        read("unknown"),
        { ...read("location-0"), unreadCount: -1 },
        read("..")
      ]
      const outcomes = yield* Stream.runCollect(Bulk.updateAll(Stream.fromIterable(inputs)))
      const byIndex = outcomes.toSorted((one, other) => one.index - other.index)
      assert.deepStrictEqual(
        byIndex.map((outcome) => (outcome._tag === "Failed" ? outcome.error._tag : outcome._tag)),
        ["Applied", "Unprocessable", "Applied", "Applied", "BadRequest", "InvalidRequest", "InvalidRequest"]
      )
      byIndex.forEach(({ update }, index) => assert.strictEqual(update, inputs[index]))
      const [first] = byIndex
      assert(first?._tag === "Applied")
      assert.deepStrictEqual(
        Option.map(first.response, ({ conversation }) => conversation.unreadCount),
        Option.some(0)
      )
      assert.strictEqual((yield* sandbox.applied).length, 3)
    }).pipe(Effect.provide(layer(seeds(4))))
  )

  it.effect("tells how many requests each took", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* sandbox.refuse({ status: 503, conversationId: "location-1", times: 2 })
      yield* sandbox.refuse({ status: 503, conversationId: "location-2", times: 3 })
      const fiber = yield* Effect.forkChild(
        Stream.runCollect(Bulk.updateAll(Stream.fromIterable(seeds(3).map(({ id }) => read(id)))))
      )
      while (fiber.pollUnsafe() === undefined) {
        yield* TestClock.adjust("1 second")
        yield* TestClock.withLive(Effect.sleep("5 millis"))
      }
      const outcomes = (yield* Fiber.join(fiber)).toSorted((one, other) => one.index - other.index)
      assert.deepStrictEqual(
        outcomes.map((outcome) => [outcome._tag, "attempts" in outcome ? outcome.attempts : 0]),
        [
          ["Applied", 1],
          ["Applied", 3],
          ["Failed", 3]
        ]
      )
    }).pipe(Effect.provide(layer(seeds(3), { retry: { maxAttempts: 3 }, rateLimit: false })))
  )

  it.effect("does not count the requests of another call that the application makes with each update", () =>
    Effect.gen(function* () {
      const client = yield* HighLevelClient.HighLevelClient
      const second = intercepted((update, sent) =>
        Effect.tap(sent, () =>
          Effect.orDie(
            client.execute(GetConversation.getConversation, {
              conversationId: update.conversationId,
              locationId: update.locationId
            })
          )
        )
      )
      const outcomes = yield* Stream.runCollect(
        Bulk.updateAll(Stream.fromIterable(seeds(3).map(({ id }) => read(id))))
      ).pipe(Effect.provide(second))
      assert.deepStrictEqual(
        outcomes.map((outcome) => "attempts" in outcome && outcome.attempts),
        [1, 1, 1]
      )
    }).pipe(Effect.provide(layer(seeds(3), { rateLimit: false })))
  )

  it.effect("has so many on their way at once, in all and in a location, and reads no further", () => {
    const { begun, inFlight, open, service } = held()
    return Effect.gen(function* () {
      let pulled = 0
      const inputs = Stream.fromIterable(
        Array.from({ length: 1000 }, (_, index) => index),
        { chunkSize: 1 }
      ).pipe(
        Stream.map((index) => {
          pulled++
          return read(String(index), 0, `location ${Math.floor(index / 20) % 50}`)
        })
      )
      const fiber = yield* Effect.forkChild(
        Stream.runCollect(Bulk.updateAll(inputs, { concurrency: 10, concurrencyPerLocation: 4 }))
      )
      yield* settle
      // Twenty of the first location are waiting; those of the next ones pass them.
      assert.deepStrictEqual(
        inFlight.toSorted(),
        ["0", "1", "2", "20", "21", "22", "23", "3"].map((id) => `${id}:0`).toSorted()
      )
      assert.isAtMost(pulled, 10 * 4 + 2)
      for (let index = 0; index < 1000; index++) yield* open(`${index}:0`)
      const outcomes = yield* Fiber.join(fiber)
      assert.strictEqual(outcomes.length, 1000)
      assert.strictEqual(new Set(begun).size, 1000)
    }).pipe(Effect.provide(service))
  })

  it.effect("makes two updates of one conversation one after the other, and lets others pass", () => {
    const { begun, open, service } = held()
    return Effect.gen(function* () {
      const outcomes: Array<number> = []
      const inputs = [read("a", 1), read("a", 2), read("b", 1), read("a", 3), read("a", 1, "another location")]
      const fiber = yield* Effect.forkChild(
        Stream.runForEach(Bulk.updateAll(Stream.fromIterable(inputs)), ({ index }) =>
          Effect.sync(() => outcomes.push(index))
        )
      )
      yield* settle
      assert.deepStrictEqual(begun, ["a:1", "b:1", "a:1"])
      yield* open("b:1")
      yield* settle
      yield* open("a:1")
      yield* settle
      assert.deepStrictEqual(begun, ["a:1", "b:1", "a:1", "a:2"])
      yield* open("a:3")
      yield* open("a:2")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(begun.slice(3), ["a:2", "a:3"])
      assert.strictEqual(outcomes[0], 2)
      assert.deepStrictEqual(outcomes.slice(-2), [1, 3])
    }).pipe(Effect.provide(service))
  })

  it.effect("whose input fails reports what came before, and then fails", () =>
    Effect.gen(function* () {
      const outcomes: Array<string> = []
      const inputs = Stream.concat(Stream.fromIterable([read("location-0"), read("location-1")]), Stream.fail("torn"))
      const error = yield* Effect.flip(
        Stream.runForEach(Bulk.updateAll(inputs), ({ _tag }) => Effect.sync(() => outcomes.push(_tag)))
      )
      assert.strictEqual(error, "torn")
      assert.deepStrictEqual(outcomes, ["Applied", "Applied"])
    }).pipe(Effect.provide(layer(seeds(2))))
  )

  it.effect.each([
    ["concurrency", { concurrency: 0 }],
    ["concurrency", { concurrency: Number.NaN }],
    ["concurrencyPerLocation", { concurrencyPerLocation: 1.5 }]
  ] as const)("that cannot go on with its options says which: %s", ([option, options]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Stream.runCollect(Bulk.updateAll(Stream.make(read("location-0")), options)))
      assert(error._tag === "InvalidOptions")
      assert.strictEqual(error.option, option)
    }).pipe(Effect.provide(layer([])))
  )

  it.effect("of many updates of one conversation does not block itself", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const inputs = Array.from({ length: 100 }, (_, index) => read("location-0", index))
      yield* Stream.runDrain(Bulk.updateAll(Stream.fromIterable(inputs), { concurrency: 1 }))
      assert.deepStrictEqual(
        (yield* sandbox.applied).map(({ unreadCount }) => unreadCount),
        inputs.map(({ unreadCount }) => unreadCount)
      )
    }).pipe(Effect.provide(layer(seeds(1), { rateLimit: false })))
  )

  it.effect("that is dry sends nothing and still finds what is wrong", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const path = newPath()
      yield* runWith(path, [read("location-0")])
      const before = (yield* sandbox.requests).length
      assert.deepStrictEqual(
        yield* runWith(path, [read("location-0"), read("location-1"), read("..")], { dryRun: true }),
        ["Skipped", "Planned", "Failed"]
      )
      assert.strictEqual((yield* sandbox.requests).length, before)
      assert.strictEqual(readFileSync(path, "utf8").split("\n").length, 2)
    }).pipe(Effect.provide(layer(seeds(2))))
  )
})

describe("a job that is stopped", () => {
  // The sandbox answers after a second of its clock, and has applied by then.
  const slow = Effect.gen(function* () {
    const sandbox = yield* Sandbox.Sandbox
    yield* sandbox.fault({ kind: "slow-headers", delay: "1 second", times: Infinity })
    return sandbox
  })
  const inputs = seeds(20).map(({ id }) => read(id))

  const untilSent = (sandbox: Sandbox.Service, count: number) =>
    Effect.gen(function* () {
      while ((yield* sandbox.requests).length < count) yield* TestClock.withLive(Effect.sleep("5 millis"))
    })

  it.effect("begins nothing more, and reports what it had sent", () =>
    Effect.gen(function* () {
      const sandbox = yield* slow
      const stop = yield* Deferred.make<void>()
      const path = newPath()
      const fiber = yield* Effect.forkChild(runWith(path, inputs, { concurrency: 3, stop: Deferred.await(stop) }))
      yield* untilSent(sandbox, 3)
      yield* Deferred.succeed(stop, undefined)
      yield* TestClock.withLive(Effect.sleep("50 millis"))
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* Fiber.join(fiber), ["Applied", "Applied", "Applied"])
      assert.strictEqual((yield* sandbox.requests).length, 3)
      assert.strictEqual(readFileSync(path, "utf8").trim().split("\n").length, 3)
    }).pipe(Effect.provide(layer(seeds(20), { rateLimit: false })))
  )

  it.effect("by an interruption has journaled what it had sent", () =>
    Effect.gen(function* () {
      const sandbox = yield* slow
      const path = newPath()
      const fiber = yield* Effect.forkChild(runWith(path, inputs, { concurrency: 3 }))
      yield* untilSent(sandbox, 3)
      const interruption = yield* Effect.forkChild(Fiber.interrupt(fiber))
      yield* TestClock.withLive(Effect.sleep("50 millis"))
      assert.isUndefined(interruption.pollUnsafe())
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(interruption)
      const lines = readFileSync(path, "utf8").trim().split("\n")
      assert.deepStrictEqual(lines.map((line) => JSON.parse(line).index).toSorted(), [0, 1, 2])
      assert.strictEqual((yield* sandbox.requests).length, 3)
    }).pipe(Effect.provide(layer(seeds(20), { rateLimit: false })))
  )

  it.effect("does not wait for the quota or for a retry", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* sandbox.limit({ max: 2, intervalMillis: 3_600_000 })
      yield* sandbox.refuse({ status: 503, conversationId: "location-0" })
      const stop = yield* Deferred.make<void>()
      const fiber = yield* Effect.forkChild(
        runWith(newPath(), inputs.slice(0, 5), { concurrency: 3, stop: Deferred.await(stop) })
      )
      yield* untilSent(sandbox, 2)
      yield* TestClock.withLive(Effect.sleep("50 millis"))
      yield* Deferred.succeed(stop, undefined)
      assert.deepStrictEqual(yield* Fiber.join(fiber), ["Applied"])
      assert.strictEqual((yield* sandbox.requests).length, 2)
    }).pipe(Effect.provide(layer(seeds(20), { retry: { baseDelay: "30 seconds" } })))
  )
})

describe("a job that is stopped while it has no token", () => {
  it.effect("does not wait for one, and sends nothing with it: neither at first nor after a 401", () =>
    Effect.gen(function* () {
      for (const isRenewal of [false, true]) {
        const sandbox = yield* Sandbox.Sandbox
        yield* sandbox.reset
        const waiting = yield* Deferred.make<void>()
        const late = Effect.andThen(
          Deferred.succeed(waiting, undefined),
          Effect.delay(Effect.succeed(true), "1 minute")
        )
        const good = Redacted.make(Sandbox.defaultToken)
        const tokens = Layer.succeed(AccessToken.AccessToken, {
          app: "app",
          get: () => (isRenewal ? Effect.succeed(Redacted.make("bad")) : Effect.as(late, good)),
          renew: () => late
        })
        const client = Layer.unwrap(
          Effect.map(Sandbox.url, (baseUrl) => HighLevelClient.layer({ baseUrl, retry: false }))
        ).pipe(Layer.provide(tokens), Layer.provide(FetchHttpClient.layer))
        const fiber = yield* Effect.forkChild(
          Stream.runCollect(Bulk.updateAll(Stream.make(read("location-0")), { stop: Deferred.await(waiting) })).pipe(
            Effect.provide(client)
          )
        )
        while (fiber.pollUnsafe() === undefined) yield* TestClock.withLive(Effect.sleep("5 millis"))
        assert.deepStrictEqual(yield* Fiber.join(fiber), [])
        assert.strictEqual((yield* sandbox.requests).length, isRenewal ? 1 : 0)
      }
    }).pipe(Effect.provide(layer(seeds(1))))
  )
})

describe("a journal", () => {
  it.effect("is for its owner alone, and one line for each outcome, written before it is reported", () =>
    Effect.gen(function* () {
      const path = newPath()
      const journal = yield* openJournal(path)
      yield* Stream.runForEach(
        Bulk.updateAll(Stream.fromIterable([...seeds(10).map(({ id }) => read(id)), read("unknown")]), { journal }),
        ({ index, update: { conversationId } }) =>
          Effect.sync(() => {
            const lines = readFileSync(path, "utf8").split("\n").slice(0, -1)
            const line = lines.map((text) => JSON.parse(text)).find((entry) => entry.index === index)
            assert.strictEqual(line?.conversationId, conversationId)
            assert.strictEqual(line?.outcome, conversationId === "unknown" ? "Failed" : "Applied")
            assert.strictEqual(line?.error, conversationId === "unknown" ? "BadRequest" : undefined)
          })
      )
      assert.strictEqual(statSync(path).mode & 0o777, 0o600)
    }).pipe(Effect.scoped, Effect.provide(layer(seeds(10))))
  )

  it.effect("skips what was applied and retries what failed", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const path = newPath()
      const inputs = seeds(4).map(({ id }) => read(id))
      yield* sandbox.refuse({ status: 422, conversationId: "location-2" })
      assert.deepStrictEqual(yield* runWith(path, inputs), ["Applied", "Applied", "Failed", "Applied"])
      assert.deepStrictEqual(yield* runWith(path, inputs), ["Skipped", "Skipped", "Applied", "Skipped"])
      assert.deepStrictEqual(
        (yield* sandbox.applied).map(({ conversationId }) => conversationId).toSorted(),
        inputs.map(({ conversationId }) => conversationId)
      )
      yield* runWith(path, inputs)
      assert.strictEqual((yield* sandbox.requests).length, 5)
    }).pipe(Effect.provide(layer(seeds(4))))
  )

  it.effect("retries what failed, and then what comes after it in the conversation", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const path = newPath()
      const inputs = [read("location-0", 5), read("location-0", 6), read("location-1", 5), read("location-0", 7)]
      yield* sandbox.refuse({ status: 422, conversationId: "location-0", times: 2 })
      yield* sandbox.refuse({ status: 422, conversationId: "location-1" })
      assert.deepStrictEqual(yield* runWith(path, inputs), ["Failed", "Failed", "Failed", "Applied"])
      assert.deepStrictEqual(yield* runWith(path, inputs), ["Applied", "Applied", "Applied", "Applied"])
      assert.deepStrictEqual(yield* runWith(path, inputs), ["Skipped", "Skipped", "Skipped", "Skipped"])
      const held = yield* sandbox.conversation("location-0")
      assert.deepStrictEqual(
        Option.map(held, ({ unreadCount }) => unreadCount),
        Option.some(7)
      )
    }).pipe(Effect.provide(layer(seeds(2))))
  )

  it.effect("retries what failed also where a later line sets some of the same fields", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const path = newPath()
      const inputs = [
        { ...read("location-0", 5), starred: false },
        { conversationId: "location-0", locationId: "location", starred: true },
        read("location-1", 5),
        { ...read("location-1", 6), starred: true }
      ]
      yield* sandbox.refuse({ status: 422, conversationId: "location-0" })
      yield* sandbox.refuse({ status: 422, conversationId: "location-1" })
      assert.deepStrictEqual(yield* runWith(path, inputs), ["Failed", "Applied", "Failed", "Applied"])
      const before = (yield* sandbox.applied).length
      assert.deepStrictEqual(yield* runWith(path, inputs), ["Applied", "Applied", "Applied", "Applied"])
      assert.strictEqual((yield* sandbox.applied).length, before + 4)
      const held = Option.getOrThrow(yield* sandbox.conversation("location-0"))
      assert.deepStrictEqual([held.unreadCount, held.starred], [5, true])
    }).pipe(Effect.provide(layer(seeds(2))))
  )

  it.effect("knows after a stop what has to be done again, so that the last value wins", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const path = newPath()
      yield* runWith(path, [read("location-0", 1), read("location-0", 2), read("location-0", 3)])
      // The first line is another now; the run ends when it is done.
      const changed = [read("location-0", 7), read("location-0", 2), read("location-0", 3)]
      const stop = yield* Deferred.make<void>()
      const stopping = intercepted((update, call) =>
        update.unreadCount === 7
          ? Effect.tap(call, () => Effect.forkDetach(Effect.delay(Deferred.succeed(stop, undefined), 1)))
          : Effect.interruptible(Effect.never)
      )
      const fiber = yield* Effect.forkChild(
        runWith(path, changed, { stop: Deferred.await(stop) }).pipe(Effect.provide(stopping))
      )
      while (fiber.pollUnsafe() === undefined) {
        yield* TestClock.withLive(Effect.sleep("5 millis"))
        yield* TestClock.adjust("1 milli")
      }
      const reached = Option.getOrThrow(yield* sandbox.conversation("location-0")).unreadCount
      assert.strictEqual(reached, 7)
      yield* runWith(path, changed)
      assert.strictEqual(Option.getOrThrow(yield* sandbox.conversation("location-0")).unreadCount, 3)
      // And then it is quiet.
      const before = (yield* sandbox.applied).length
      assert.deepStrictEqual(yield* runWith(path, changed), ["Skipped", "Skipped", "Skipped"])
      assert.strictEqual((yield* sandbox.applied).length, before)
    }).pipe(Effect.provide(layer(seeds(1))))
  )

  it.effect("still retries what failed after a line that has changed since", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const path = newPath()
      yield* sandbox.refuse({ status: 422, conversationId: "location-0", times: 3 })
      const inputs = [read("location-1", 1), read("location-0", 5)]
      assert.deepStrictEqual(yield* runWith(path, inputs), ["Applied", "Failed"])
      // The first line is one of the same conversation now; the second fails again.
      const changed = [read("location-0", 4), read("location-0", 5)]
      assert.deepStrictEqual(yield* runWith(path, changed), ["Failed", "Failed"])
      assert.deepStrictEqual(yield* runWith(path, changed.slice(0, 1)), ["Applied"])
      assert.deepStrictEqual(yield* runWith(path, changed), ["Skipped", "Applied"])
      const held = yield* sandbox.conversation("location-0")
      assert.deepStrictEqual(
        Option.map(held, ({ unreadCount }) => unreadCount),
        Option.some(5)
      )
    }).pipe(Effect.provide(layer(seeds(2))))
  )

  it.effect("retries what failed last, though an earlier line of the conversation was applied", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const path = newPath()
      const inputs = [read("location-0", 5), read("location-0", 6)]
      yield* sandbox.refuse({ status: 503, conversationId: "location-1" })
      let calls = 0
      const second = intercepted((_, sent) =>
        ++calls === 2 ? Effect.fail(new HighLevelError.TransportFailure({ ...call, cause: "no" })) : sent
      )
      assert.deepStrictEqual(yield* Effect.provide(runWith(path, inputs), second), ["Applied", "Failed"])
      assert.deepStrictEqual(yield* runWith(path, inputs), ["Skipped", "Applied"])
      assert.strictEqual((yield* sandbox.requests).length, 2)
    }).pipe(Effect.provide(layer(seeds(2))))
  )

  it.effect("knows a line that has changed, and what comes after it in the conversation", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const path = newPath()
      yield* runWith(path, [read("location-0", 1), read("location-1", 1), read("location-0", 2), read("location-2", 1)])
      // The second line is another now, of the first conversation: its last value must win again.
      assert.deepStrictEqual(
        yield* runWith(path, [
          read("location-0", 1),
          read("location-0", 9),
          read("location-0", 2),
          { ...read("location-2", 1), starred: true }
        ]),
        ["Skipped", "Applied", "Applied", "Applied"]
      )
      assert.deepStrictEqual(
        (yield* sandbox.applied)
          .slice(4)
          .map(({ conversationId, unreadCount }) => [conversationId, unreadCount])
          .toSorted(),
        [
          ["location-0", 2],
          ["location-0", 9],
          ["location-2", 1]
        ]
      )
      const held = yield* sandbox.conversation("location-0")
      assert.deepStrictEqual(
        Option.map(held, ({ unreadCount }) => unreadCount),
        Option.some(2)
      )
    }).pipe(Effect.provide(layer(seeds(3))))
  )

  it.effect("heals a last line that was torn anywhere", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const path = newPath()
      const inputs = [read("location-0"), { ...read("location-1"), feedback: { note: "zwölf €" } }]
      yield* runWith(path, inputs.slice(0, 1))
      const whole = readFileSync(path)
      yield* runWith(path, inputs)
      const all = readFileSync(path)
      const applied = (yield* sandbox.applied).length
      const cuts = [whole.length + 1, whole.length + 20, all.length - 2, all.length - 1]
      for (const cut of cuts) {
        writeFileSync(path, all.subarray(0, cut))
        assert.deepStrictEqual(yield* runWith(path, inputs), ["Skipped", "Applied"])
        const lines = readFileSync(path, "utf8").split("\n")
        assert.strictEqual(lines.length, 3)
        lines.slice(0, -1).forEach((line) => JSON.parse(line))
      }
      assert.strictEqual((yield* sandbox.applied).length, applied + cuts.length)
    }).pipe(Effect.provide(layer(seeds(2))))
  )

  it.effect("that is something else is not written to, and the line is named", () =>
    Effect.gen(function* () {
      const path = newPath()
      yield* runWith(path, [read("location-0")])
      appendFileSync(path, "id,unread\n1,2\n")
      const before = readFileSync(path, "utf8")
      const error = yield* Effect.flip(runWith(path, [read("location-0")]))
      assert(error._tag === "JournalError")
      assert.strictEqual(error.line, 2)
      assert.strictEqual(readFileSync(path, "utf8"), before)
      // One line without its break is not a torn one of ours.
      for (const foreign of [`{"my":"config"}`, "an id", "["]) {
        writeFileSync(path, foreign)
        const refused = yield* Effect.flip(runWith(path, [read("location-0")]))
        assert.propertyVal(refused, "line", 1)
        assert.strictEqual(readFileSync(path, "utf8"), foreign)
      }
      const folder = yield* Effect.flip(runWith(directory, []))
      assert.strictEqual(folder._tag, "JournalError")
      const nowhere = yield* Effect.flip(runWith(join(directory, "missing", "journal"), []))
      assert.strictEqual(nowhere._tag, "JournalError")
    }).pipe(Effect.provide(layer(seeds(1))))
  )

  it.effect("that cannot be written ends the job with its error", () =>
    Effect.gen(function* () {
      const journal: Journal.Journal = {
        isApplied: () => false,
        append: () => Effect.fail(new Journal.JournalError({ path: "full", cause: "no space left" }))
      }
      const error = yield* Effect.flip(
        Stream.runCollect(Bulk.updateAll(Stream.fromIterable(seeds(3).map(({ id }) => read(id))), { journal }))
      )
      assert(error._tag === "JournalError")
      assert.include(error.message, "no space left")
    }).pipe(Effect.provide(layer(seeds(3))))
  )

  it.effect("takes many lines with one sync each, none of them torn", () =>
    Effect.gen(function* () {
      const path = newPath()
      const scope = yield* Scope.make()
      const journal = yield* Scope.provide(openJournal(path), scope)
      yield* Effect.forEach(
        Array.from({ length: 500 }, (_, index) => index),
        (index) => journal.append({ index, update: read(`id ${index}`), outcome: "Applied", attempts: 1 }),
        { concurrency: "unbounded", discard: true }
      )
      const again = yield* openJournal(path)
      for (let index = 0; index < 500; index++) {
        assert.isTrue(again.isApplied(index, read(`id ${index}`)))
      }
      assert.isFalse(again.isApplied(500, read("id 500")))
    }).pipe(Effect.scoped)
  )
})
