import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import { AccessToken, Conversations, OAuth, TokenStore } from "effect-highlevel"
import { Sandbox } from "effect-highlevel/testing"
import { answering, running, settle, until } from "./harness.ts"
import * as Helper from "./oauth.ts"
import { bearerOf, connect, ids, locationId, refreshes, star, steered, stored, updates } from "./oauth.ts"

describe("the first authorization", () => {
  it.effect("asks for the scope, with a state that is new each time", () =>
    Effect.gen(function* () {
      const oauth = yield* OAuth.OAuth
      const one = yield* oauth.authorizationUrl({ redirectUri: "https://app.example/callback" })
      const other = yield* oauth.authorizationUrl({ redirectUri: "https://app.example/callback", scopes: ["a", "b"] })
      const url = new URL(one.url)
      assert.strictEqual(url.origin + url.pathname, "https://marketplace.gohighlevel.com/v2/oauth/chooselocation")
      assert.deepStrictEqual(Object.fromEntries(url.searchParams), {
        response_type: "code",
        redirect_uri: "https://app.example/callback",
        client_id: "sandbox-app",
        version_id: "sandbox",
        scope: "conversations.readonly conversations.write",
        state: Redacted.value(one.state)
      })
      assert.isAtLeast(Redacted.value(one.state).length, 43)
      assert.notStrictEqual(Redacted.value(one.state), Redacted.value(other.state))
      assert.strictEqual(new URL(other.url).searchParams.get("scope"), "a b")
    }).pipe(Effect.provide(Helper.layer()))
  )

  it.effect("is asked for at the marketplace of the app's options, in the same tab if it says so", () =>
    Effect.gen(function* () {
      const oauth = yield* OAuth.OAuth
      const url = new URL((yield* oauth.authorizationUrl({ redirectUri: "https://app.example/callback" })).url)
      assert.strictEqual(url.origin + url.pathname, "https://marketplace.leadconnectorhq.com/v2/oauth/chooselocation")
      assert.deepStrictEqual(
        [url.searchParams.get("version_id"), url.searchParams.get("loginWindowOpenMode")],
        ["draft", "self"]
      )
      const options = { state: Redacted.make("state") }
      for (const query of [{ code: "" }, {}, { code: "code", error: "access_denied" }]) {
        const error = yield* Effect.flip(oauth.exchangeCode({ state: "state", ...query }, options))
        assert.strictEqual(error.reason, "Denied")
      }
    }).pipe(
      Effect.provide(
        Helper.layer({
          oauth: {
            marketplaceUrl: "https://marketplace.leadconnectorhq.com/",
            versionId: "draft",
            loginWindowOpenMode: "self"
          }
        })
      )
    )
  )

  it.effect("connects a location, and its tokens are stored and used", () =>
    Effect.gen(function* () {
      const connected = yield* connect()
      assert.deepStrictEqual(connected, {
        userType: "Location",
        locationId,
        companyId: "sandbox-company",
        userId: "sandbox-user",
        scopes: ["conversations.readonly", "conversations.write"]
      })
      assert.include(yield* stored(), "sandbox-refresh-")
      yield* star
      assert.include(yield* stored(), String(bearerOf((yield* updates)[0])).replace("Bearer ", ""))
    }).pipe(Effect.provide(Helper.layer()))
  )

  it.effect.each([
    ["another state", { state: "other" }, true],
    ["no state", {}, true],
    ["no state kept", { state: "state" }, false]
  ] as const)("with %s is a StateMismatch, and nothing is sent", ([, { ...query }, isKept]) =>
    Effect.gen(function* () {
      const oauth = yield* OAuth.OAuth
      const sandbox = yield* Sandbox.Sandbox
      const error = yield* Effect.flip(
        oauth.exchangeCode(
          { code: "code", ...query },
          { state: isKept ? Redacted.make("state") : undefined, redirectUri: "https://app.example/callback" }
        )
      )
      assert.strictEqual(error.reason, "StateMismatch")
      assert.deepStrictEqual(yield* sandbox.requests, [])
    }).pipe(Effect.provide(Helper.layer()))
  )

  it.effect("that the customer denies, and a code that is wrong, used or for another redirect, say so", () =>
    Effect.gen(function* () {
      const oauth = yield* OAuth.OAuth
      const sandbox = yield* Sandbox.Sandbox
      const redirectUri = "https://app.example/callback"
      const options = { state: Redacted.make("state"), redirectUri }
      for (const bad of ["nope", "https://app.example/ghl/callback", "https://HighLevel.example"]) {
        const error = yield* Effect.flip(oauth.authorizationUrl({ redirectUri: bad }))
        assert.propertyVal(error, "option", "redirectUri")
      }
      const denied = yield* Effect.flip(
        oauth.exchangeCode({ state: "state", error: "access_denied", error_description: "the user said no" }, options)
      )
      assert.deepStrictEqual(
        [denied.reason, denied.error, denied.messages],
        ["Denied", "access_denied", ["the user said no"]]
      )
      const { url } = yield* oauth.authorizationUrl({ redirectUri })
      const { code } = yield* sandbox.approve(url)
      const callback = { code, state: "state" }
      const elsewhere = { ...options, redirectUri: "https://app.example/other" }
      for (const refused of [
        oauth.exchangeCode(callback, elsewhere),
        oauth.exchangeCode(callback, options),
        oauth.exchangeCode({ code: "made up", state: "state" }, options)
      ]) {
        const error = yield* Effect.flip(refused)
        assert.deepStrictEqual([error.reason, error.error, error.status], ["Refused", "invalid_grant", 400])
      }
      assert.strictEqual(yield* stored(), "")
    }).pipe(Effect.provide(Helper.layer()))
  )

  it.effect("is not tried twice: a code can be used once", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* sandbox.fault({ kind: "reset-body", operation: "token" })
      const error = yield* Effect.flip(connect())
      assert.strictEqual(error.reason, "Unreachable")
      assert.strictEqual((yield* sandbox.requests).length, 1)
    }).pipe(Effect.provide(Helper.layer()))
  )

  it.effect("stores the tokens although the caller has left", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* sandbox.fault({ kind: "slow-headers", delay: "1 second", operation: "token" })
      const fiber = yield* Effect.forkChild(connect())
      yield* until(Effect.map(sandbox.requests, (requests) => requests.length === 1))
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(yield* stored(), "")
      yield* TestClock.adjust("1 second")
      yield* until(Effect.map(stored(), (text) => text.includes("sandbox-refresh-")))
    }).pipe(Effect.provide(Helper.layer()))
  )

  it.effect("anew replaces tokens that are refused", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* connect()
      const { refreshToken } = JSON.parse(yield* stored()).tokens
      yield* sandbox.revoke(refreshToken)
      yield* TestClock.adjust("1 day")
      assert.strictEqual((yield* Effect.flip(star))._tag, "ReconnectRequired")
      yield* connect()
      yield* star
    }).pipe(Effect.provide(Helper.layer()))
  )
})

