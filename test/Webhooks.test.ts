import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Schema from "effect/Schema"
import { TestClock } from "effect/testing"
import type * as Headers from "effect/http/Headers"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as Persistence from "effect/persistence/Persistence"
import { Webhooks } from "effect-highlevel"
import { createServer, request as send } from "node:http"
import { settle } from "./harness.ts"
import { appId, bytesOf, makeSigner, route, unreadUpdate } from "./webhooks.ts"

const { key, sign } = await Effect.runPromise(makeSigner)

const reasonOf = (headers: Headers.Input, bytes: Uint8Array, options: Partial<Webhooks.VerifyOptions> = {}) =>
  Effect.match(Webhooks.verify(headers, bytes, { appId, keys: [key], ...options }), {
    onSuccess: () => "accepted",
    onFailure: (error) => (error._tag === "WebhookRejected" ? error.reason : error._tag)
  })

const signed = Effect.fnUntraced(function* (text: string) {
  const bytes = bytesOf(text)
  return { bytes, headers: { "x-ghl-signature": yield* sign(bytes) } }
})

const serve = <E>(
  handler: (event: Webhooks.Event) => Effect.Effect<unknown, E>,
  options: Partial<Webhooks.Options<E, never>> = {}
) => route({ keys: [key], handler, ...options })

