import * as NodeServices from "@effect/platform-node/NodeServices"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
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
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
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

/** Rows that know their place. */
const rowsOf = (updates: ReadonlyArray<UpdateConversation.ConversationUpdate>) =>
  Stream.fromIterable(updates.map((update, index) => ({ ...update, index })))

const inOrder = <A extends { readonly row: { readonly index: number } }>(outcomes: ReadonlyArray<A>) =>
  outcomes.toSorted((one, other) => one.row.index - other.row.index)

/** A run of updates with a journal, and what came out, in input order. */
const runWith = (path: string, updates: ReadonlyArray<UpdateConversation.ConversationUpdate>, options?: Bulk.Options) =>
  Effect.gen(function* () {
    const journal = yield* Journal.open({ path })
    const outcomes = yield* Stream.runCollect(Bulk.updateAll(rowsOf(updates), { journal, ...options }))
    return inOrder(outcomes).map(({ _tag }) => _tag)
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
      const byIndex = inOrder(yield* Stream.runCollect(Bulk.updateAll(rowsOf(inputs))))
      assert.deepStrictEqual(
        byIndex.map((outcome) => (outcome._tag === "Failed" ? outcome.error._tag : outcome._tag)),
        ["Applied", "Unprocessable", "Applied", "Applied", "BadRequest", "InvalidRequest", "InvalidRequest"]
      )
      byIndex.forEach(({ update }, index) => assert.deepStrictEqual(update, inputs[index]))
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
        Stream.runCollect(Bulk.updateAll(rowsOf(seeds(3).map(({ id }) => read(id)))))
      )
      while (fiber.pollUnsafe() === undefined) {
        yield* TestClock.adjust("1 second")
        yield* TestClock.withLive(Effect.sleep("5 millis"))
      }
      const outcomes = inOrder(yield* Fiber.join(fiber))
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

  it.effect("has so many requests in flight at once, in all and in a location", () => {
    const inFlight = new Map<string, number>()
    let most = 0
    let mostOfOne = 0
    const counted = (client: HttpClient.HttpClient) =>
      HttpClient.transform(client, (response, request) => {
        const location = /location-\d/.exec(request.url)?.[0] ?? ""
        return Effect.acquireUseRelease(
          Effect.sync(() => {
            inFlight.set(location, (inFlight.get(location) ?? 0) + 1)
            most = Math.max(
              most,
              [...inFlight.values()].reduce((sum, count) => sum + count, 0)
            )
            mostOfOne = Math.max(mostOfOne, inFlight.get(location) ?? 0)
          }),
          () => Effect.andThen(Effect.yieldNow, response),
          () => Effect.sync(() => inFlight.set(location, (inFlight.get(location) ?? 0) - 1))
        )
      })
    const locations = Array.from({ length: 5 }, (_, index) => `location-${index}`)
    const inputs = locations.flatMap((id) => seeds(20, id).map((seed) => read(seed.id, 0, id)))
    return Effect.gen(function* () {
      const outcomes = yield* Stream.runCollect(
        Bulk.updateAll(Stream.fromIterable(inputs), { concurrency: 10, concurrencyPerLocation: 4 })
      )
      assert.strictEqual(outcomes.filter(({ _tag }) => _tag === "Applied").length, 100)
      assert.deepStrictEqual([most, mostOfOne], [10, 4])
    }).pipe(
      Effect.provide(
        layer(
          locations.flatMap((id) => seeds(20, id)),
          { rateLimit: false, transformClient: counted }
        )
      )
    )
  })

  it.effect("reads so many rows ahead, and no further", () => {
    const { open, service } = held()
    return Effect.gen(function* () {
      let pulled = 0
      const inputs = Stream.fromIterable(
        Array.from({ length: 200 }, (_, index) => index),
        { chunkSize: 1 }
      ).pipe(
        Stream.map((index) => {
          pulled++
          return read(String(index), 0, `location ${Math.floor(index / 20)}`)
        })
      )
      const fiber = yield* Effect.forkChild(Stream.runCollect(Bulk.updateAll(inputs, { readAhead: 30 })))
      yield* settle
      assert.isAtLeast(pulled, 30)
      assert.isAtMost(pulled, 32)
      for (let index = 0; index < 200; index++) yield* open(`${index}:0`)
      assert.strictEqual((yield* Fiber.join(fiber)).length, 200)
    }).pipe(Effect.provide(service))
  })

  it.effect("makes two updates of one conversation one after the other, and lets others pass", () => {
    const { begun, open, service } = held()
    return Effect.gen(function* () {
      const outcomes: Array<number> = []
      const inputs = [read("a", 1), read("a", 2), read("b", 1), read("a", 3), read("a", 1, "another location")]
      const fiber = yield* Effect.forkChild(
        Stream.runForEach(Bulk.updateAll(rowsOf(inputs)), ({ row }) => Effect.sync(() => outcomes.push(row.index)))
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
    ["concurrencyPerLocation", { concurrencyPerLocation: 1.5 }],
    ["readAhead", { readAhead: 0 }],
    ["maxFailures", { maxFailures: -1 }]
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
      assert.strictEqual(readFileSync(path, "utf8").split("\n").length, 3)
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
      assert.strictEqual(readFileSync(path, "utf8").trim().split("\n").length, 1 + 3)
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
      const lines = readFileSync(path, "utf8").trim().split("\n").slice(1)
      assert.deepStrictEqual(lines.map((line) => JSON.parse(line).update.conversationId).toSorted(), [
        "location-0",
        "location-1",
        "location-2"
      ])
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

describe("a job in which something is refused", () => {
  const dead = { status: 401, times: Infinity, body: { statusCode: 401, message: "Invalid JWT" } } as const

  it.effect("for its token stops that location after two requests, and no other", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      for (const { id } of seeds(200, "dead")) yield* sandbox.refuse({ ...dead, conversationId: id })
      const inputs = [
        ...seeds(200, "dead").map(({ id }) => read(id, 0, "dead")),
        ...seeds(3, "alive").map(({ id }) => read(id, 0, "alive"))
      ]
      const outcomes = yield* Stream.runCollect(
        Bulk.updateAll(Stream.fromIterable(inputs), { concurrencyPerLocation: 1 })
      )
      const count = (tag: string, locationId: string) =>
        outcomes.filter(({ _tag, update }) => _tag === tag && update.locationId === locationId).length
      assert.strictEqual(outcomes.length, 203)
      assert.strictEqual(count("Applied", "alive"), 3)
      const sent = (yield* sandbox.requests).length - 3
      assert.strictEqual(sent, 2)
      assert.deepStrictEqual([count("Failed", "dead") + count("NotSent", "dead"), count("Applied", "dead")], [200, 0])
      assert.strictEqual(count("Failed", "dead"), sent)
      for (const outcome of outcomes) {
        if (outcome._tag === "NotSent") assert.propertyVal(outcome.reason, "reason", "InvalidToken")
      }
    }).pipe(Effect.provide(layer([...seeds(200, "dead"), ...seeds(3, "alive")])))
  )

  it.effect("for the token of one conversation only goes on", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* sandbox.refuse({ ...dead, conversationId: "location-1", times: 1 })
      const outcomes = yield* Stream.runCollect(
        Bulk.updateAll(rowsOf(seeds(4).map(({ id }) => read(id))), { concurrency: 1 })
      )
      assert.deepStrictEqual(
        inOrder(outcomes).map(({ _tag }) => _tag),
        ["Applied", "Failed", "Applied", "Applied"]
      )
    }).pipe(Effect.provide(layer(seeds(4))))
  )

  it.effect("when the day's requests are used up leaves the rest for the next run", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* sandbox.limit({ daily: 3 })
      const outcomes = yield* Stream.runCollect(
        Bulk.updateAll(rowsOf(seeds(30).map(({ id }) => read(id))), { concurrency: 1 })
      )
      const tags = outcomes.map(({ _tag }) => _tag)
      assert.deepStrictEqual(
        ["Applied", "Failed", "NotSent"].map((tag) => tags.filter((one) => one === tag).length),
        [3, 1, 26]
      )
      assert.isAtMost((yield* sandbox.requests).length, 4)
    }).pipe(Effect.provide(layer(seeds(30))))
  )

  it.effect("stops after as many failures as it is allowed", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* sandbox.refuse({ status: 422, times: Infinity })
      const outcomes = yield* Stream.runCollect(
        Bulk.updateAll(rowsOf(seeds(30).map(({ id }) => read(id))), { concurrency: 1, maxFailures: 3 })
      )
      const notSent = outcomes.flatMap((outcome) => (outcome._tag === "NotSent" ? [outcome.reason._tag] : []))
      assert.deepStrictEqual(
        notSent,
        Array.from({ length: 27 }, () => "TooManyFailures")
      )
      assert.strictEqual((yield* sandbox.requests).length, 3)
    }).pipe(Effect.provide(layer(seeds(30))))
  )

  it.effect("for good in one location does not keep another one waiting, however the input is sorted", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      for (const { id } of seeds(400, "busy"))
        yield* sandbox.refuse({ status: 429, conversationId: id, times: Infinity })
      const inputs = [
        ...seeds(400, "busy").map(({ id }) => read(id, 0, "busy")),
        ...seeds(100, "calm").map(({ id }) => read(id, 0, "calm"))
      ]
      const calm = yield* Bulk.updateAll(Stream.fromIterable(inputs)).pipe(
        Stream.filter(({ update }) => update.locationId === "calm"),
        Stream.take(100),
        Stream.runCollect
      )
      assert.isTrue(calm.every(({ _tag }) => _tag === "Applied"))
    }).pipe(Effect.provide(layer([...seeds(400, "busy"), ...seeds(100, "calm")], { retry: { maxAttempts: 10 } })))
  )

  it.effect("by a bug of the client has that as its outcome, and goes on", () =>
    Effect.gen(function* () {
      const service = clientOf(({ conversationId }) =>
        conversationId === "location-1" ? Effect.die(new Error("a bug")) : Effect.succeed(applied)
      )
      const outcomes = yield* Stream.runCollect(Bulk.updateAll(rowsOf(seeds(3).map(({ id }) => read(id))))).pipe(
        Effect.provide(service)
      )
      assert.deepStrictEqual(
        inOrder(outcomes).map(({ _tag }) => _tag),
        ["Applied", "Defect", "Applied"]
      )
    })
  )

  it.effect("sends what a function makes of a row, and returns the row", () =>
    Effect.gen(function* () {
      const rows = [{ contact: "Ada", id: "location-0" }]
      const outcomes = yield* Stream.runCollect(
        Bulk.updateAll(Stream.fromIterable(rows), ({ id }) => read(id, 4), { concurrency: 1 })
      )
      assert.deepStrictEqual(
        outcomes.map(({ _tag, row, update }) => [_tag, row.contact, update]),
        [["Applied", "Ada", read("location-0", 4)]]
      )
    }).pipe(Effect.provide(layer(seeds(1))))
  )
})