describe.each(["snake_case", "camelCase"] as const)("tokens in %s", (spelling) => {
  it.effect("are refreshed shortly before they expire, and not earlier", () =>
    Effect.gen(function* () {
      yield* connect()
      yield* star
      yield* TestClock.adjust("1430 minutes")
      yield* star
      assert.strictEqual((yield* refreshes).length, 0)
      yield* TestClock.adjust("6 minutes")
      yield* star
      assert.strictEqual((yield* refreshes).length, 1)
      const [first, second, third] = (yield* updates).map(bearerOf)
      assert.strictEqual(first, second)
      assert.notStrictEqual(second, third)
      // The rotated refresh token works in its turn.
      yield* TestClock.adjust("1 day")
      yield* star
      const [one, other] = (yield* refreshes).map(({ body }) => new URLSearchParams(body).get("refresh_token"))
      assert.notStrictEqual(one, other)
    }).pipe(Effect.provide(Helper.layer({ sandbox: { oauth: { spelling } } })))
  )
})

describe("a 401", () => {
  it.effect("for an invalid token is cured by one refresh, without a delay, also where nothing is retried", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* connect()
      yield* TestClock.adjust("1 hour")
      yield* sandbox.revoke(JSON.parse(yield* stored()).tokens.accessToken)
      const before = yield* Clock.currentTimeMillis
      yield* star
      assert.strictEqual(yield* Clock.currentTimeMillis, before)
      assert.deepStrictEqual(
        (yield* updates).map(({ status }) => status),
        [401, 200]
      )
      assert.strictEqual((yield* refreshes).length, 1)
    }).pipe(Effect.provide(Helper.layer()))
  )

  it.effect("that comes again is final, and the next call does not refresh a token that is new", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const oauth = yield* OAuth.OAuth
      const { refreshToken } = yield* sandbox.issue({ locationId, refusedWith: "Invalid JWT" })
      yield* oauth.importRefreshToken({ locationId }, refreshToken)
      yield* oauth.token({ locationId })
      yield* TestClock.adjust("1 hour")
      const error = yield* Effect.flip(star)
      assert(error._tag === "Unauthorized")
      assert.deepStrictEqual([error.reason, error.attempts], ["InvalidToken", 2])
      assert.strictEqual((yield* refreshes).length, 2)
      assert.strictEqual((yield* Effect.flip(star))._tag, "Unauthorized")
      assert.strictEqual((yield* refreshes).length, 2)
    }).pipe(Effect.provide(Helper.layer()))
  )

  it.effect.each([
    ["The token is not authorized for this scope.", "MissingScope", { scopes: ["contacts.readonly"] }],
    ["This location is not accessible from this token!", "WrongLocation", { locationId: "another" }],
    ["Token's user type mismatch!", "WrongTokenType", { userType: "Company" }],
    ...(
      [
        ["This authClass type is not allowed to access this scope. Please reach out.", "WrongTokenType"],
        ["This AuthClass is not yet supported for this endpoint", "WrongTokenType"],
        ["Auth channel OAUTH is not supported.", "WrongTokenType"],
        ["version header was not found.", "VersionHeader"],
        ["version header is invalid", "VersionHeader"],
        ["something new", "Unknown"]
      ] as const
    ).map(([message, reason]) => [message, reason, { refusedWith: message }] as const)
  ] as const)("%s is not cured by a refresh, and none is made", ([message, reason, grant]) =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const oauth = yield* OAuth.OAuth
      const { refreshToken } = yield* sandbox.issue({ locationId, ...grant })
      yield* oauth.importRefreshToken({ locationId }, refreshToken)
      yield* oauth.token({ locationId })
      yield* TestClock.adjust("1 hour")
      const error = yield* Effect.flip(star)
      assert(error._tag === "Unauthorized", error._tag)
      assert.deepStrictEqual([error.reason, error.messages, error.attempts], [reason, [message], 1])
      assert.strictEqual((yield* refreshes).length, 1)
    }).pipe(Effect.provide(Helper.layer()))
  )
})

