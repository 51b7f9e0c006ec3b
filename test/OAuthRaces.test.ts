/** Accounts that change hands while something else is in progress, clocks that step, and many agencies. */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Deferred from "effect/Deferred"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as TestClock from "effect/testing/TestClock"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import { Conversations, OAuth, TokenStore } from "effect-highlevel"
import { Sandbox } from "effect-highlevel/testing"
import { running, until } from "./harness.ts"
import * as Helper from "./oauth.ts"
import { connect, connectAgency, exchanges, locationId, refreshes, star, steered, stored } from "./oauth.ts"

const companyId = "sandbox-company"
const account = { locationId }

describe("an account that is disconnected because it was uninstalled an hour ago", () => {
  const uninstall = Effect.fnUntraced(function* (account: OAuth.Account) {
    const oauth = yield* OAuth.OAuth
    const uninstalledAt = yield* DateTime.now
    yield* TestClock.adjust("1 hour")
    yield* running(oauth.disconnect(account, { uninstalledAt }))
  })

  it.effect("and that connects again at that moment, stays connected", () => {
    const { hooks, layer } = steered()
    return Effect.gen(function* () {
      yield* connect()
      let isAgain = false
      hooks.beforeRemove = () => {
        if (isAgain) return Effect.void
        isAgain = true
        return Effect.orDie(Effect.provideContext(Effect.asVoid(connect()), context))
      }
      const context = yield* Effect.context<OAuth.OAuth | Sandbox.Sandbox>()
      yield* uninstall(account)
      assert.isTrue(isAgain)
      yield* star
    }).pipe(Effect.provide(Helper.layer({ store: layer })))
  })

  it.effect("as one of an agency, and that connects by itself at that moment, stays connected", () => {
    const { hooks, layer } = steered()
    return Effect.gen(function* () {
      yield* connect({ companyId }, "Company")
      yield* star
      const context = yield* Effect.context<OAuth.OAuth | Sandbox.Sandbox>()
      hooks.before = (next) => {
        if (!next.includes("disconnected")) return Effect.void
        hooks.before = () => Effect.void
        return Effect.orDie(Effect.provideContext(Effect.asVoid(connect()), context))
      }
      yield* uninstall(account)
      assert.include(yield* stored(), "refreshToken")
      yield* star
    }).pipe(Effect.provide(Helper.layer({ store: layer })))
  })

  it.effect("with its agency, and that connects by itself at that moment, stays connected", () => {
    const { hooks, layer } = steered()
    return Effect.gen(function* () {
      yield* connect({ companyId }, "Company")
      yield* star
      const context = yield* Effect.context<OAuth.OAuth | Sandbox.Sandbox>()
      hooks.beforeRemove = (key) => {
        if (!key.includes("location")) return Effect.void
        hooks.beforeRemove = () => Effect.void
        return Effect.orDie(Effect.provideContext(Effect.asVoid(connect()), context))
      }
      yield* uninstall({ companyId })
      assert.include(yield* stored(), "refreshToken")
      yield* star
    }).pipe(Effect.provide(Helper.layer({ store: layer })))
  })
})

describe("an agency", () => {
  it.effect("that was uninstalled before it connected again keeps its locations", () =>
    Effect.gen(function* () {
      const oauth = yield* OAuth.OAuth
      yield* connect({ companyId }, "Company")
      yield* star
      const uninstalledAt = yield* DateTime.now
      yield* TestClock.adjust("1 hour")
      yield* connect({ companyId }, "Company")
      yield* oauth.disconnect({ companyId }, { uninstalledAt })
      assert.isTrue(yield* oauth.isConnected({ companyId }))
      assert.isTrue(yield* oauth.isConnected(account))
    }).pipe(Effect.provide(Helper.layer()))
  )
})

describe("a location that is disconnected", () => {
  it.effect("is not brought back by an agency that has it, whether it had tokens of its own or none", () =>
    Effect.gen(function* () {
      const oauth = yield* OAuth.OAuth
      yield* connectAgency(companyId, [locationId, "never used"])
      yield* connect()
      yield* oauth.disconnect(account)
      assert.notInclude(yield* stored(), "Token")
      yield* oauth.disconnect({ locationId: "never used" })
      assert.strictEqual((yield* Effect.flip(star))._tag, "ReconnectRequired")
      assert.strictEqual((yield* Effect.flip(oauth.token({ locationId: "never used" }))).reason, "ReconnectRequired")
      assert.strictEqual((yield* exchanges).length, 0)
      yield* connect()
      yield* TestClock.adjust("1 second")
      yield* star
    }).pipe(Effect.provide(Helper.layer()))
  )

  it.effect("while its tokens are being read is forgotten by this process at once", () => {
    const { hooks, layer } = steered()
    return Effect.gen(function* () {
      const oauth = yield* OAuth.OAuth
      yield* connect()
      const gate = yield* Deferred.make<void>()
      hooks.afterGet = Deferred.await(gate)
      const { gets } = hooks
      const reading = yield* Effect.forkChild(oauth.token(account))
      yield* until(Effect.sync(() => hooks.gets > gets))
      hooks.afterGet = Effect.void
      yield* oauth.disconnect(account)
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.await(reading)
      assert.strictEqual((yield* Effect.flip(star))._tag, "ReconnectRequired")
    }).pipe(Effect.provide(Helper.layer({ store: layer })))
  })
})

