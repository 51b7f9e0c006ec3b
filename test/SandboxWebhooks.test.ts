import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import { TestClock } from "effect/testing"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import { Conversations, Webhooks } from "effect-highlevel"
import { Sandbox } from "effect-highlevel/testing"
import { inMemory, settle, until } from "./harness.ts"

const url = "https://app.example/webhooks"
const { id: conversationId, locationId } = Sandbox.documentedConversation
const ids = { conversationId, locationId }

/** A receiver that keeps what it gets, and responds with the next status, else 200. */
const receiver = (...statuses: Array<number | "nothing">) => {
  const requests: Array<Request> = []
  const bodies: Array<Uint8Array> = []
  const fetch: typeof globalThis.fetch = async (input, init) => {
    const request = new Request(input, init)
    requests.push(request)
    bodies.push(new Uint8Array(await request.clone().arrayBuffer()))
    const status = statuses.shift() ?? 200
    if (status === "nothing") throw new TypeError("fetch failed")
    return new Response(null, { status })
  }
  /** What a receiver with the sandbox's key makes of everything that came. */
  const events = Effect.gen(function* () {
    const sandbox = yield* Sandbox.Sandbox
    const options = { appId: "sandbox", keys: [yield* sandbox.webhookKey] }
    return yield* Effect.forEach(requests, ({ headers }, index) =>
      Webhooks.verify(headers, bodies[index] ?? new Uint8Array(), options)
    )
  })
  return { requests, bodies, events, layer: Layer.succeed(FetchHttpClient.Fetch, fetch), fetch }
}

describe("an event of the sandbox", () => {
  it.effect("is signed, with an app, an id and a timestamp where they are missing", () =>
    Effect.gen(function* () {
      const { requests, bodies, events, fetch } = receiver()
      const sandbox = yield* Sandbox.Sandbox
      yield* TestClock.setTime(1_795_000_000_000)
      const deliver = (event: Sandbox.WebhookEvent) =>
        Effect.provideService(sandbox.deliver(url, event), FetchHttpClient.Fetch, fetch)
      assert.deepStrictEqual(yield* deliver({ type: "InboundMessage", body: "hello" }), { attempts: 1, status: 200 })
      yield* deliver({ type: "InboundMessage", webhookId: "mine", timestamp: null, body: "hello" })
      assert.strictEqual(requests[0]?.headers.get("content-type"), "application/json")
      const [first, second] = yield* events
      assert(first?._tag === "InboundMessage" && second?._tag === "InboundMessage")
      assert.deepStrictEqual([first.appId, first.body], ["sandbox", "hello"])
      assert.strictEqual(first.timestamp && DateTime.toEpochMillis(first.timestamp), 1_795_000_000_000)
      assert.match(first.webhookId ?? "", /^[0-9a-f-]{36}$/)
      assert.deepStrictEqual([second.webhookId, second.timestamp], ["mine", null])

      const raw = new TextEncoder().encode('{"unreadCount": 1.0}')
      const { body, headers } = yield* sandbox.signBytes(raw)
      assert.strictEqual(body, raw)
      yield* Webhooks.verify(headers, raw, { appId: "sandbox", keys: [yield* sandbox.webhookKey] })
      assert.lengthOf(bodies, 2)
    }).pipe(Effect.provide(Sandbox.layer()))
  )

  it.effect("is signed with a key that no other sandbox has", () =>
    Effect.gen(function* () {
      const key = Effect.flatMap(Sandbox.Sandbox, ({ webhookKey }) => webhookKey).pipe(Effect.provide(Sandbox.layer()))
      assert.notStrictEqual(yield* key, yield* key)
    })
  )

  it.effect("is delivered again after 10, 20, 40 seconds … as it was, until the response is a 2xx", () => {
    const { requests, bodies, fetch } = receiver(500, "nothing", 401)
    // It logs what failed, and waits.
    let failures = 0
    return Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const fiber = yield* Effect.forkChild(sandbox.deliver(url, { type: "X" }))
      for (const [attempt, seconds] of [10, 20, 40].entries()) {
        yield* until(Effect.sync(() => failures === attempt + 1))
        yield* settle
        yield* TestClock.adjust(`${seconds - 1} seconds`)
        yield* settle
        assert.lengthOf(requests, attempt + 1)
        yield* TestClock.adjust("1 second")
      }
      assert.deepStrictEqual(yield* Fiber.join(fiber), { attempts: 4, status: 200 })
      assert.lengthOf(bodies, 4)
      for (const body of bodies) assert.deepStrictEqual(body, bodies[0])
    }).pipe(
      Effect.provide([Sandbox.layer(), Logger.layer([Logger.make(() => void failures++)])]),
      Effect.provideService(FetchHttpClient.Fetch, fetch)
    )
  })

  it.live("is given up after 12 attempts, or as many as asked for", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const deliver = (options?: Sandbox.DeliverOptions) => {
        const { requests, fetch } = receiver(...Array.from({ length: 50 }, () => 503))
        return sandbox.deliver(url, { type: "X" }, { delay: 0, ...options }).pipe(
          Effect.provideService(FetchHttpClient.Fetch, fetch),
          Effect.map((delivered) => [delivered, requests.length])
        )
      }
      assert.deepStrictEqual(yield* deliver(), [{ attempts: 12, status: 503 }, 12])
      assert.deepStrictEqual(yield* deliver({ attempts: 2 }), [{ attempts: 2, status: 503 }, 2])
    }).pipe(Effect.provide(Sandbox.layer()), Effect.provideService(References.MinimumLogLevel, "None"))
  )
})