describe("a hundred calls at once", () => {
  it.effect("make one refresh when the token is about to expire", () =>
    Effect.gen(function* () {
      yield* connect()
      yield* TestClock.adjust("1 day")
      yield* running(
        Effect.all(
          Array.from({ length: 100 }, () => star),
          { concurrency: "unbounded" }
        )
      )
      assert.strictEqual((yield* refreshes).length, 1)
      assert.strictEqual((yield* updates).length, 100)
    }).pipe(Effect.provide(Helper.layer()))
  )

  it.effect("make one refresh when the token is refused", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* connect()
      yield* TestClock.adjust("1 hour")
      yield* sandbox.revoke(JSON.parse(yield* stored()).tokens.accessToken)
      yield* running(
        Effect.all(
          Array.from({ length: 100 }, () => star),
          { concurrency: "unbounded" }
        )
      )
      assert.strictEqual((yield* refreshes).length, 1)
      assert.isAbove((yield* updates).filter(({ status }) => status === 401).length, 1)
    }).pipe(Effect.provide(Helper.layer({ sandbox: { rateLimit: { max: 1000 } }, client: { rateLimit: false } })))
  )
})

describe("a refresh that fails", () => {
  it.effect("with invalid_grant says that only reconnecting helps, and is not repeated for every call", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* connect()
      yield* sandbox.revoke(JSON.parse(yield* stored()).tokens.refreshToken)
      yield* TestClock.adjust("1 day")
      const error = yield* Effect.flip(star)
      assert(error._tag === "ReconnectRequired")
      assert.deepStrictEqual<unknown>(
        { ...error, name: undefined },
        {
          _tag: "ReconnectRequired",
          name: undefined,
          operation: "Conversations.update",
          ...ids,
          attempts: 0,
          applied: "no",
          status: 400,
          error: "invalid_grant",
          messages: ["Invalid grant: refresh token is invalid"]
        }
      )
      assert.include(error.message, "must be reconnected: invalid_grant")
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual((yield* Effect.flip(star))._tag, "ReconnectRequired")
      assert.strictEqual((yield* refreshes).length, 1)
      assert.strictEqual((yield* updates).length, 0)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* Effect.flip(star))._tag, "ReconnectRequired")
      assert.strictEqual((yield* refreshes).length, 2)
    }).pipe(Effect.provide(Helper.layer()))
  )

  it.effect("because the location is not active repeats HighLevel's words and does not ask to reconnect", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* connect()
      yield* sandbox.deactivate(locationId)
      yield* TestClock.adjust("1 day")
      const error = yield* Effect.flip(star)
      assert(error._tag === "TokenUnavailable")
      assert.deepStrictEqual([error.reason, error.messages, error.status], ["Refused", ["Location is not active"], 400])
    }).pipe(Effect.provide(Helper.layer()))
  )

  it.effect("because the client secret is wrong is Refused", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const oauth = yield* OAuth.OAuth
      const { refreshToken } = yield* sandbox.issue({ locationId })
      yield* oauth.importRefreshToken({ locationId }, refreshToken)
      const error = yield* Effect.flip(star)
      assert(error._tag === "TokenUnavailable")
      assert.deepStrictEqual([error.reason, error.error], ["Refused", "invalid_client"])
    }).pipe(Effect.provide(Helper.layer({ oauth: { clientSecret: Redacted.make("wrong") } })))
  )

  it.effect("for a location that never connected is ReconnectRequired, and nothing is sent", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const error = yield* Effect.flip(star)
      assert(error._tag === "ReconnectRequired")
      assert.deepStrictEqual(error.messages, [`no tokens are stored for sandbox-app:location:${locationId}`])
      assert.deepStrictEqual(yield* sandbox.requests, [])
    }).pipe(Effect.provide(Helper.layer()))
  )

  it.effect.each(["disconnect", "reset-body", "truncated-json"] as const)(
    "with a %s is repeated and brings the pair that it would have brought",
    (kind) =>
      Effect.gen(function* () {
        const sandbox = yield* Sandbox.Sandbox
        yield* connect()
        yield* TestClock.adjust("1 day")
        yield* sandbox.fault({ kind, operation: "token", times: 6 })
        const before = yield* Clock.currentTimeMillis
        yield* running(star)
        const tries = (yield* refreshes).map(({ body }) => body)
        assert.strictEqual(tries.length, 7)
        assert.isBelow((yield* Clock.currentTimeMillis) - before, 25_000)
        assert.strictEqual(new Set(tries).size, 1)
        yield* TestClock.adjust("1 day")
        yield* star
      }).pipe(Effect.provide(Helper.layer()))
  )

  it.effect("for good is Unreachable with its cause, after the grace, and the claim is given up", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* connect()
      yield* TestClock.adjust("1 day")
      yield* sandbox.fault({ kind: "disconnect", operation: "token", times: Infinity })
      const before = yield* Clock.currentTimeMillis
      const error = yield* running(Effect.flip(star))
      assert(error._tag === "TokenUnavailable")
      assert.strictEqual(error.reason, "Unreachable")
      assert.include(error.message, "The sandbox ended the connection")
      assert.strictEqual(error.attempts, 0)
      const passed = (yield* Clock.currentTimeMillis) - before
      assert.isAbove(passed, 24_000)
      assert.isBelow(passed, 32_000)
      assert.notInclude(yield* stored(), "claim")
    }).pipe(Effect.provide(Helper.layer()))
  )

  it.effect("is retried by the call, as other failures that may pass are, also after a 401", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* connect()
      yield* TestClock.adjust("1 hour")
      yield* sandbox.revoke(JSON.parse(yield* stored()).tokens.accessToken)
      yield* sandbox.fault({ kind: "disconnect", operation: "token", times: 11 })
      yield* running(star)
      assert.isAbove((yield* refreshes).length, 11)
    }).pipe(Effect.provide(Helper.layer({ client: { retry: { maxAttempts: 6 } } })))
  )

  it.effect("before its time does not keep a token that is alive from being used, nor is it given up", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* connect()
      yield* TestClock.adjust("1437 minutes")
      yield* sandbox.fault({ kind: "reset-body", operation: "token", times: 5 })
      const before = yield* Clock.currentTimeMillis
      yield* running(star)
      assert.isBelow((yield* Clock.currentTimeMillis) - before, 3000)
      assert.strictEqual((yield* updates).length, 1)
      const old = bearerOf((yield* updates)[0])
      // Nobody asks again, and still the pair that HighLevel has rotated is fetched in time.
      yield* running(
        Effect.gen(function* () {
          while (!(yield* stored()).includes("sandbox-refresh-3")) yield* Effect.sleep("50 millis")
        })
      )
      yield* TestClock.adjust("3 minutes")
      yield* star
      assert.notStrictEqual(bearerOf((yield* updates)[1]), old)
    }).pipe(Effect.provide(Helper.layer()))
  )

  it.effect("is repeated for a whole grace again when an outage is over", () =>
    Effect.gen(function* () {
      let lost = Infinity
      const server = Layer.succeed(
        HttpClient.HttpClient,
        HttpClient.make((request) =>
          Effect.sync(() =>
            HttpClientResponse.fromWeb(
              request,
              new Response(lost-- > 0 ? "{" : JSON.stringify({ access_token: "access", refresh_token: "next" }))
            )
          )
        )
      )
      yield* Effect.gen(function* () {
        const oauth = yield* OAuth.OAuth
        yield* oauth.importRefreshToken({ locationId }, Redacted.make("refresh"))
        assert.strictEqual((yield* running(Effect.flip(oauth.token({ locationId })))).reason, "Unreachable")
        yield* TestClock.adjust("2 minutes")
        // HighLevel rotates, its answers are lost, and nobody but this one call asks for them.
        lost = 3
        assert.strictEqual(Redacted.value(yield* running(oauth.token({ locationId }))), "access")
      }).pipe(
        Effect.provide(
          OAuth.layer(Sandbox.defaultApp).pipe(Layer.provide(server), Layer.provide(TokenStore.layerMemory))
        )
      )
    })
  )

  it.effect("by a refusal of somebody on the way, after an answer was lost, is tried on within the grace", () =>
    Effect.gen(function* () {
      const requests: Array<number> = []
      // Rotates, loses the answer; then a firewall; then HighLevel repeats itself.
      const server = Layer.succeed(
        HttpClient.HttpClient,
        HttpClient.make((request) =>
          Effect.sync(() => {
            requests.push(1)
            const [body, status] =
              requests.length === 1
                ? ["{", 200]
                : requests.length < 5
                  ? ["<html>error 1010</html>", 403]
                  : [JSON.stringify({ access_token: "access", refresh_token: "next", expires_in: 86_399 }), 200]
            return HttpClientResponse.fromWeb(request, new Response(String(body), { status: Number(status) }))
          })
        )
      )
      const program = Effect.gen(function* () {
        const oauth = yield* OAuth.OAuth
        yield* oauth.importRefreshToken({ locationId }, Redacted.make("refresh"))
        return Redacted.value(yield* oauth.token({ locationId }))
      })
      const layer = OAuth.layer(Sandbox.defaultApp).pipe(
        Layer.provide(server),
        Layer.provideMerge(TokenStore.layerMemory)
      )
      assert.strictEqual(yield* running(program.pipe(Effect.provide(layer))), "access")
      assert.strictEqual(requests.length, 5)
    })
  )

  it.effect("by a refusal that is no invalid_grant is tried again after some seconds", () =>
    Effect.gen(function* () {
      const http = answering(403, "<html>error 1010</html>")
      const program = Effect.gen(function* () {
        const oauth = yield* OAuth.OAuth
        yield* oauth.importRefreshToken({ locationId }, Redacted.make("refresh"))
        for (const pause of ["2 seconds", "4 seconds"] as const) {
          assert.strictEqual((yield* Effect.flip(oauth.token({ locationId }))).reason, "Refused")
          yield* TestClock.adjust(pause)
        }
        yield* Effect.flip(oauth.token({ locationId }))
      })
      const layer = OAuth.layer(Sandbox.defaultApp).pipe(
        Layer.provide(http.layer),
        Layer.provideMerge(TokenStore.layerMemory)
      )
      yield* program.pipe(Effect.provide(layer))
      assert.strictEqual(http.requests.length, 2)
    })
  )

  it.effect("to answer is given up in time", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* connect()
      yield* TestClock.adjust("1 day")
      yield* sandbox.fault({ kind: "slow-headers", delay: "10 seconds", operation: "token" })
      yield* running(star)
      assert.strictEqual((yield* refreshes).length, 2)
      // The server has to come to its end, too.
      yield* TestClock.adjust("10 seconds")
    }).pipe(Effect.provide(Helper.layer()))
  )
})