describe("a location that moves", () => {
  it.effect("to another agency while the token of the first one is exchanged is served by the other", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const oauth = yield* OAuth.OAuth
      yield* connectAgency("first", [locationId])
      yield* connectAgency("second", [locationId])
      yield* oauth.addLocation({ companyId: "first", locationId })
      yield* oauth.token({ companyId: "first" })
      yield* sandbox.fault({ kind: "slow-headers", delay: "1 second", operation: "locationToken" })
      const fiber = yield* Effect.forkChild(oauth.token(account))
      yield* until(Effect.map(exchanges, ({ length }) => length === 1))
      yield* oauth.addLocation({ companyId: "second", locationId })
      yield* running(Fiber.join(fiber))
      assert.strictEqual(JSON.parse(yield* stored()).agency, "second")
      assert.include((yield* exchanges).at(-1)?.body, "companyId=second")
    }).pipe(Effect.provide(Helper.layer()))
  )

  it.effect("to another agency without an event is found there, once the first one is refused", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const oauth = yield* OAuth.OAuth
      yield* connectAgency("first", [locationId])
      yield* connectAgency("second", [])
      yield* star
      assert.strictEqual(JSON.parse(yield* stored()).agency, "first")
      yield* sandbox.uninstall({ companyId: "first", locationId })
      yield* sandbox.install({ companyId: "second", locationIds: [locationId] })
      yield* TestClock.adjust("1 day")
      yield* star
      assert.strictEqual(JSON.parse(yield* stored()).agency, "second")
      yield* oauth.disconnect({ companyId: "first" })
      yield* star
    }).pipe(Effect.provide(Helper.layer()))
  )

  it.effect("from tokens of its own that are refused to its agency, which has it", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* connect()
      yield* sandbox.revoke(JSON.parse(yield* stored()).tokens.refreshToken)
      yield* connectAgency(companyId, [locationId])
      yield* TestClock.adjust("1 day")
      yield* star
      assert.strictEqual(JSON.parse(yield* stored()).agency, companyId)
    }).pipe(Effect.provide(Helper.layer()))
  )
})

describe("an installation", () => {
  it.effect("that is told of late does not make the later one look older", () =>
    Effect.gen(function* () {
      const oauth = yield* OAuth.OAuth
      const installedAt = yield* DateTime.now
      yield* TestClock.adjust("1 hour")
      const uninstalledAt = yield* DateTime.now
      yield* TestClock.adjust("1 hour")
      yield* oauth.addLocation({ companyId, locationId })
      yield* oauth.addLocation({ companyId, locationId, installedAt })
      yield* oauth.disconnect(account, { uninstalledAt })
      assert.isTrue(yield* oauth.isConnected(account))
    }).pipe(Effect.provide(Helper.layer()))
  )

  it.effect("that is told of again while its token is exchanged is not taken for the earlier one", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const oauth = yield* OAuth.OAuth
      yield* connectAgency(companyId, [locationId])
      yield* oauth.addLocation({ companyId, locationId })
      yield* oauth.token({ companyId })
      yield* sandbox.fault({ kind: "slow-headers", delay: "5 seconds", operation: "locationToken" })
      const fiber = yield* Effect.forkChild(oauth.token(account))
      yield* until(Effect.map(exchanges, ({ length }) => length === 1))
      yield* TestClock.adjust("2 seconds")
      const uninstalledAt = yield* DateTime.now
      yield* TestClock.adjust("1 second")
      yield* oauth.addLocation({ companyId, locationId })
      yield* running(Fiber.join(fiber))
      yield* oauth.disconnect(account, { uninstalledAt })
      assert.isTrue(yield* oauth.isConnected(account))
    }).pipe(Effect.provide(Helper.layer()))
  )
})

