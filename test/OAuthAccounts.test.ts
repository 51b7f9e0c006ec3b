import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import { Conversations, HighLevelClient, OAuth, TokenStore } from "effect-highlevel"
import { Sandbox } from "effect-highlevel/testing"
import { running } from "./harness.ts"
import * as Helper from "./oauth.ts"
import { bearerOf, connect, exchanges, locationId, refreshes, star, steered, stored, updates } from "./oauth.ts"

describe("an agency", () => {
  const companyId = "sandbox-company"
  it.effect("has its token exchanged once for each location, and again before it expires", () =>
    Effect.gen(function* () {
      const connected = yield* connect({ companyId }, "Company")
      assert(connected.userType === "Company")
      assert.strictEqual(connected.companyId, companyId)
      const sandbox = yield* Sandbox.Sandbox
      yield* sandbox.seed({ id: "in two", locationId: "two" })
      yield* running(
        Effect.all(
          Array.from({ length: 20 }, () => star),
          { concurrency: "unbounded" }
        )
      )
      yield* Conversations.update({ conversationId: "in two", locationId: "two", starred: true })
      assert.deepStrictEqual(
        (yield* exchanges).map(({ body, headers }) => [body, headers["version"]]),
        [
          [`companyId=${companyId}&locationId=${locationId}`, "2021-07-28"],
          [`companyId=${companyId}&locationId=two`, "2021-07-28"]
        ]
      )
      yield* TestClock.adjust("1 day")
      yield* star
      assert.strictEqual((yield* exchanges).length, 3)
      assert.strictEqual((yield* refreshes).length, 1)
    }).pipe(Effect.provide(Helper.layer()))
  )

  it.effect("refreshes its own token where that is refused, and a location's is exchanged again", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const store = yield* TokenStore.TokenStore
      yield* connect({ companyId }, "Company")
      yield* star
      yield* TestClock.adjust("1 hour")
      const text = Option.getOrThrow(yield* store.get(`sandbox-app:company:${companyId}`))
      yield* sandbox.revoke(JSON.parse(Redacted.value(text)).tokens.accessToken)
      yield* sandbox.revoke(String(bearerOf((yield* updates)[0])).replace("Bearer ", ""))
      yield* star
      assert.deepStrictEqual(
        (yield* updates).map(({ status }) => status),
        [200, 401, 200]
      )
      assert.deepStrictEqual(
        (yield* exchanges).map(({ status }) => status),
        [200, 401, 200]
      )
      assert.strictEqual((yield* refreshes).length, 1)
    }).pipe(Effect.provide(Helper.layer()))
  )

  it.effect("is not refreshed for what is no 401, whatever its words", () =>
    Effect.gen(function* () {
      const paths: Array<string> = []
      const server = Layer.succeed(
        HttpClient.HttpClient,
        HttpClient.make((request) =>
          Effect.sync(() => {
            const { pathname } = new URL(request.url)
            paths.push(pathname)
            const response =
              pathname === "/oauth/token"
                ? new Response(JSON.stringify({ access_token: "agency", refresh_token: "next", expires_in: 86_399 }))
                : new Response(JSON.stringify({ message: "Invalid token" }), { status: 400 })
            return HttpClientResponse.fromWeb(request, response)
          })
        )
      )
      yield* Effect.gen(function* () {
        const oauth = yield* OAuth.OAuth
        yield* oauth.importRefreshToken({ companyId }, Redacted.make("refresh"))
        yield* oauth.token({ companyId })
        yield* TestClock.adjust("1 hour")
        yield* oauth.addLocation({ companyId, locationId })
        const error = yield* Effect.flip(oauth.token({ locationId }))
        assert.deepStrictEqual([error.reason, error.status], ["Refused", 400])
      }).pipe(
        Effect.provide(
          OAuth.layer(Sandbox.defaultApp).pipe(Layer.provide(server), Layer.provide(TokenStore.layerMemory))
        )
      )
      assert.deepStrictEqual(paths, ["/oauth/token", "/oauth/locationToken"])
    })
  )

  it.effect("with an inactive location, or a sub-account's token, says so", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const oauth = yield* OAuth.OAuth
      yield* connect({ userType: "Company", companyId, locationIds: [locationId] })
      yield* sandbox.deactivate(locationId)
      yield* oauth.addLocation({ companyId, locationId })
      const error = yield* Effect.flip(star)
      assert(error._tag === "TokenUnavailable")
      assert.deepStrictEqual(error.messages, ["Location is not active"])
      const { refreshToken } = yield* sandbox.issue({ companyId: "other", locationId: "two" })
      yield* oauth.importRefreshToken({ companyId: "other" }, refreshToken)
      yield* oauth.addLocation({ companyId: "other", locationId: "two" })
      const refused = yield* Effect.flip(oauth.token({ locationId: "two" }))
      assert.strictEqual(refused.reason, "Refused")
      assert.include(refused.messages[0], "authClass")
    }).pipe(Effect.provide(Helper.layer()))
  )
})