describe("the new pair", () => {
  it.effect("is stored before it is used", () => {
    const { hooks, layer } = steered()
    return Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      yield* connect()
      yield* TestClock.adjust("1 day")
      hooks.before = (next) => (next.includes("claim") ? Effect.void : Deferred.await(gate))
      const fiber = yield* Effect.forkChild(star)
      yield* until(Effect.map(refreshes, ({ length }) => length === 1))
      yield* settle
      assert.strictEqual((yield* updates).length, 0)
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(fiber)
      assert.strictEqual((yield* updates).length, 1)
    }).pipe(Effect.provide(Helper.layer({ store: layer })))
  })

  it.effect("is stored although its callers have left, and a layer that ends waits for it", () => {
    const { hooks, layer } = steered()
    return Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(Helper.memoryOAuth(), scope)
      yield* connect()
      yield* TestClock.adjust("1 day")
      hooks.before = (next) => (next.includes("claim") ? Effect.void : Deferred.await(gate))
      const oauth = yield* Effect.provide(OAuth.OAuth, context)
      const fiber = yield* Effect.forkChild(oauth.token({ locationId }))
      yield* until(Effect.map(refreshes, ({ length }) => length === 1))
      yield* Fiber.interrupt(fiber)
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      yield* settle
      assert.isUndefined(closing.pollUnsafe())
      const before = yield* stored()
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(closing)
      assert.notStrictEqual(JSON.parse(yield* stored()).tokens.refreshToken, JSON.parse(before).tokens.refreshToken)
      const late = yield* Effect.flip(oauth.token({ locationId }))
      assert.strictEqual(late.reason, "Unreachable")
    }).pipe(Effect.provide(Helper.layer({ store: layer })))
  })

  it.effect("is kept until a store that fails takes it, and then used", () => {
    const { hooks, layer } = steered()
    return Effect.gen(function* () {
      yield* connect()
      yield* TestClock.adjust("1 day")
      let failures = 0
      hooks.before = (next) =>
        next.includes("claim") || ++failures > 5
          ? Effect.void
          : Effect.fail(new TokenStore.TokenStoreError({ cause: new Error(`cannot write ${next}`) }))
      yield* running(star)
      assert.strictEqual(failures, 6)
      assert.strictEqual((yield* refreshes).length, 1)
    }).pipe(Effect.provide(Helper.layer({ store: layer })))
  })

  it.effect("is known to be stored when only the store's answer was lost", () => {
    const { hooks, layer } = steered()
    return Effect.gen(function* () {
      yield* connect()
      yield* TestClock.adjust("1 day")
      let isLost = false
      hooks.after = (next) => {
        if (next.includes("claim") || isLost) return Effect.void
        isLost = true
        return Effect.fail(new TokenStore.TokenStoreError({ cause: new Error("connection lost") }))
      }
      yield* running(star)
      assert.isTrue(isLost)
      assert.strictEqual((yield* refreshes).length, 1)
    }).pipe(Effect.provide(Helper.layer({ store: layer })))
  })

  it.effect("replaces the claim of one who took over, but never newer tokens", () => {
    const { hooks, layer } = steered()
    return Effect.gen(function* () {
      const store = yield* TokenStore.TokenStore
      const put = Effect.fnUntraced(function* (record: unknown) {
        const key = `sandbox-app:location:${locationId}`
        yield* store.replace(key, yield* store.get(key), Redacted.make(JSON.stringify(record)))
      })
      yield* connect()
      yield* TestClock.adjust("1 day")
      // While we wait for the answer, somebody thinks that we are dead.
      let isFirst = true
      hooks.before = (next) => {
        if (next.includes("claim") || !isFirst) return Effect.void
        isFirst = false
        return Effect.flatMap(stored(), (text) =>
          put({ ...JSON.parse(text), claim: { owner: "somebody", at: 0 } })
        ).pipe(Effect.provideService(TokenStore.TokenStore, store), Effect.orDie)
      }
      yield* running(star)
      const ours = JSON.parse(yield* stored())
      assert.notProperty(ours, "claim")
      assert.include(String(bearerOf((yield* updates)[0])), ours.tokens.accessToken)

      // And here he has refreshed and stored before we did.
      yield* TestClock.adjust("1 day")
      const sandbox = yield* Sandbox.Sandbox
      const theirs = yield* sandbox.issue({ locationId })
      isFirst = true
      hooks.before = (next) => {
        if (next.includes("claim") || !isFirst) return Effect.void
        isFirst = false
        return Effect.flatMap(Clock.currentTimeMillis, (now) =>
          put({
            tokens: {
              accessToken: Redacted.value(theirs.accessToken),
              refreshToken: Redacted.value(theirs.refreshToken),
              obtainedAt: now,
              expiresAt: now + 86_399_000
            }
          })
        ).pipe(Effect.orDie)
      }
      yield* running(star)
      assert.strictEqual(bearerOf((yield* updates)[1]), `Bearer ${Redacted.value(theirs.accessToken)}`)
      assert.include(yield* stored(), Redacted.value(theirs.refreshToken))
    }).pipe(Effect.provide(Helper.layer({ store: layer })))
  })
})