describe("a delivery", () => {
  it.effect("that HighLevel has signed is accepted over its raw bytes, however its JSON is written", () =>
    Effect.gen(function* () {
      for (const text of [
        JSON.stringify(unreadUpdate()),
        `{ "unreadCount": 1.0,\r\n "type":"ConversationUnreadUpdate", "appId":"${appId}" }`,
        '{"type":"ConversationUnreadUpdate","id":"\\u0061\\/b","starred":null}'
      ]) {
        const { bytes, headers } = yield* signed(text)
        const event = yield* Webhooks.verify(headers, bytes, { appId, keys: [key] })
        assert.strictEqual(event._tag, "ConversationUnreadUpdate")
        // Written again, it would be another text.
        if (text.includes("1.0")) {
          assert.strictEqual(yield* reasonOf(headers, bytesOf(JSON.stringify(JSON.parse(text)))), "InvalidSignature")
        }
      }
    })
  )

  it.effect("is not HighLevel's where it is not signed by its key", () =>
    Effect.gen(function* () {
      const { bytes, headers } = yield* signed(JSON.stringify(unreadUpdate()))
      const signature = headers["x-ghl-signature"]
      assert.strictEqual(yield* reasonOf({}, bytes), "Unsigned")
      assert.strictEqual(yield* reasonOf({ "x-wh-signature": signature }, bytes), "Unsigned")
      assert.strictEqual(yield* reasonOf({ "X-GHL-Signature": signature }, bytes), "accepted")
      for (const wrong of ["", "N/A", "AAAA", signature.slice(4), `${signature}AAAA`]) {
        assert.strictEqual(yield* reasonOf({ "x-ghl-signature": wrong }, bytes), "InvalidSignature")
      }
      assert.strictEqual(yield* reasonOf(headers, bytesOf("{}")), "InvalidSignature")
      assert.strictEqual(yield* reasonOf(headers, bytes, { keys: [Webhooks.highLevelKey] }), "InvalidSignature")
      assert.strictEqual(yield* reasonOf(headers, bytes, { keys: [Webhooks.highLevelKey, key] }), "accepted")
    })
  )

  it.effect("is refused if it is for another app, too old, of the future, too large or no object", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust("20000 days")
      const now = yield* Clock.currentTimeMillis
      const iso = (millis: number) => new Date(now + millis).toISOString()
      const hour = 3_600_000
      for (const [document, expected] of [
        [unreadUpdate({ appId: "another" }), "OtherApp"],
        [unreadUpdate({ appId }), "accepted"],
        [unreadUpdate(), "accepted"],
        [{ type: "INSTALL", locationId: "l" }, "OtherApp"],
        [{ type: "UNINSTALL", locationId: "l", appId: null }, "OtherApp"],
        [{ type: "UNINSTALL", locationId: "l", appId }, "accepted"],
        [{ type: "ContactCreate", appId: "another" }, "OtherApp"],
        [unreadUpdate({ timestamp: iso(-25 * hour) }), "Stale"],
        [unreadUpdate({ timestamp: now - 25 * hour }), "Stale"],
        [unreadUpdate({ timestamp: iso(-23 * hour) }), "accepted"],
        [unreadUpdate({ timestamp: iso(hour) }), "Stale"],
        [unreadUpdate({ timestamp: "yesterday" }), "Malformed"],
        [{ type: "ContactCreate", timestamp: iso(-25 * hour) }, "Stale"],
        [{ type: "ContactCreate", timestamp: "yesterday" }, "Malformed"],
        [[unreadUpdate()], "Malformed"],
        [null, "Malformed"],
        [unreadUpdate({ body: "x".repeat(2000) }), "TooLarge"]
      ] as const) {
        const { bytes, headers } = yield* signed(JSON.stringify(document))
        assert.strictEqual(yield* reasonOf(headers, bytes, { maxBytes: 2000 }), expected, JSON.stringify(document))
      }
      const broken = yield* signed("{")
      assert.strictEqual(yield* reasonOf(broken.headers, broken.bytes), "Malformed")
    })
  )

  it.effect("is judged by the one way to read it, however odd its JSON is", () =>
    Effect.gen(function* () {
      const nested = (levels: number) => `${"[".repeat(levels)}${"]".repeat(levels)}`
      for (const [text, expected] of [
        // The last of several keys is the one that a handler sees.
        [`{"appId":"another","appId":"${appId}"}`, "accepted"],
        [`{"appId":"${appId}","appId":"another"}`, "OtherApp"],
        [`{"type":"UNINSTALL","__proto__":{"appId":"${appId}"}}`, "OtherApp"],
        [`{"type":"UNINSTALL","unrecognized":{"appId":"${appId}"}}`, "OtherApp"],
        [`{"appId":["${appId}"]}`, "OtherApp"],
        ['{"appId":1}', "OtherApp"],
        [`\ufeff{"appId":"${appId}"}`, "accepted"],
        [`{"webhookId":"\\ud800","body":"\\udc00"}`, "accepted"],
        [`{"type":"constructor"}`, "accepted"],
        [`{"type":["UNINSTALL"]}`, "accepted"],
        [`{"a":${nested(100_000)}}`, "accepted"],
        [nested(100_000), "Malformed"],
        // In seconds, it is of 1970.
        ['{"timestamp":1790000000}', "Stale"],
        ['{"timestamp":1e999}', "Malformed"],
        ['{"timestamp":1e300}', "Malformed"],
        ['{"timestamp":{"seconds":1e300,"nanoseconds":0}}', "Malformed"],
        ['{"type":"InboundMessage","timestamp":"x","unrecognized":{}}', "Malformed"],
        ['{"timestamp":false}', "Malformed"],
        ["", "Malformed"]
      ] as const) {
        const { bytes, headers } = yield* signed(text)
        yield* TestClock.setTime(1_795_000_000_000)
        assert.strictEqual(yield* reasonOf(headers, bytes), expected, text.slice(0, 100))
      }
      const bytes = Uint8Array.of(...bytesOf('{"body":"'), 0xff, ...bytesOf('"}'))
      assert.strictEqual(yield* reasonOf({ "x-ghl-signature": yield* sign(bytes) }, bytes), "Malformed")
    })
  )

  it.effect("has one signature, in a header of any spelling", () =>
    Effect.gen(function* () {
      const { bytes, headers } = yield* signed(JSON.stringify(unreadUpdate()))
      const signature = headers["x-ghl-signature"]
      for (const [input, expected] of [
        [{ "X-Ghl-SIGNATURE": signature }, "accepted"],
        [new globalThis.Headers({ "X-GHL-Signature": ` ${signature} ` }), "accepted"],
        // As servers join the values of several headers.
        [{ "x-ghl-signature": `${signature}, ${signature}` }, "InvalidSignature"],
        [{ "x-ghl-signature": [signature, signature] }, "InvalidSignature"],
        [{ "x-ghl-signature": signature.replaceAll("=", "") }, "InvalidSignature"],
        [{ "x-wh-signature": signature, "x-ghl-signature": "N/A" }, "InvalidSignature"]
      ] as const) {
        assert.strictEqual(yield* reasonOf(input, bytes), expected, JSON.stringify(input))
      }
    })
  )

  it.effect("needs options that can work", () =>
    Effect.gen(function* () {
      for (const options of [
        { appId: "" },
        { appId: "the-client-id" },
        { keys: [] },
        { keys: ["nope"] },
        { keys: ["AAAA"] },
        // As long as a key, but of no kind.
        { keys: [`${"A".repeat(59)}=`] },
        { maxAge: 0 },
        { maxBytes: 0 }
      ]) {
        const { bytes, headers } = yield* signed("{}")
        assert.strictEqual(yield* reasonOf(headers, bytes, options), "InvalidOptions")
      }
    })
  )
})

