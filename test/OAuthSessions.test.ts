/** What a process remembers of an account between its calls, and what it makes of odd grants. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/testing/TestClock"
import { OAuth, TokenStore } from "effect-highlevel"
import { Sandbox } from "effect-highlevel/testing"
import { answering } from "./harness.ts"
import * as Helper from "./oauth.ts"
import { bearerOf, connect, locationId, refreshes, star, stored, updates } from "./oauth.ts"

const companyId = "sandbox-company"

describe("a failed look-up", () => {
  it.effect("is not repeated by every call, but by the next one after a second", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const exchanges = Effect.map(
        sandbox.requests,
        (requests) => requests.filter(({ path }) => path === "/oauth/locationToken").length
      )
      yield* connect({ userType: "Company", companyId, locationIds: [] })
      for (let call = 0; call < 3; call++) assert.strictEqual((yield* Effect.flip(star))._tag, "ReconnectRequired")
      assert.strictEqual(yield* exchanges, 1)
      yield* TestClock.adjust("1 second")
      yield* Effect.flip(star)
      assert.strictEqual(yield* exchanges, 2)
    }).pipe(Effect.provide(Helper.layer()))
  )
})

describe("a token that HighLevel refuses", () => {
  const revokeLast = Effect.gen(function* () {
    const sandbox = yield* Sandbox.Sandbox
    yield* sandbox.revoke(String(bearerOf((yield* updates).at(-1))).replace("Bearer ", ""))
  })

  it.effect("and that is younger than `renewAfter` is neither refreshed nor sent again", () =>
    Effect.gen(function* () {
      yield* connect()
      yield* star
      yield* revokeLast
      yield* TestClock.adjust("1999 millis")
      assert.strictEqual((yield* Effect.flip(star))._tag, "Unauthorized")
      assert.deepStrictEqual([(yield* updates).length, (yield* refreshes).length], [2, 0])
      yield* TestClock.adjust("1 millis")
      yield* star
      assert.strictEqual((yield* refreshes).length, 1)
    }).pipe(Effect.provide(Helper.layer({ oauth: { renewAfter: "2 seconds" } })))
  )

  it.effect("and that was replaced meanwhile is not refreshed: there is another one", () =>
    Effect.gen(function* () {
      const oauth = yield* OAuth.OAuth
      yield* connect()
      const old = yield* oauth.token({ locationId })
      yield* connect()
      yield* oauth.token({ locationId })
      assert.isTrue(yield* oauth.renew({ locationId }, old))
      assert.strictEqual((yield* refreshes).length, 0)
    }).pipe(Effect.provide(Helper.layer()))
  )
})

describe("a location of an agency", () => {
  it.effect("moves to another agency, and keeps its tokens when the same one installs the app again", () =>
    Effect.gen(function* () {
      const oauth = yield* OAuth.OAuth
      yield* connect({ companyId }, "Company")
      yield* star
      const { tokens } = JSON.parse(yield* stored())
      yield* TestClock.adjust("1 hour")
      yield* oauth.addLocation({ companyId, locationId })
      assert.deepStrictEqual(JSON.parse(yield* stored()).tokens, tokens)
      yield* oauth.addLocation({ companyId: "second", locationId })
      assert.strictEqual(JSON.parse(yield* stored()).agency, "second")
      // Its own authorization outranks an agency's.
      yield* connect()
      const own = yield* stored()
      yield* oauth.addLocation({ companyId: "first", locationId })
      assert.strictEqual(yield* stored(), own)
    }).pipe(Effect.provide(Helper.layer()))
  )
})

describe("a code", () => {
  const exchanged = (grant: object) =>
    Effect.gen(function* () {
      const oauth = yield* OAuth.OAuth
      return yield* oauth.exchangeCode({ code: "code", state: "state" }, { state: Redacted.make("state") })
    }).pipe(
      Effect.provide(
        OAuth.layer(Sandbox.defaultApp).pipe(
          Layer.provide(answering(200, JSON.stringify({ access_token: "a", expires_in: 60, ...grant })).layer),
          Layer.provide(TokenStore.layerMemory)
        )
      )
    )

  it.effect.each([
    [{ userType: "Company" }],
    [{ userType: "Company", locationId: "l" }],
    [{ userType: "Location" }],
    [{ userType: "Location", companyId: "c" }],
    [{ companyId: "", locationId: "" }]
  ] as const)("whose grant names no account it can be of is refused: %o", ([grant]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(exchanged(grant))
      assert(error._tag === "AuthorizationFailed")
      assert.deepStrictEqual(
        [error.reason, error.messages],
        ["Refused", ["HighLevel's response names neither a location nor a company"]]
      )
    })
  )

  it.effect("that could not be exchanged says why", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* sandbox.fault({ kind: "disconnect", operation: "token" })
      const error = yield* Effect.flip(connect())
      assert.strictEqual(error.reason, "Unreachable")
      assert.instanceOf(error.cause, Error)
    }).pipe(Effect.provide(Helper.layer()))
  )
})