describe("what a server may do", () => {
  /** An OAuth whose server gives every refresh the same answer. */
  const withAnswer = (answer: unknown) => {
    const http = answering(200, JSON.stringify(answer))
    const layer = OAuth.layer(Sandbox.defaultApp).pipe(
      Layer.provide(http.layer),
      Layer.provideMerge(TokenStore.layerMemory)
    )
    return { ...http, layer }
  }

  it.effect("it may leave the refresh token out, which then stays as it is", () => {
    const { layer } = withAnswer({ access_token: "access", expires_in: "86399" })
    return Effect.gen(function* () {
      const oauth = yield* OAuth.OAuth
      yield* oauth.importRefreshToken({ locationId }, Redacted.make("refresh"))
      yield* oauth.token({ locationId })
      const { accessToken, expiresAt, refreshToken } = JSON.parse(yield* stored()).tokens
      assert.deepStrictEqual([accessToken, refreshToken, expiresAt], ["access", "refresh", 86_399_000])
    }).pipe(Effect.provide(layer))
  })

  it.effect("it may bring back the token that it refuses: that is not tried in circles", () => {
    const { layer, requests } = withAnswer({ access_token: "access", refresh_token: "next", expires_in: 86_399 })
    return Effect.gen(function* () {
      const oauth = yield* OAuth.OAuth
      yield* oauth.importRefreshToken({ locationId }, Redacted.make("refresh"))
      const token = yield* oauth.token({ locationId })
      yield* TestClock.adjust("1 hour")
      assert.isFalse(yield* oauth.renew({ locationId }, token))
      assert.strictEqual(requests.length, 2)
    }).pipe(Effect.provide(layer))
  })

  it.effect("it may grant for ever, or what no clock can hold", () =>
    Effect.gen(function* () {
      const { layer } = withAnswer({ access_token: "access", refresh_token: "next", expires_in: 1e306 })
      yield* Effect.gen(function* () {
        const oauth = yield* OAuth.OAuth
        yield* oauth.importRefreshToken({ locationId }, Redacted.make("refresh"))
        assert.strictEqual(Redacted.value(yield* oauth.token({ locationId })), "access")
      }).pipe(Effect.provide(layer))
    })
  )

  it.effect("its clock or ours may have been wrong: a token from the future is renewed all the same", () => {
    const { layer, requests } = withAnswer({ access_token: "access", refresh_token: "next", expires_in: 86_399 })
    return Effect.gen(function* () {
      const oauth = yield* OAuth.OAuth
      yield* TestClock.adjust("30 days")
      yield* oauth.importRefreshToken({ locationId }, Redacted.make("refresh"))
      const token = yield* oauth.token({ locationId })
      yield* TestClock.setTime(0)
      yield* oauth.renew({ locationId }, token)
      assert.strictEqual(requests.length, 2)
    }).pipe(Effect.provide(layer))
  })

  it.effect("it may grant a token that is expired at once, or never: neither is refreshed in circles", () =>
    Effect.gen(function* () {
      for (const [expiry, expected] of [
        [{ expires_in: 0 }, 2],
        [{ expires_in: -5 }, 2],
        [{}, 1],
        [{ expires_in: null }, 1]
      ] as const) {
        const { layer, requests } = withAnswer({ access_token: "access", refresh_token: "next", ...expiry })
        yield* Effect.gen(function* () {
          const oauth = yield* OAuth.OAuth
          yield* oauth.importRefreshToken({ locationId }, Redacted.make("refresh"))
          yield* oauth.token({ locationId })
          yield* TestClock.adjust("1 hour")
          yield* oauth.token({ locationId })
        }).pipe(Effect.provide(layer))
        assert.strictEqual(requests.length, expected, JSON.stringify(expiry))
      }
    })
  )
})

