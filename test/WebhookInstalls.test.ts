/** Installations that webhooks tell of, in any order and more than once. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Persistence from "effect/persistence/Persistence"
import { Conversations, OAuth, Webhooks } from "effect-highlevel"
import { Sandbox } from "effect-highlevel/testing"
import { createServer } from "node:http"
import { connect, layer } from "./oauth.ts"
import { until } from "./harness.ts"
import { freePort } from "./redis.ts"
import { route } from "./webhooks.ts"

const companyId = "sandbox-company"
const conversations = ["one", "two"].map((locationId) => ({ id: `in ${locationId}`, locationId }))

const outcome = (locationId: string) =>
  Conversations.update({ conversationId: `in ${locationId}`, locationId, starred: true }).pipe(
    Effect.match({ onSuccess: () => "applied", onFailure: ({ _tag }) => _tag })
  )

const accounts = Effect.gen(function* () {
  const { list } = yield* OAuth.OAuth
  const connected = yield* Stream.runCollect(list)
  return connected
    .map((account) => (account.userType === "Company" ? account.companyId : account.locationId))
    .toSorted()
})

/** A receiver of webhooks whose handlers are `installs`, and a way to send it events of a time. */
const receiving = Effect.gen(function* () {
  const sandbox = yield* Sandbox.Sandbox
  const deliver = yield* route({ keys: [yield* sandbox.webhookKey], handler: Webhooks.on(Webhooks.installs) })
  return Effect.fnUntraced(function* (event: Sandbox.WebhookEvent, millis?: number) {
    const timestamp = new Date(millis ?? (yield* Clock.currentTimeMillis)).toISOString()
    const { body, headers } = yield* sandbox.sign({ companyId, timestamp, ...event })
    assert.strictEqual(yield* deliver(headers, body), 200)
  })
})

const install = (locationId: string) => ({ type: "INSTALL", installType: "Location", locationId })
const uninstall = (locationId: string) => ({ type: "UNINSTALL", installType: "Location", locationId })

const provided = Effect.provide(layer({ sandbox: { conversations } }).pipe(Layer.provideMerge(Persistence.layerMemory)))

const discoveries = Effect.gen(function* () {
  const sandbox = yield* Sandbox.Sandbox
  return (yield* sandbox.requests).filter(({ path }) => path.startsWith("/oauth/installedLocations")).length
})

