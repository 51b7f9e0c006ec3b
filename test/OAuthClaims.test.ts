/** Claims, by which one process renews what many want, and what is known of an account meanwhile. */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { OAuth, TokenStore } from "effect-highlevel"
import { Sandbox } from "effect-highlevel/testing"
import { running, settle, until } from "./harness.ts"
import * as Helper from "./oauth.ts"
import { connect, connectAgency, exchanges, locationId, refreshes, star, steered, stored } from "./oauth.ts"

const companyId = "sandbox-company"
const account = { locationId }
const key = `sandbox-app:location:${locationId}`

/** Another process writes its claim into the record. */
const claimByAnother = Effect.gen(function* () {
  const store = yield* TokenStore.TokenStore
  const at = yield* Clock.currentTimeMillis
  const record = { ...JSON.parse(yield* stored()), claim: { owner: "another", at } }
  yield* store.replace(key, yield* store.get(key), Redacted.make(JSON.stringify(record)))
})

/** Another process of the same app, over the same store. */
const another = Layer.build(Layer.fresh(Helper.memoryOAuth()))

describe("a claim", () => {
  it.effect("that another process was faster to make is waited for", () => {
    const { hooks, layer } = steered()
    return Effect.gen(function* () {
      const store = yield* TokenStore.TokenStore
      yield* connect()
      yield* TestClock.adjust("1 day")
      hooks.before = (next) => {
        if (!next.includes("claim")) return Effect.void
        hooks.before = () => Effect.void
        return claimByAnother.pipe(Effect.provideService(TokenStore.TokenStore, store), Effect.orDie)
      }
      const fiber = yield* Effect.forkChild(star)
      yield* running(Effect.sleep("9 seconds"))
      assert.strictEqual((yield* refreshes).length, 0)
      yield* running(Fiber.join(fiber))
      assert.strictEqual((yield* refreshes).length, 1)
    }).pipe(Effect.provide(Helper.layer({ store: layer })))
  })

  it.effect("that its process goes on making is not taken over", () =>
    Effect.gen(function* () {
      yield* connect()
      yield* TestClock.adjust("1 day")
      yield* claimByAnother
      const fiber = yield* Effect.forkChild(star)
      for (let count = 0; count < 5; count++) {
        yield* running(Effect.sleep("6 seconds"))
        yield* claimByAnother
      }
      assert.strictEqual((yield* refreshes).length, 0)
      yield* running(Fiber.join(fiber))
      assert.strictEqual((yield* refreshes).length, 1)
    }).pipe(Effect.provide(Helper.layer()))
  )

  it.effect("that the store was slow to take is made again, so that the request ends within it", () => {
    const { hooks, layer } = steered()
    return Effect.gen(function* () {
      yield* connect()
      yield* TestClock.adjust("1 day")
      let claims = 0
      hooks.after = (next) => (next.includes("claim") && ++claims === 1 ? Effect.sleep("5 seconds") : Effect.void)
      yield* running(star)
      assert.deepStrictEqual([claims, (yield* refreshes).length], [2, 1])
    }).pipe(Effect.provide(Helper.layer({ store: layer })))
  })

  it.effect("that cannot be made again after a response was lost is tried on within the grace", () => {
    const { hooks, layer } = steered()
    return Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* connect()
      yield* TestClock.adjust("1 day")
      yield* sandbox.fault({ kind: "reset-body", operation: "token" })
      let claims = 0
      hooks.before = (next) =>
        next.includes("claim") && ++claims === 2
          ? Effect.fail(new TokenStore.TokenStoreError({ cause: new Error("an outage") }))
          : Effect.void
      yield* running(star)
      assert.deepStrictEqual([claims, (yield* refreshes).length], [3, 2])
    }).pipe(Effect.provide(Helper.layer({ store: layer })))
  })

  it.effect("that another process made after a response was lost, and left, does not shorten the grace", () => {
    const { hooks, layer } = steered()
    return Effect.gen(function* () {
      const store = yield* TokenStore.TokenStore
      const sandbox = yield* Sandbox.Sandbox
      yield* connect()
      yield* TestClock.adjust("1 day")
      yield* sandbox.fault({ kind: "reset-body", operation: "token" })
      let claims = 0
      hooks.before = (next) => {
        if (!next.includes("claim") || ++claims !== 2) return Effect.void
        hooks.before = () => Effect.void
        // Then a firewall refuses what HighLevel has granted.
        return Effect.andThen(claimByAnother, sandbox.refuse({ operation: "token", status: 403 })).pipe(
          Effect.provideService(TokenStore.TokenStore, store),
          Effect.orDie
        )
      }
      yield* running(star)
      assert.deepStrictEqual(
        (yield* refreshes).map(({ status }) => status),
        [200, 403, 200]
      )
    }).pipe(Effect.provide(Helper.layer({ store: layer })))
  })

  it.effect("ends with an invalid_grant, also after a response was lost", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* connect()
      yield* sandbox.revoke(JSON.parse(yield* stored()).tokens.refreshToken)
      yield* TestClock.adjust("1 day")
      yield* sandbox.fault({ kind: "reset-body", operation: "token" })
      assert.strictEqual((yield* running(Effect.flip(star)))._tag, "ReconnectRequired")
      assert.strictEqual((yield* refreshes).length, 2)
      assert.notInclude(yield* stored(), "claim")
    }).pipe(Effect.provide(Helper.layer()))
  )
})