describe("what a store may do", () => {
  it.effect("it may hang while a customer connects: the caller leaves in time, and the tokens are stored", () => {
    const { hooks, layer } = steered()
    return Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      hooks.before = () => Deferred.await(gate)
      const fiber = yield* Effect.forkChild(Effect.exit(Effect.timeout(connect(), "1 second")))
      yield* until(
        Effect.map(
          Effect.flatMap(Sandbox.Sandbox, (sandbox) => sandbox.requests),
          ({ length }) => length === 1
        )
      )
      yield* TestClock.adjust("1 second")
      assert.isTrue(Exit.isFailure(yield* Fiber.join(fiber)))
      yield* Deferred.succeed(gate, undefined)
      yield* until(Effect.map(stored(), (text) => text.includes("sandbox-refresh-")))
    }).pipe(Effect.provide(Helper.layer({ store: layer })))
  })

  it.effect("it may fail while a customer connects: his tokens are stored once it is back", () => {
    const { hooks, layer } = steered()
    return Effect.gen(function* () {
      let failures = 0
      hooks.before = () =>
        ++failures > 5 ? Effect.void : Effect.fail(new TokenStore.TokenStoreError({ cause: new Error("away") }))
      yield* running(connect())
      assert.include(yield* stored(), "sandbox-refresh-")
    }).pipe(Effect.provide(Helper.layer({ store: layer })))
  })

  it.effect("it may throw: that is a typed error, and a pair in hand is stored all the same", () => {
    const { hooks, layer } = steered()
    return Effect.gen(function* () {
      yield* connect()
      yield* TestClock.adjust("1 day")
      let defects = 0
      hooks.before = (next) =>
        next.includes("claim") || ++defects > 3 ? Effect.void : Effect.die(new Error(`driver bug ${next}`))
      yield* running(star)
      assert.strictEqual((yield* refreshes).length, 1)
      hooks.before = (next) => Effect.die(new Error(`driver bug ${next}`))
      yield* TestClock.adjust("1 day")
      const error = yield* running(Effect.flip(star))
      assert(error._tag === "TokenUnavailable")
      assert.strictEqual(error.reason, "Unreachable")
      assert.notInclude(error.message, "sandbox-refresh")
    }).pipe(Effect.provide(Helper.layer({ store: layer, client: { retry: false } })))
  })

  it.effect("it may hang: a token that is alive is used, and not each call waits for a look at the store", () => {
    const { hooks, layer } = steered()
    return Effect.gen(function* () {
      yield* connect()
      yield* star
      yield* TestClock.adjust("1 minute")
      hooks.onGet = Effect.never
      const before = yield* Clock.currentTimeMillis
      yield* running(Effect.all([star, star, star, star, star]))
      assert.isBelow((yield* Clock.currentTimeMillis) - before, 4000)
      assert.strictEqual((yield* updates).length, 6)
      // It comes back, and so does whoever waited for it.
      hooks.onGet = Effect.void
      yield* TestClock.adjust("11 seconds")
      yield* TestClock.adjust("1 minute")
      yield* running(star)
      yield* TestClock.adjust("1 day")
      yield* running(star)
      assert.strictEqual((yield* refreshes).length, 1)
    }).pipe(Effect.provide(Helper.layer({ store: layer, oauth: { maxWait: "5 seconds" } })))
  })

  it.effect("it may not even let itself be interrupted: that is given up, too, and nobody is stuck", () => {
    const { hooks, layer } = steered()
    return Effect.gen(function* () {
      const oauth = yield* OAuth.OAuth
      yield* connect()
      yield* TestClock.adjust("1 day")
      const gate = yield* Deferred.make<void>()
      hooks.before = () => Effect.uninterruptible(Deferred.await(gate))
      const before = yield* Clock.currentTimeMillis
      const error = yield* running(Effect.flip(oauth.token({ locationId })))
      assert.strictEqual(error.reason, "Unreachable")
      assert.isBelow((yield* Clock.currentTimeMillis) - before, 12_000)
      hooks.before = () => Effect.void
      yield* Deferred.succeed(gate, undefined)
      yield* TestClock.adjust("15 seconds")
      yield* running(star)
    }).pipe(Effect.provide(Helper.layer({ store: layer })))
  })

  it.effect("it may be another app's, too: each has its own tokens", () =>
    Effect.gen(function* () {
      yield* connect()
      const before = yield* stored()
      const other = yield* Layer.build(Helper.memoryOAuth({ clientId: "another-app" }))
      yield* Effect.flatMap(OAuth.OAuth, (oauth) =>
        oauth.importRefreshToken({ locationId }, Redacted.make("its refresh token"))
      ).pipe(Effect.provide(other))
      assert.strictEqual(yield* stored(), before)
      yield* TestClock.adjust("1 day")
      yield* star
    }).pipe(Effect.provide(Helper.layer()))
  )

  it.effect("it may be written by another process: tokens that a customer granted there are used within a minute", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const oauth = yield* OAuth.OAuth
      const { refreshToken } = yield* sandbox.issue({ locationId, scopes: ["contacts.readonly"] })
      yield* oauth.importRefreshToken({ locationId }, refreshToken)
      assert.strictEqual((yield* Effect.flip(star))._tag, "Unauthorized")
      const elsewhere = yield* Layer.build(Helper.memoryOAuth())
      yield* connect().pipe(Effect.provide(elsewhere))
      yield* TestClock.adjust("1 minute")
      yield* star
    }).pipe(Effect.provide(Helper.layer()))
  )
})