describe("with a URL for webhooks", () => {
  const layer = (fetch: Layer.Layer<never>, options?: Sandbox.Options) =>
    inMemory({ webhooks: url, ...options }).pipe(Layer.provide(fetch))

  it.effect(
    "an update that changes the unread count is followed by a ConversationUnreadUpdate, any other is not",
    () => {
      const { requests, events, layer: fetch } = receiver()
      return Effect.gen(function* () {
        yield* Conversations.update({ ...ids, starred: true })
        yield* Conversations.update({ ...ids, unreadCount: 1 })
        yield* Conversations.update({ ...ids, unreadCount: 0 })
        yield* until(Effect.sync(() => requests.length > 0))
        yield* settle
        const [event, ...others] = yield* events
        assert.lengthOf(others, 0)
        assert(event?._tag === "ConversationUnreadUpdate")
        assert.deepStrictEqual(
          [event.id, event.locationId, event.unreadCount, event.starred, event.inbox, event.deleted],
          [conversationId, locationId, 0, true, true, false]
        )
        assert.isString(event.webhookId)
      }).pipe(Effect.provide(layer(fetch)))
    }
  )

  it.effect("a message is followed by its event, and by one of the unread count if it is inbound", () => {
    const { requests, events, layer: fetch } = receiver()
    return Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* sandbox.receive({ conversationId, body: "It is urgent" })
      yield* sandbox.receive({ conversationId, body: "On it", direction: "outbound", userId: "user" })
      yield* sandbox.receive({ conversationId: "unknown" })
      yield* until(Effect.sync(() => requests.length === 3))
      yield* settle
      const summary = (yield* events).map((event) =>
        event._tag === "InboundMessage" || event._tag === "OutboundMessage"
          ? [event._tag, event.conversationId, event.locationId, event.body, event.userId]
          : [event._tag, event._tag === "ConversationUnreadUpdate" && event.unreadCount]
      )
      assert.sameDeepMembers(summary, [
        ["InboundMessage", conversationId, locationId, "It is urgent", undefined],
        ["OutboundMessage", conversationId, locationId, "On it", "user"],
        ["ConversationUnreadUpdate", 2]
      ])
    }).pipe(Effect.provide(layer(fetch)))
  })

  it.effect("such an event is as recorded live, where the responses are", () => {
    const { requests, bodies, layer: fetch } = receiver()
    return Effect.gen(function* () {
      yield* Conversations.update({ ...ids, unreadCount: 0 })
      yield* until(Effect.sync(() => requests.length > 0 && bodies.length > 0))
      const document: unknown = JSON.parse(new TextDecoder().decode(bodies[0]))
      assert.hasAllKeys(document, ["type", "locationId", "id", "contactId", "unreadCount", "inbox", "deleted"])
    }).pipe(Effect.provide(layer(fetch, { responses: "observed" })))
  })

  it.effect("no update waits for a receiver that is down", () => {
    const { requests, layer: fetch } = receiver(...Array.from({ length: 50 }, () => "nothing" as const))
    return Effect.gen(function* () {
      // The clock stands still: a wait for the second attempt would never end.
      for (const unreadCount of [0, 1, 2]) yield* Conversations.update({ ...ids, unreadCount })
      yield* until(Effect.sync(() => requests.length === 3))
      const sandbox = yield* Sandbox.Sandbox
      assert.lengthOf(yield* sandbox.applied, 3)
    }).pipe(Effect.provide(layer(fetch)))
  })

  it.effect("an installation is followed by an INSTALL for each location, its end by an UNINSTALL", () => {
    const { requests, events, layer: fetch } = receiver()
    const conversations = ["one", "two"].map((locationId) => ({ id: `in ${locationId}`, locationId }))
    return Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* sandbox.install({ locationIds: ["one"], toFutureLocations: true })
      yield* sandbox.install({ locationIds: ["one", "two"], toFutureLocations: true })
      yield* sandbox.addLocation({ locationId: "three" })
      yield* sandbox.uninstall({ locationId: "one" })
      yield* sandbox.uninstall()
      yield* sandbox.addLocation({ locationId: "four" })
      yield* until(Effect.sync(() => requests.length === 5))
      yield* settle
      // In any order, as everything that HighLevel delivers.
      assert.sameDeepMembers(
        (yield* events).map((event) => [event._tag, event._tag !== "Unknown" && event.locationId]),
        [
          ["INSTALL", "one"],
          ["INSTALL", "two"],
          ["INSTALL", "three"],
          ["UNINSTALL", "one"],
          ["UNINSTALL", undefined]
        ]
      )
    }).pipe(Effect.provide(layer(fetch, { conversations })))
  })
})