describe("many agencies", () => {
  it.effect("are asked for an unknown location once, and again only after as many seconds", () =>
    Effect.gen(function* () {
      const oauth = yield* OAuth.OAuth
      yield* Effect.forEach(
        Array.from({ length: 40 }, (_, index) => `agency-${index}`),
        (id) => connectAgency(id, [])
      )
      const error = yield* Effect.flip(oauth.token(account))
      assert.strictEqual(error.reason, "ReconnectRequired")
      assert.strictEqual(error.messages.length, 5)
      assert.include(error.messages.at(-1), "and 37 more agencies")
      assert.strictEqual((yield* exchanges).length, 40)
      for (let second = 0; second < 39; second++) {
        yield* TestClock.adjust("1 second")
        yield* Effect.flip(oauth.token(account))
      }
      assert.strictEqual((yield* exchanges).length, 40)
      yield* TestClock.adjust("1 second")
      yield* Effect.flip(oauth.token(account))
      assert.strictEqual((yield* exchanges).length, 80)
    }).pipe(Effect.provide(Helper.layer()))
  )

  it.effect("of which one does not respond do not hide the one that has the location", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const oauth = yield* OAuth.OAuth
      yield* connectAgency("first", [])
      yield* connectAgency("second", [locationId])
      yield* oauth.token({ companyId: "first" })
      yield* oauth.token({ companyId: "second" })
      yield* sandbox.fault({ kind: "disconnect", operation: "locationToken" })
      yield* star
      assert.strictEqual(JSON.parse(yield* stored()).agency, "second")
    }).pipe(Effect.provide(Helper.layer()))
  )
})

describe("an agency whose token is refused", () => {
  it.effect("although it is new is not asked again", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const oauth = yield* OAuth.OAuth
      yield* connectAgency(companyId, [locationId])
      yield* sandbox.revoke(Redacted.value(yield* oauth.token({ companyId })))
      assert.strictEqual((yield* Effect.flip(oauth.token(account))).reason, "ReconnectRequired")
      assert.strictEqual((yield* exchanges).length, 1)
    }).pipe(Effect.provide(Helper.layer()))
  )

  it.effect("for a location is asked again by the first call after a second", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const oauth = yield* OAuth.OAuth
      yield* connectAgency(companyId, [locationId])
      yield* oauth.addLocation({ companyId, locationId })
      yield* sandbox.deactivate(locationId)
      for (let call = 0; call < 3; call++) yield* Effect.flip(oauth.token(account))
      assert.strictEqual((yield* exchanges).length, 1)
      yield* TestClock.adjust("1 second")
      yield* Effect.flip(oauth.token(account))
      assert.strictEqual((yield* exchanges).length, 2)
    }).pipe(Effect.provide(Helper.layer()))
  )

  it.effect("refreshes it once for the hundred locations that it is exchanged for", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const oauth = yield* OAuth.OAuth
      const locations = Array.from({ length: 100 }, (_, index) => `location-${index}`)
      yield* connectAgency(companyId, locations)
      yield* sandbox.revoke(Redacted.value(yield* oauth.token({ companyId })))
      yield* TestClock.adjust("1 hour")
      const before = (yield* refreshes).length
      const tokens = yield* running(
        Effect.forEach(locations, (locationId) => oauth.token({ locationId }), { concurrency: "unbounded" })
      )
      assert.strictEqual(new Set(tokens.map((token) => Redacted.value(token))).size, 100)
      assert.strictEqual((yield* refreshes).length, before + 1)
    }).pipe(Effect.provide(Helper.layer({ sandbox: { rateLimit: { max: 1000 } } })))
  )
})