describe("a process that died in the middle of a refresh", () => {
  // Its claim is there, HighLevel has rotated, and the answer is lost.
  const died = Effect.gen(function* () {
    yield* connect()
    const before = yield* stored()
    yield* TestClock.adjust("1 day")
    yield* star
    const lost = JSON.parse(yield* stored()).tokens
    const store = yield* TokenStore.TokenStore
    const now = yield* Clock.currentTimeMillis
    // By the clock of its machine, which is 90 seconds slow.
    const claimed = { ...JSON.parse(before), claim: { owner: "the dead", at: now - 90_000 } }
    const key = `sandbox-app:location:${locationId}`
    yield* store.replace(key, yield* store.get(key), Redacted.make(JSON.stringify(claimed)))
    return lost
  })

  it.effect("is waited for, and its refresh repeated within the grace: the same pair", () =>
    Effect.gen(function* () {
      const lost = yield* died
      const restarted = yield* Layer.build(Helper.memoryOAuth())
      const before = yield* Clock.currentTimeMillis
      const token = yield* running(
        Effect.flatMap(OAuth.OAuth, (oauth) => oauth.token({ locationId })).pipe(Effect.provide(restarted))
      )
      assert.strictEqual(Redacted.value(token), lost.accessToken)
      assert.strictEqual(JSON.parse(yield* stored()).tokens.refreshToken, lost.refreshToken)
      assert.isAtLeast((yield* Clock.currentTimeMillis) - before, 10_000)
      assert.isBelow((yield* Clock.currentTimeMillis) - before, 12_000)
    }).pipe(Effect.provide(Helper.layer()))
  )

  it.effect("and whose clock was an hour ahead is not waited for an hour", () =>
    Effect.gen(function* () {
      const lost = yield* died
      const store = yield* TokenStore.TokenStore
      const key = `sandbox-app:location:${locationId}`
      const text = yield* store.get(key)
      const record = JSON.parse(yield* stored())
      record.claim.at += 3_600_000
      yield* store.replace(key, text, Redacted.make(JSON.stringify(record)))
      const restarted = yield* Layer.build(Helper.memoryOAuth())
      const token = yield* running(
        Effect.flatMap(OAuth.OAuth, (oauth) => oauth.token({ locationId })).pipe(Effect.provide(restarted))
      )
      assert.strictEqual(Redacted.value(token), lost.accessToken)
    }).pipe(Effect.provide(Helper.layer()))
  )

  it.effect("longer ago than the grace is an honest ReconnectRequired", () =>
    Effect.gen(function* () {
      yield* died
      yield* TestClock.adjust("31 seconds")
      const restarted = yield* Layer.build(Helper.memoryOAuth())
      const error = yield* running(
        Effect.flip(Effect.flatMap(OAuth.OAuth, (oauth) => oauth.token({ locationId }))).pipe(Effect.provide(restarted))
      )
      assert.deepStrictEqual([error.reason, error.error], ["ReconnectRequired", "invalid_grant"])
    }).pipe(Effect.provide(Helper.layer()))
  )
})