describe("an event", () => {
  it.effect("is typed by what HighLevel documents, and open for the rest", () =>
    Effect.gen(function* () {
      const read = Effect.fnUntraced(function* (document: object) {
        const { bytes, headers } = yield* signed(JSON.stringify(document))
        return yield* Webhooks.verify(headers, bytes, { appId, keys: [key] })
      })
      const unread = yield* read(unreadUpdate({ starred: "yes", tags: ["vip"] }))
      assert(unread._tag === "ConversationUnreadUpdate")
      assert.deepStrictEqual(
        [unread.unreadCount, unread.unrecognized, unread["tags"]],
        [3, { starred: "yes" }, ["vip"]]
      )
      const message = yield* read({ type: "InboundMessage", body: "urgent", conversationId: "c", direction: "inbound" })
      assert(message._tag === "InboundMessage")
      assert.strictEqual(message.body, "urgent")
      const other = yield* read({ type: "ContactCreate", id: "c" })
      assert.deepStrictEqual(other, {
        _tag: "Unknown",
        type: "ContactCreate",
        document: { type: "ContactCreate", id: "c" }
      })
      const disguised = yield* read({ type: "InboundMessage", _tag: "UNINSTALL" })
      assert(disguised._tag === "InboundMessage")
      assert.deepStrictEqual(disguised.unrecognized, { _tag: "UNINSTALL" })
      assert.strictEqual((yield* read({ type: "__proto__" }))._tag, "Unknown")
      assert.strictEqual((yield* read({ type: 3 }))._tag, "Unknown")
    })
  )
})