describe("a wall clock that steps", () => {
  /** The same clock with another wall. */
  const stepping = <A, E, R>(effect: (step: (millis: number) => void) => Effect.Effect<A, E, R>) =>
    Effect.suspend(() => {
      let offset = 0
      return Effect.updateService(
        effect((millis) => {
          offset += millis
        }),
        Clock.Clock,
        (clock) => ({
          ...clock,
          currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + offset,
          currentTimeMillis: Effect.sync(() => clock.currentTimeMillisUnsafe() + offset)
        })
      )
    })
  const hour = 3_600_000

  it.effect("back does not prolong what a failure is remembered", () =>
    stepping((step) =>
      Effect.gen(function* () {
        const sandbox = yield* Sandbox.Sandbox
        yield* connect()
        yield* TestClock.adjust("2 days")
        yield* sandbox.revoke(JSON.parse(yield* stored()).tokens.refreshToken)
        assert.strictEqual((yield* Effect.flip(star))._tag, "ReconnectRequired")
        step(-hour / 2)
        yield* TestClock.adjust("1 minute")
        yield* Effect.flip(star)
        assert.strictEqual((yield* refreshes).length, 2)
      }).pipe(Effect.provide(Helper.layer()))
    )
  )

  it.effect("back does not hide what another process has stored", () => {
    const { hooks, layer } = steered()
    return stepping((step) =>
      Effect.gen(function* () {
        yield* connect()
        yield* star
        const { gets } = hooks
        step(-hour)
        yield* TestClock.adjust("1 minute")
        yield* star
        assert.strictEqual(hooks.gets, gets + 1)
      }).pipe(Effect.provide(Helper.layer({ store: layer })))
    )
  })

  it.effect.each([-hour, hour])("by %s ms in the middle of a refresh neither ends nor prolongs its grace", (millis) =>
    stepping((step) =>
      Effect.gen(function* () {
        const sandbox = yield* Sandbox.Sandbox
        yield* connect()
        yield* TestClock.adjust("2 days")
        yield* sandbox.fault({ kind: "reset-body", operation: "token" })
        const fiber = yield* Effect.forkChild(star)
        yield* until(Effect.map(refreshes, ({ length }) => length === 1))
        step(millis)
        for (let count = 1; count <= 100; count++) {
          yield* sandbox.fault({ kind: "disconnect", operation: "token" })
        }
        const began = yield* Clock.currentTimeMillis
        yield* running(Fiber.await(fiber))
        const took = (yield* Clock.currentTimeMillis) - began
        assert.isAbove(took, 20_000)
        assert.isBelow(took, 40_000)
      }).pipe(Effect.provide(Helper.layer()))
    )
  )
})

describe("an authorization of an agency", () => {
  it.effect("lists its locations page by page, however long a page is, and ends where none is new", () =>
    Effect.gen(function* () {
      const grant = { access_token: "a", refresh_token: "r", expires_in: 60, userType: "Company", companyId }
      const all = Array.from({ length: 120 }, (_, index) => ({ _id: `l${index}`, isInstalled: index !== 7 }))
      const skips: Array<number> = []
      const server = HttpClient.make((request) =>
        Effect.sync(() => {
          const skip = Number(new Map(request.urlParams.params).get("skip") ?? 0)
          const isList = request.url.endsWith("/oauth/installedLocations")
          if (isList) skips.push(skip)
          // Past its last page this server repeats it.
          const locations = all.slice(Math.min(skip, 80), Math.min(skip, 80) + 40)
          return HttpClientResponse.fromWeb(request, new Response(JSON.stringify(isList ? { locations } : grant)))
        })
      )
      const layer = OAuth.layer(Sandbox.defaultApp).pipe(
        Layer.provide(Layer.succeed(HttpClient.HttpClient, server)),
        Layer.provide(TokenStore.layerMemory)
      )
      const exchanged = OAuth.OAuth.use((oauth) =>
        oauth.exchangeCode({ code: "code", state: "state" }, { state: Redacted.make("state") })
      )
      const connected = yield* Effect.provide(exchanged, layer)
      assert(connected.userType === "Company" && Result.isSuccess(connected.locations))
      assert.deepStrictEqual(
        connected.locations.success.map(({ locationId }) => locationId),
        all.filter(({ isInstalled }) => isInstalled).map(({ _id }) => _id)
      )
      assert.deepStrictEqual(skips, [0, 40, 80, 120])
    })
  )

  it.effect("whose list of locations breaks off is an authorization all the same, and says so", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* sandbox.fault({ kind: "disconnect", operation: "installedLocations" })
      const connected = yield* connect({ companyId }, "Company")
      assert(connected.userType === "Company" && Result.isFailure(connected.locations))
      assert.strictEqual(connected.locations.failure.reason, "Unreachable")
      yield* star
    }).pipe(Effect.provide(Helper.layer()))
  )
})

describe("a location", () => {
  it.effect.each(["a:b", "100%", "%2F..%2F", "ünï 𝒸ode", "__proto__", "constructor"])(
    "may be called %s",
    (locationId) =>
      Effect.gen(function* () {
        const sandbox = yield* Sandbox.Sandbox
        const oauth = yield* OAuth.OAuth
        yield* sandbox.seed({ id: "in it", locationId })
        yield* connectAgency(companyId, [locationId])
        yield* Conversations.update({ conversationId: "in it", locationId, starred: true })
        assert.isTrue(yield* oauth.isConnected({ locationId }))
        yield* oauth.disconnect({ companyId })
        assert.isFalse(yield* oauth.isConnected({ locationId }))
      }).pipe(Effect.provide(Helper.layer()))
  )
})