describe("a refresh token that somebody else used up", () => {
  it.effect("is not reported as lost when his new pair is in the store", () => {
    const { hooks, layer } = steered()
    return Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const store = yield* TokenStore.TokenStore
      yield* connect()
      yield* TestClock.adjust("1 day")
      const key = `sandbox-app:location:${locationId}`
      const theirs = yield* sandbox.issue({ locationId })
      let isFirst = true
      // We have claimed; he, who was held up for longer than the grace, stores what he got.
      hooks.after = () => {
        if (!isFirst) return Effect.void
        isFirst = false
        return Effect.gen(function* () {
          const current = yield* store.get(key)
          const { tokens } = JSON.parse(Redacted.value(Option.getOrThrow(current)))
          yield* sandbox.revoke(tokens.refreshToken)
          const now = yield* Clock.currentTimeMillis
          const record = {
            tokens: {
              accessToken: Redacted.value(theirs.accessToken),
              refreshToken: Redacted.value(theirs.refreshToken),
              obtainedAt: now,
              expiresAt: now + 86_399_000
            }
          }
          yield* store.replace(key, current, Redacted.make(JSON.stringify(record)))
        })
      }
      yield* running(star)
      assert.strictEqual(bearerOf((yield* updates)[0]), `Bearer ${Redacted.value(theirs.accessToken)}`)
      assert.strictEqual((yield* refreshes)[0]?.status, 400)
    }).pipe(Effect.provide(Helper.layer({ store: layer })))
  })
})

describe("a refresh token that is brought along", () => {
  it.effect("is never taken twice, also after another one was", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const oauth = yield* OAuth.OAuth
      const account = { locationId }
      const one = (yield* sandbox.issue({ locationId })).refreshToken
      const other = (yield* sandbox.issue({ locationId })).refreshToken
      for (const refreshToken of [one, other]) {
        yield* oauth.importRefreshToken(account, refreshToken)
        yield* oauth.token(account)
      }
      const before = yield* stored()
      // A deployment that is rolled back, a line break in an environment value.
      yield* oauth.importRefreshToken(account, one)
      yield* oauth.importRefreshToken(account, Redacted.make(`${Redacted.value(other)}\n`))
      assert.strictEqual(yield* stored(), before)
      for (const none of [Redacted.make(" "), "not redacted" as unknown as Redacted.Redacted]) {
        const error = yield* Effect.flip(oauth.importRefreshToken(account, none))
        assert.deepStrictEqual([error.reason, error.messages.length], ["Refused", 1])
      }
      assert.strictEqual(yield* stored(), before)
    }).pipe(Effect.provide(Helper.layer()))
  )
})

describe("many locations", () => {
  it.effect("are opened by their first request, read once, and closed when idle", () => {
    const { hooks, layer } = steered()
    return Effect.gen(function* () {
      yield* connect()
      yield* star
      const gets = hooks.gets
      yield* TestClock.adjust("9 seconds")
      yield* star
      assert.strictEqual(hooks.gets, gets)
      yield* TestClock.adjust("11 seconds")
      yield* star
      assert.strictEqual(hooks.gets, gets + 1)
    }).pipe(Effect.provide(Helper.layer({ store: layer, oauth: { idleTimeToLive: "10 seconds" } })))
  })

  it.effect("each have their own token, and their quota is the app's", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      for (const location of ["one", "two"]) {
        yield* sandbox.seed({ id: `in ${location}`, locationId: location })
        yield* connect({ locationId: location })
        yield* Conversations.update({ conversationId: `in ${location}`, locationId: location, starred: true })
      }
      assert.strictEqual(new Set((yield* updates).map(bearerOf)).size, 2)
      assert.strictEqual((yield* AccessToken.AccessToken).app, "sandbox-app")
    }).pipe(Effect.provide(Helper.layer()))
  )

  it.effect("whose stored text is something else are Refused, not forgotten", () =>
    Effect.gen(function* () {
      const store = yield* TokenStore.TokenStore
      yield* store.replace(`sandbox-app:location:${locationId}`, Option.none(), Redacted.make("not ours"))
      const error = yield* Effect.flip(star)
      assert(error._tag === "TokenUnavailable")
      assert.strictEqual(error.reason, "Refused")
      assert.strictEqual(yield* stored(), "not ours")
    }).pipe(Effect.provide(Helper.layer()))
  )
})

describe("options", () => {
  const make = (options: Partial<OAuth.Options>) =>
    OAuth.make({ ...Sandbox.defaultApp, ...options }).pipe(
      Effect.scoped,
      Effect.provide(TokenStore.layerMemory),
      Effect.provideService(
        HttpClient.HttpClient,
        HttpClient.make(() => Effect.never)
      )
    )

  it.effect.each([
    ["clientId", { clientId: "" }],
    ["clientSecret", { clientSecret: Redacted.make(" ") }],
    ["baseUrl", { baseUrl: "http://example.com" }],
    ["refreshBefore", { refreshBefore: 0 }],
    ["lease", { lease: "6 seconds", attemptTimeout: "6 seconds" }],
    ["lease", { lease: "Infinity" }],
    ["lease", { lease: "21 seconds" }],
    ["attemptTimeout", { attemptTimeout: "13 seconds", lease: "15 seconds" }],
    ["maxWait", { maxWait: -1 }]
  ] as const)("that cannot work are named: %s", ([option, options]) =>
    Effect.gen(function* () {
      assert.strictEqual((yield* Effect.flip(make(options))).option, option)
    })
  )

  it.effect("plain HTTP to another machine is an option of its own", () =>
    Effect.gen(function* () {
      const baseUrl = "http://sandbox:4010"
      const { option } = yield* Effect.flip(make({ baseUrl, allowInsecureHttp: false }))
      assert.strictEqual(option, "baseUrl")
      yield* make({ baseUrl, allowInsecureHttp: true })
    })
  )
})