describe("a location without a record", () => {
  const companyId = "sandbox-company"

  it.effect("is served by the agency that has it, found by its first request, and by no other", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const oauth = yield* OAuth.OAuth
      const error = yield* Effect.flip(star)
      assert.deepStrictEqual([error._tag, (yield* sandbox.requests).length], ["ReconnectRequired", 0])
      yield* TestClock.adjust("1 second")
      for (const [id, locationIds] of [
        ["first", []],
        ["second", [locationId]]
      ] as const) {
        yield* sandbox.install({ companyId: id, locationIds })
        const { refreshToken } = yield* sandbox.issue({ userType: "Company", companyId: id })
        yield* oauth.importRefreshToken({ companyId: id }, refreshToken)
      }
      yield* star
      assert.strictEqual(JSON.parse(yield* stored()).agency, "second")
      assert.isTrue(yield* oauth.isConnected({ locationId }))
    }).pipe(Effect.provide(Helper.layer()))
  )

  it.effect("that no agency has says what each of them answered", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* connect({ userType: "Company", companyId, locationIds: [] })
      const error = yield* Effect.flip(star)
      assert(error._tag === "ReconnectRequired")
      const [missing, refusal] = error.messages
      assert.strictEqual(missing, `no tokens are stored for sandbox-app:location:${locationId}`)
      assert.include(refusal, `agency ${companyId}: Refused: `)
      yield* TestClock.adjust("1 second")
      yield* sandbox.fault({ kind: "disconnect", operation: "locationToken" })
      assert.strictEqual((yield* Effect.flip(star))._tag, "TokenUnavailable")
    }).pipe(Effect.provide(Helper.layer()))
  )
})

describe("an account that is disconnected", () => {
  const companyId = "sandbox-company"
  const account = { locationId }

  it.effect("is gone, and comes back only by reconnecting", () =>
    Effect.gen(function* () {
      const oauth = yield* OAuth.OAuth
      yield* connect()
      yield* star
      assert.isTrue(yield* oauth.isConnected(account))
      yield* oauth.disconnect(account)
      assert.deepStrictEqual([yield* oauth.isConnected(account), yield* stored()], [false, ""])
      assert.strictEqual((yield* Effect.flip(star))._tag, "ReconnectRequired")
      assert.strictEqual((yield* updates).length, 1)
      yield* TestClock.adjust("1 second")
      yield* connect()
      yield* star
      // What was never connected is disconnected without an error.
      yield* oauth.disconnect({ companyId: "other" })
    }).pipe(Effect.provide(Helper.layer()))
  )

  it.effect("in the middle of a refresh is not brought back by it", () => {
    const { hooks, layer } = steered()
    return Effect.gen(function* () {
      const oauth = yield* OAuth.OAuth
      yield* connect()
      yield* TestClock.adjust("1 day")
      hooks.before = (next) => (next.includes("claim") ? Effect.void : Effect.ignore(oauth.disconnect(account)))
      const error = yield* running(Effect.flip(star))
      assert.strictEqual(error._tag, "ReconnectRequired")
      assert.strictEqual((yield* refreshes).length, 1)
      assert.strictEqual(yield* stored(), "")
    }).pipe(Effect.provide(Helper.layer({ store: layer })))
  })

  it.effect("although its agency is connected stays so until the agency installs the app again", () =>
    Effect.gen(function* () {
      const oauth = yield* OAuth.OAuth
      yield* connect({ companyId }, "Company")
      yield* star
      yield* oauth.disconnect(account)
      assert.notInclude(yield* stored(), "Token")
      assert.strictEqual((yield* Effect.flip(star))._tag, "ReconnectRequired")
      assert.isFalse(yield* oauth.isConnected(account))
      yield* oauth.addLocation({ companyId, locationId })
      yield* star
      assert.strictEqual((yield* updates).length, 2)
    }).pipe(Effect.provide(Helper.layer()))
  )

  it.effect("as an agency takes the locations with it that it serves, and no others", () =>
    Effect.gen(function* () {
      const oauth = yield* OAuth.OAuth
      const sandbox = yield* Sandbox.Sandbox
      yield* sandbox.seed({ id: "in own", locationId: "own" })
      yield* connect({ locationId: "own" })
      yield* connect({ companyId }, "Company")
      yield* star
      yield* oauth.disconnect({ companyId })
      assert.strictEqual((yield* Effect.flip(star))._tag, "ReconnectRequired")
      yield* Conversations.update({ conversationId: "in own", locationId: "own", starred: true })
      const left = yield* Stream.runCollect(oauth.list)
      assert.deepStrictEqual(
        left.map(({ userType }) => userType),
        ["Location"]
      )
    }).pipe(Effect.provide(Helper.layer()))
  )
})