describe("a location of an agency", () => {
  it.effect("that is disconnected during its first exchange stays so", () => {
    const { hooks, layer } = steered()
    return Effect.gen(function* () {
      const oauth = yield* OAuth.OAuth
      yield* connect({ companyId }, "Company")
      hooks.before = (next) => {
        if (!next.includes("accessToken")) return Effect.void
        hooks.before = () => Effect.void
        return Effect.ignore(oauth.disconnect(account))
      }
      assert.strictEqual((yield* running(Effect.flip(star)))._tag, "ReconnectRequired")
      assert.isFalse(yield* oauth.isConnected(account))
    }).pipe(Effect.provide(Helper.layer({ store: layer })))
  })

  it.effect("that is found while its agency is disconnected is not kept", () => {
    const { hooks, layer } = steered()
    return Effect.gen(function* () {
      const oauth = yield* OAuth.OAuth
      yield* connect({ userType: "Company", companyId, locationIds: [locationId] }, "Company")
      yield* oauth.disconnect(account)
      const store = yield* TokenStore.TokenStore
      yield* store.remove(key)
      hooks.before = (next) => (next.includes("agency") ? Effect.ignore(oauth.disconnect({ companyId })) : Effect.void)
      assert.strictEqual((yield* running(Effect.flip(star)))._tag, "ReconnectRequired")
      assert.strictEqual(yield* stored(), "")
    }).pipe(Effect.provide(Helper.layer({ store: layer })))
  })

  it.effect("is asked for until an agency has it, and no further", () =>
    Effect.gen(function* () {
      for (let index = 0; index < 30; index++) yield* connectAgency(`agency-${index}`, index === 0 ? [locationId] : [])
      yield* star
      assert.isBelow((yield* exchanges).length, 20)
    }).pipe(Effect.provide(Helper.layer()))
  )
})

describe("an agency", () => {
  it.effect("that is unknown or refused is not asked for at the other agencies", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const oauth = yield* OAuth.OAuth
      yield* connect({ companyId }, "Company")
      assert.strictEqual((yield* Effect.flip(oauth.token({ companyId: "unknown" }))).reason, "ReconnectRequired")
      const { refreshToken } = yield* sandbox.issue({ userType: "Company", companyId: "refused" })
      yield* sandbox.revoke(Redacted.value(refreshToken))
      yield* oauth.importRefreshToken({ companyId: "refused" }, refreshToken)
      assert.strictEqual((yield* Effect.flip(oauth.token({ companyId: "refused" }))).reason, "ReconnectRequired")
      assert.deepStrictEqual(yield* exchanges, [])
    }).pipe(Effect.provide(Helper.layer()))
  )
})

describe("a token", () => {
  it.effect("that lives a minute is refreshed in the last tenth of it, whatever `refreshBefore` is", () =>
    Effect.gen(function* () {
      yield* connect()
      yield* TestClock.adjust("53 seconds")
      yield* star
      assert.strictEqual((yield* refreshes).length, 0)
      yield* TestClock.adjust("2 seconds")
      yield* star
      assert.strictEqual((yield* refreshes).length, 1)
    }).pipe(Effect.provide(Helper.layer({ sandbox: { oauth: { expiresIn: 60 } } })))
  )
})