describe("the route", () => {
  const post = (document: object) => signed(JSON.stringify(document))

  it.effect("hands an event on once, by its id or else by its bytes", () => {
    const events: Array<string> = []
    return Effect.gen(function* () {
      const deliver = yield* serve((event) => Effect.sync(() => events.push(event._tag)))
      const timestamp = new Date(yield* Clock.currentTimeMillis).toISOString()
      const one = yield* post(unreadUpdate({ webhookId: "w-1" }))
      // The same event, written in another way.
      const again = yield* post({ webhookId: "w-1", ...unreadUpdate() })
      const withoutId = yield* post(unreadUpdate({ timestamp }))
      const oddId = yield* post(unreadUpdate({ timestamp, webhookId: 1 }))
      // An empty id is none: these are two events.
      const emptyId = yield* post(unreadUpdate({ timestamp, webhookId: "" }))
      const otherEmptyId = yield* post(unreadUpdate({ timestamp, webhookId: "", unreadCount: 4 }))
      const longId = yield* post(unreadUpdate({ webhookId: "w".repeat(500_000) }))
      // Another event, whoever gave it the same id.
      const otherType = yield* post({ type: "InboundMessage", webhookId: "w-1" })
      for (const { bytes, headers } of [
        one,
        withoutId,
        oddId,
        emptyId,
        otherEmptyId,
        longId,
        otherType,
        one,
        again,
        withoutId,
        oddId,
        longId
      ]) {
        assert.strictEqual(yield* deliver(headers, bytes), 200)
      }
      assert.lengthOf(events, 7)
      yield* TestClock.adjust("23 hours")
      yield* deliver(one.headers, one.bytes)
      assert.lengthOf(events, 7)
    }).pipe(Effect.scoped, Effect.provide(Persistence.layerMemory))
  })

  it.effect("hands an event on whenever it comes, if nothing tells it from one that happened before", () => {
    const counts: Array<unknown> = []
    return Effect.gen(function* () {
      const deliver = yield* serve((event) =>
        Effect.sync(() => counts.push(event._tag === "ConversationUnreadUpdate" ? event.unreadCount : event._tag))
      )
      // As recorded live: unread, read, and unread again.
      for (const unreadCount of [1, 0, 1]) {
        const { bytes, headers } = yield* post(unreadUpdate({ unreadCount }))
        assert.strictEqual(yield* deliver(headers, bytes), 200)
      }
      assert.deepStrictEqual(counts, [1, 0, 1])
    }).pipe(Effect.scoped, Effect.provide(Persistence.layerMemory))
  })

  it.effect("remembers the events of each app in one store, under keys of 64 characters", () => {
    const seen: Array<string> = []
    const keys: Array<string> = []
    const backing = Layer.effect(
      Persistence.BackingPersistence,
      Effect.map(Persistence.BackingPersistence, (memory) => ({
        make: (storeId: string) =>
          Effect.map(memory.make(storeId), (store) => ({
            ...store,
            set: (key: string, value: object, ttl: Duration.Duration | undefined) =>
              Effect.andThen(
                Effect.sync(() => void keys.push(key)),
                store.set(key, value, ttl)
              )
          }))
      }))
    ).pipe(Layer.provide(Persistence.layerBackingMemory))
    return Effect.gen(function* () {
      for (const id of ["one", "two"]) {
        const deliver = yield* serve(() => Effect.sync(() => seen.push(id)), { appId: id })
        const { bytes, headers } = yield* post(unreadUpdate({ webhookId: "\ud800 w".repeat(1000) }))
        assert.strictEqual(yield* deliver(headers, bytes), 200)
        assert.strictEqual(yield* deliver(headers, bytes), 200)
      }
      assert.deepStrictEqual(seen, ["one", "two"])
      assert.lengthOf(keys, 2)
      for (const key of keys) assert.match(key, /^[0-9a-f]{64}$/)
    }).pipe(Effect.scoped, Effect.provide(Layer.provide(Persistence.layer, backing)))
  })

  it.effect("goes on with an event for a second delivery of it when the first one hangs up", () => {
    let handled = 0
    return Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const began = yield* Deferred.make<void>()
      const deliver = yield* serve(() =>
        Effect.andThen(
          Effect.andThen(Deferred.succeed(began, undefined), Deferred.await(gate)),
          Effect.sync(() => void handled++)
        )
      )
      const { bytes, headers } = yield* post(unreadUpdate({ webhookId: "w-1" }))
      const first = yield* Effect.forkChild(deliver(headers, bytes))
      yield* Deferred.await(began)
      const second = yield* Effect.forkChild(deliver(headers, bytes))
      yield* settle
      yield* Fiber.interrupt(first)
      yield* Deferred.succeed(gate, undefined)
      assert.strictEqual(yield* Fiber.join(second), 200)
      assert.strictEqual(handled, 1)
    }).pipe(Effect.scoped, Effect.provide(Persistence.layerMemory))
  })

  it.effect("asks for the event again when the store fails or hangs, and never calls its handler unasked", () => {
    let handled = 0
    let isBroken = true
    let failure: Effect.Effect<never, Persistence.PersistenceError> = Effect.fail(
      new Persistence.PersistenceError({ message: "the store is unavailable" })
    )
    const backing = Layer.succeed(Persistence.BackingPersistence, {
      make: () =>
        Effect.succeed({
          get: () => (isBroken ? failure : Effect.undefined),
          getMany: () => Effect.die("not used"),
          set: () => Effect.void,
          setMany: () => Effect.void,
          remove: () => Effect.void,
          clear: Effect.void
        })
    })
    return Effect.gen(function* () {
      const deliver = yield* serve(() => Effect.sync(() => void handled++))
      const { bytes, headers } = yield* post(unreadUpdate({ webhookId: "w-1" }))
      assert.strictEqual(yield* deliver(headers, bytes), 500)
      const began = yield* Deferred.make<void>()
      failure = Effect.andThen(Deferred.succeed(began, undefined), Effect.never)
      const hanging = yield* Effect.forkChild(deliver(headers, bytes))
      yield* Deferred.await(began)
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual(yield* Fiber.join(hanging), 500)
      assert.strictEqual(handled, 0)
      isBroken = false
      assert.strictEqual(yield* deliver(headers, bytes), 200)
      assert.strictEqual(handled, 1)
    }).pipe(Effect.scoped, Effect.provide(Layer.provide(Persistence.layer, backing)))
  })

  it.effect("asks for the event again when its handler fails, dies or takes too long", () => {
    let outcome: Effect.Effect<void, string> = Effect.fail("not today")
    let handled = 0
    return Effect.gen(function* () {
      const deliver = yield* serve(() =>
        Effect.andThen(
          Effect.suspend(() => outcome),
          Effect.sync(() => void handled++)
        )
      )
      const { bytes, headers } = yield* post(unreadUpdate({ webhookId: "w-1" }))
      assert.strictEqual(yield* deliver(headers, bytes), 500)
      outcome = Effect.die(new Error("a bug"))
      assert.strictEqual(yield* deliver(headers, bytes), 500)
      const began = yield* Deferred.make<void>()
      outcome = Effect.andThen(Deferred.succeed(began, undefined), Effect.never)
      const slow = yield* Effect.forkChild(deliver(headers, bytes))
      yield* Deferred.await(began)
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual(yield* Fiber.join(slow), 500)
      outcome = Effect.void
      assert.strictEqual(yield* deliver(headers, bytes), 200)
      assert.strictEqual(yield* deliver(headers, bytes), 200)
      assert.strictEqual(handled, 1)
    }).pipe(Effect.scoped, Effect.provide(Persistence.layerMemory))
  })

  it.effect("handles an event once that is delivered twice at the same moment", () => {
    let handled = 0
    return Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const began = yield* Deferred.make<void>()
      const deliver = yield* serve(() =>
        Effect.andThen(
          Effect.andThen(Deferred.succeed(began, undefined), Deferred.await(gate)),
          Effect.sync(() => void handled++)
        )
      )
      const { bytes, headers } = yield* post(unreadUpdate({ webhookId: "w-1" }))
      const both = yield* Effect.forkChild(
        Effect.all([deliver(headers, bytes), deliver(headers, bytes)], { concurrency: "unbounded" })
      )
      yield* Deferred.await(began)
      yield* Deferred.succeed(gate, undefined)
      assert.deepStrictEqual(yield* Fiber.join(both), [200, 200])
      assert.strictEqual(handled, 1)
    }).pipe(Effect.scoped, Effect.provide(Persistence.layerMemory))
  })

  it.effect("refuses what is not HighLevel's without calling the handler, and counts it", () => {
    let called = 0
    return Effect.gen(function* () {
      const deliver = yield* serve(() => Effect.sync(() => void called++), { maxBytes: 1000 })
      const { bytes, headers } = yield* post(unreadUpdate({ webhookId: "w-1" }))
      assert.strictEqual(yield* deliver({}, bytes), 401)
      assert.strictEqual(yield* deliver(headers, bytesOf("{}")), 401)
      const large = yield* post(unreadUpdate({ body: "x".repeat(2000) }))
      assert.strictEqual(yield* deliver(large.headers, large.bytes), 413)
      const broken = yield* signed("[]")
      assert.strictEqual(yield* deliver(broken.headers, broken.bytes), 400)
      assert.strictEqual(called, 0)
      assert.strictEqual(yield* deliver(headers, bytes), 200)
      assert.strictEqual(yield* deliver(headers, bytes), 200)
      const snapshot = yield* Metric.snapshot
      const counts = snapshot.flatMap(({ attributes, id, state }) =>
        id === "highlevel_webhook_deliveries" && "count" in state
          ? [[attributes?.["outcome"], Number(state.count)]]
          : []
      )
      assert.deepStrictEqual(Object.fromEntries(counts), {
        Unsigned: 1,
        InvalidSignature: 1,
        TooLarge: 1,
        Malformed: 1,
        Handled: 1,
        Duplicate: 1
      })
    }).pipe(
      Effect.scoped,
      Effect.provide(Persistence.layerMemory),
      Effect.provideService(Metric.MetricRegistry, new Map())
    )
  })
})