describe("the accounts", () => {
  it.effect("are listed with their agency and scopes, without their tokens, and of this app only", () =>
    Effect.gen(function* () {
      const oauth = yield* OAuth.OAuth
      const store = yield* TokenStore.TokenStore
      yield* connect({ locationId: "own" })
      yield* connect({ companyId: "sandbox-company" }, "Company")
      yield* star
      yield* store.replace("other-app:location:theirs", Option.none(), Redacted.make("{}"))
      const scopes = ["conversations.readonly", "conversations.write"]
      const fields = { userId: "sandbox-user", scopes }
      const accounts = yield* Stream.runCollect(oauth.list)
      assert.sameDeepMembers(accounts, [
        { userType: "Company", companyId: "sandbox-company", ...fields },
        { userType: "Location", locationId: "own", companyId: "sandbox-company", ...fields },
        { userType: "Location", locationId, companyId: "sandbox-company", ...fields }
      ])
    }).pipe(Effect.provide(Helper.layer()))
  )
})

describe("a redirect without a state", () => {
  const callback = Effect.gen(function* () {
    const oauth = yield* OAuth.OAuth
    const sandbox = yield* Sandbox.Sandbox
    const { url } = yield* oauth.authorizationUrl({ redirectUri: "https://app.example/callback" })
    const { code } = yield* sandbox.approve(url)
    return { code }
  })

  it.effect("is accepted where the app asks for it, and this browser began nothing", () =>
    Effect.gen(function* () {
      const oauth = yield* OAuth.OAuth
      const options = { redirectUri: "https://app.example/callback", allowMissingState: true }
      const began = yield* Effect.flip(
        oauth.exchangeCode(yield* callback, { ...options, state: Redacted.make("mine") })
      )
      assert.strictEqual(began.reason, "StateMismatch")
      const withState = { ...(yield* callback), state: "theirs" }
      const foreign = yield* Effect.flip(oauth.exchangeCode(withState, { ...options, state: undefined }))
      assert.strictEqual(foreign.reason, "StateMismatch")
      const byDefault = yield* Effect.flip(
        oauth.exchangeCode(yield* callback, { ...options, allowMissingState: false, state: undefined })
      )
      assert.strictEqual(byDefault.reason, "StateMismatch")
      const connected = yield* oauth.exchangeCode(yield* callback, { ...options, state: undefined })
      assert.strictEqual(connected.userType, "Location")
    }).pipe(Effect.provide(Helper.layer()))
  )
})

describe("the server", () => {
  it.effect.each([
    ["HighLevelClient.layer and OAuth.layerConfig", HighLevelClient.layer()],
    ["HighLevelClient.layerConfig and OAuth.layerConfig", HighLevelClient.layerConfig()]
  ] as const)("of HIGHLEVEL_BASE_URL gets every request: %s", ([, client]) =>
    Effect.gen(function* () {
      const urls: Array<string> = []
      const httpClient = Layer.effect(
        HttpClient.HttpClient,
        Effect.map(HttpClient.HttpClient, (sandbox) =>
          HttpClient.mapRequest(sandbox, (request) => {
            urls.push(request.url)
            return request
          })
        )
      ).pipe(Layer.provideMerge(Sandbox.layer()))
      const env = {
        HIGHLEVEL_BASE_URL: "https://mock.example",
        HIGHLEVEL_API_VERSION: "v3",
        HIGHLEVEL_CLIENT_ID: "sandbox-app",
        HIGHLEVEL_CLIENT_SECRET: "sandbox-secret"
      }
      const HighLevel = client.pipe(
        Layer.provideMerge(OAuth.layerConfig()),
        Layer.provide(TokenStore.layerMemory),
        Layer.provideMerge(httpClient),
        Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env })))
      )
      yield* Effect.gen(function* () {
        const oauth = yield* OAuth.OAuth
        const { url } = yield* oauth.authorizationUrl({ redirectUri: "https://app.example" })
        yield* connect()
        yield* star
        urls.push(url)
      }).pipe(Effect.provide(HighLevel))
      assert.deepStrictEqual(
        urls.map((url) => new URL(url).origin),
        Array.from({ length: 3 }, () => "https://mock.example")
      )
    })
  )
})