describe("an event of an installation", () => {
  it.effect("serves a location that an agency adds later, without asking HighLevel where it is installed", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const deliver = yield* receiving
      yield* connect({ userType: "Company", companyId, locationIds: ["one"] })
      assert.deepStrictEqual(yield* accounts, ["one", companyId])
      const before = yield* discoveries
      yield* sandbox.install({ companyId, locationIds: ["two"] })
      yield* deliver(install("two"))
      yield* deliver(install("two"))
      assert.deepStrictEqual(yield* accounts, ["one", companyId, "two"])
      assert.strictEqual(yield* outcome("two"), "applied")
      assert.strictEqual(yield* discoveries, before)
    }).pipe(Effect.scoped, provided)
  )

  it.effect("is ignored for an agency that has not connected: a location on its own brings a code", () =>
    Effect.gen(function* () {
      const deliver = yield* receiving
      yield* deliver(install("one"))
      yield* deliver({ type: "INSTALL", installType: "Company" })
      assert.deepStrictEqual(yield* accounts, [])
    }).pipe(Effect.scoped, provided)
  )

  it.effect("removes the tokens of a location, or of an agency with its locations", () =>
    Effect.gen(function* () {
      const deliver = yield* receiving
      yield* connect({ userType: "Company", companyId })
      assert.strictEqual(yield* outcome("one"), "applied")
      yield* deliver(uninstall("one"))
      yield* deliver(uninstall("one"))
      assert.deepStrictEqual(yield* accounts, [companyId, "two"])
      assert.strictEqual(yield* outcome("one"), "ReconnectRequired")
      yield* deliver({ type: "UNINSTALL", installType: "Company" })
      assert.deepStrictEqual(yield* accounts, [])
    }).pipe(Effect.scoped, provided)
  )

  it.effect("never takes an agency for a location whose id cannot be read", () =>
    Effect.gen(function* () {
      const deliver = yield* receiving
      yield* connect({ userType: "Company", companyId })
      yield* deliver({ type: "UNINSTALL", locationId: 1 })
      yield* deliver({ type: "UNINSTALL", locationId: "" })
      yield* deliver({ type: "UNINSTALL", locationId: "one", appId: null, companyId: null }).pipe(Effect.exit)
      assert.deepStrictEqual(yield* accounts, ["one", companyId, "two"])
    }).pipe(Effect.scoped, provided)
  )

  it.effect("that is late does not disconnect an account that has connected since", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust("20000 days")
      const deliver = yield* receiving
      yield* connect({ locationId: "one" })
      const uninstalledAt = yield* Clock.currentTimeMillis
      yield* TestClock.adjust("1 minute")
      yield* connect({ locationId: "one" })
      yield* deliver(uninstall("one"), uninstalledAt)
      assert.deepStrictEqual(yield* accounts, ["one"])
      assert.strictEqual(yield* outcome("one"), "applied")
      yield* TestClock.adjust("1 second")
      yield* deliver(uninstall("one"))
      assert.deepStrictEqual(yield* accounts, [])
    }).pipe(Effect.scoped, provided)
  )

  const minute = 60_000
  const reinstalled = [
    [uninstall("two"), minute],
    [install("two"), 2 * minute]
  ] as const
  const removed = [
    [install("two"), minute],
    [uninstall("two"), 2 * minute]
  ] as const
  it.effect.each([
    { events: reinstalled, order: [0, 1], isServed: true },
    { events: reinstalled, order: [1, 0], isServed: true },
    { events: reinstalled, order: [1, 0, 1, 0], isServed: true },
    { events: reinstalled, order: [0, 1, 0], isServed: true },
    { events: removed, order: [0, 1], isServed: false },
    { events: removed, order: [1, 0], isServed: false },
    { events: removed, order: [0, 1, 0, 1, 0], isServed: false }
  ])("that happened last decides, in whatever order they arrive: $order, $isServed", ({ events, isServed, order }) =>
    Effect.gen(function* () {
      yield* TestClock.adjust("20000 days")
      const start = yield* Clock.currentTimeMillis
      const deliver = yield* receiving
      yield* connect({ userType: "Company", companyId })
      assert.strictEqual(yield* outcome("two"), "applied")
      yield* TestClock.adjust("1 hour")
      for (const index of order) {
        const [event, millis] = events[index] ?? []
        assert(event !== undefined && millis !== undefined)
        yield* deliver(event, start + millis)
      }
      assert.strictEqual((yield* accounts).includes("two"), isServed)
      assert.strictEqual(yield* outcome("two"), isServed ? "applied" : "ReconnectRequired")
    }).pipe(Effect.scoped, provided)
  )
})

describe("an app over sockets", () => {
  it.live(
    "serves what is installed and forgets what is uninstalled in the sandbox",
    () =>
      Effect.gen(function* () {
        const port = yield* Effect.promise(freePort)
        const url = `http://127.0.0.1:${port}/webhooks`
        yield* Effect.gen(function* () {
          const sandbox = yield* Sandbox.Sandbox
          const app = Webhooks.layer({
            appId: "sandbox",
            keys: [yield* sandbox.webhookKey],
            path: "/webhooks",
            handler: Webhooks.on(Webhooks.installs)
          })
          yield* Layer.build(
            HttpRouter.serve(app, { disableLogger: true, disableListenLog: true }).pipe(
              Layer.provide(Persistence.layerMemory),
              Layer.provide(NodeHttpServer.layer(() => createServer(), { port, host: "127.0.0.1" }))
            )
          )
          yield* connect({ userType: "Company", companyId, locationIds: ["one"] })
          yield* sandbox.install({ companyId, locationIds: ["two"] })
          yield* until(Effect.map(accounts, (all) => all.includes("two")))
          assert.strictEqual(yield* outcome("two"), "applied")
          yield* sandbox.uninstall({ locationId: "one" })
          yield* until(Effect.map(accounts, (all) => !all.includes("one")))
          yield* sandbox.uninstall({ companyId })
          yield* until(Effect.map(accounts, (all) => all.length === 0))
        }).pipe(Effect.scoped, Effect.provide(layer({ sandbox: { conversations, webhooks: url } })))
      }),
    20_000
  )
})