describe("the route over a socket", () => {
  it.live(
    "does not wait for the end of a body that is too large",
    () =>
      Effect.gen(function* () {
        const url = yield* HttpServer.addressFormattedWith(Effect.succeed)
        const status = yield* Effect.callback<number | undefined>((resume) => {
          const { port } = new URL(url)
          const request = send({ port, path: "/webhooks", method: "POST", headers: { "x-ghl-signature": "AAAA" } })
          request.on("response", ({ statusCode }) => {
            resume(Effect.succeed(statusCode))
            request.destroy()
          })
          request.on("error", () => {})
          // It never ends.
          const write = () => void (request.destroyed || request.write("x".repeat(1000), () => setTimeout(write, 1)))
          write()
        })
        assert.strictEqual(status, 413)
      }).pipe(
        Effect.provide(
          HttpRouter.serve(
            Webhooks.layer({ appId, keys: [key], path: "/webhooks", maxBytes: 10_000, handler: () => Effect.void }),
            { disableLogger: true, disableListenLog: true }
          ).pipe(
            Layer.provide(Persistence.layerMemory),
            Layer.provideMerge(NodeHttpServer.layer(() => createServer(), { port: 0, host: "127.0.0.1" }))
          )
        )
      ),
    20_000
  )
})

describe("handlers", () => {
  class Refused extends Schema.TaggedError<Refused>()("Refused", {}) {}

  it.effect("are composed by the type of the event; what has none is ignored", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const handler = Webhooks.on({
        InboundMessage: ({ body }) => Effect.sync(() => seen.push(`message ${body}`)),
        UNINSTALL: () => new Refused()
      })
      yield* handler({ _tag: "InboundMessage", body: "hello" })
      yield* handler({ _tag: "OutboundMessage" })
      yield* handler({ _tag: "Unknown", type: "ContactCreate", document: {} })
      const error: Refused = yield* Effect.flip(handler({ _tag: "UNINSTALL" }))
      assert.strictEqual(error._tag, "Refused")
      assert.deepStrictEqual(seen, ["message hello"])
      // @ts-expect-error no event has this name
      Webhooks.on({ InboundMessage: () => Effect.void, OutboundMesage: () => Effect.void })
    })
  )
})