describe("a token that is alive", () => {
  it.effect("is used although HighLevel refuses to refresh it before its time", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const oauth = yield* OAuth.OAuth
      yield* connect()
      const token = yield* oauth.token(account)
      yield* sandbox.revoke(JSON.parse(yield* stored()).tokens.refreshToken)
      yield* TestClock.adjust("1437 minutes")
      assert.deepStrictEqual(yield* oauth.token(account), token)
      assert.strictEqual((yield* refreshes).length, 1)
    }).pipe(Effect.provide(Helper.layer()))
  )

  it.effect("and refused is renewed, also by a call that joins one which only reads it", () => {
    const { hooks, layer } = steered()
    return Effect.gen(function* () {
      const oauth = yield* OAuth.OAuth
      yield* connect()
      const token = yield* oauth.token(account)
      yield* TestClock.adjust("2 minutes")
      const gate = yield* Deferred.make<void>()
      hooks.onGet = Deferred.await(gate)
      const { gets } = hooks
      const reading = yield* Effect.forkChild(oauth.token(account))
      yield* until(Effect.sync(() => hooks.gets > gets))
      const renewing = yield* Effect.forkChild(oauth.renew(account, token))
      yield* settle
      hooks.onGet = Effect.void
      yield* Deferred.succeed(gate, undefined)
      assert.deepStrictEqual(yield* Fiber.join(reading), token)
      assert.isTrue(yield* running(Fiber.join(renewing)))
      assert.strictEqual((yield* refreshes).length, 1)
    }).pipe(Effect.provide(Helper.layer({ store: layer })))
  })
})

describe("what is known of an account", () => {
  it.effect("is read again once a minute", () => {
    const { hooks, layer } = steered()
    return Effect.gen(function* () {
      yield* connect()
      yield* TestClock.adjust("5 minutes")
      const { gets } = hooks
      yield* star
      yield* star
      assert.strictEqual(hooks.gets, gets + 1)
      yield* TestClock.adjust("1 minute")
      yield* star
      yield* star
      assert.strictEqual(hooks.gets, gets + 2)
    }).pipe(Effect.provide(Helper.layer({ store: layer })))
  })

  it.effect("as refused is forgotten when another process has connected it again", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* connect()
      yield* sandbox.revoke(JSON.parse(yield* stored()).tokens.refreshToken)
      yield* TestClock.adjust("1 day")
      assert.strictEqual((yield* Effect.flip(star))._tag, "ReconnectRequired")
      yield* Effect.provide(connect(), yield* another)
      // Its access token is refused; its refresh token is another one.
      const record = JSON.parse(yield* stored())
      record.tokens.expiresAt = 0
      const store = yield* TokenStore.TokenStore
      yield* store.replace(key, yield* store.get(key), Redacted.make(JSON.stringify(record)))
      yield* TestClock.adjust("1 second")
      yield* star
    }).pipe(Effect.provide(Helper.layer()))
  )

  it.effect("as unreadable, because its key is lost, is replaced when it connects again", () => {
    const lost = Layer.effect(
      TokenStore.TokenStore,
      Effect.tap(TokenStore.makeMemory, (store) =>
        store.replace(key, Option.none(), Redacted.make("encrypted:1:0123456789abcdef:AAAA"))
      )
    )
    const encrypted = TokenStore.layerEncrypted({ key: Redacted.make(Buffer.alloc(32, 1).toString("base64")) })
    const store = Layer.orDie(Layer.provide(encrypted, lost))
    return Effect.gen(function* () {
      assert.strictEqual((yield* Effect.flip(star))._tag, "TokenUnavailable")
      yield* connect()
      yield* star
    }).pipe(Effect.provide(Helper.layer({ store })))
  })

  it.effect("as disconnected is not listed, and ends with an import, which an authorization outranks", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const oauth = yield* OAuth.OAuth
      yield* connect({ companyId }, "Company")
      yield* star
      yield* oauth.disconnect(account)
      const listed = yield* Stream.runCollect(oauth.list)
      assert.deepStrictEqual(
        listed.map(({ userType }) => userType),
        ["Company"]
      )
      const { refreshToken } = yield* sandbox.issue({ locationId })
      yield* oauth.importRefreshToken(account, refreshToken)
      assert.isTrue(yield* oauth.isConnected(account))
      yield* connect()
      const authorized = yield* stored()
      yield* oauth.importRefreshToken(account, (yield* sandbox.issue({ locationId })).refreshToken)
      assert.strictEqual(yield* stored(), authorized)
    }).pipe(Effect.provide(Helper.layer()))
  )
})
