/** Every way in which an app gets into an account, over sockets: what is stored, and whose token the next update uses. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import { Conversations, HighLevelClient, OAuth, TokenStore } from "effect-highlevel"
import { Sandbox } from "effect-highlevel/testing"
import { layerOAuth, layerSandbox } from "./oauth.ts"

const companyId = "sandbox-company"
const locations = ["one", "two", "three"]
const redirectUri = "https://app.example/callback"
const scopes = ["conversations.readonly", "conversations.write", "oauth.readonly", "oauth.write"]

const conversations = locations.map((locationId) => ({ id: `in ${locationId}`, locationId, unreadCount: 1 }))

const layer = Layer.unwrap(Effect.map(Sandbox.url, (baseUrl) => HighLevelClient.layer({ baseUrl, retry: false }))).pipe(
  Layer.provide(FetchHttpClient.layer),
  Layer.provideMerge(layerOAuth()),
  Layer.provideMerge(TokenStore.layerMemory),
  Layer.provideMerge(layerSandbox({ conversations }))
)

/** A customer follows our link, and chooses. */
const authorize = Effect.fnUntraced(function* (choice: Sandbox.Choice, asked: ReadonlyArray<string> = scopes) {
  const oauth = yield* OAuth.OAuth
  const sandbox = yield* Sandbox.Sandbox
  const { state, url } = yield* oauth.authorizationUrl({ redirectUri, scopes: asked })
  return yield* oauth.exchangeCode(yield* sandbox.approve(url, choice), { state, redirectUri })
})

const update = (locationId: string) =>
  Conversations.update({ conversationId: `in ${locationId}`, locationId, starred: true })

const outcome = (locationId: string) =>
  Effect.match(update(locationId), { onSuccess: () => "applied", onFailure: ({ _tag }) => _tag })

const Stored = Schema.Struct({
  agency: Schema.optionalKey(Schema.String),
  disconnected: Schema.optionalKey(Schema.Boolean),
  tokens: Schema.optionalKey(
    Schema.Struct({
      accessToken: Schema.String,
      refreshToken: Schema.optionalKey(Schema.String),
      scope: Schema.optionalKey(Schema.String)
    })
  )
})

/** What the store has: whose tokens, and of which agency they come. */
const stored = Effect.fnUntraced(function* (key: string) {
  const store = yield* TokenStore.TokenStore
  const text = yield* store.get(`sandbox-app:${key}`)
  if (Option.isNone(text)) return "nothing"
  const { agency, disconnected, tokens } = yield* Schema.decodeEffect(Schema.fromJsonString(Stored))(
    Redacted.value(text.value)
  )
  if (disconnected === true) return `disconnected of ${agency}`
  const what = tokens === undefined ? "no tokens yet" : tokens.refreshToken === undefined ? "access token" : "pair"
  return agency === undefined ? what : `${what} of ${agency}`
})

/** Whether the last update was sent with the token that is stored for a location. */
const isTokenUsed = Effect.fnUntraced(function* (locationId: string) {
  const sandbox = yield* Sandbox.Sandbox
  const oauth = yield* OAuth.OAuth
  const last = (yield* sandbox.requests).findLast(({ path }) => path.startsWith("/conversations/"))
  return last?.headers["authorization"] === `Bearer ${Redacted.value(yield* oauth.token({ locationId }))}`
})

describe("an app is installed", () => {
  it.live("from our page, by a location", () =>
    Effect.gen(function* () {
      const connected = yield* authorize({ locationId: "one" })
      assert.deepStrictEqual(connected, {
        userType: "Location",
        locationId: "one",
        companyId,
        userId: "sandbox-user",
        scopes
      })
      assert.strictEqual(yield* stored("location:one"), "pair")
      assert.deepStrictEqual([yield* outcome("one"), yield* outcome("two")], ["applied", "ReconnectRequired"])
      assert.isTrue(yield* isTokenUsed("one"))
    }).pipe(Effect.provide(layer))
  )

  it.live("from HighLevel's marketplace, where the redirect has no state", () =>
    Effect.gen(function* () {
      const oauth = yield* OAuth.OAuth
      const sandbox = yield* Sandbox.Sandbox
      const { url } = yield* oauth.authorizationUrl({ redirectUri, scopes })
      const callback = yield* sandbox.approve(url, { locationId: "one", fromMarketplace: true })
      assert.notProperty(callback, "state")
      const refused = yield* Effect.flip(oauth.exchangeCode(callback, { state: undefined }))
      assert.strictEqual(refused.reason, "StateMismatch")
      yield* oauth.exchangeCode(callback, { state: undefined, redirectUri, allowMissingState: true })
      assert.strictEqual(yield* stored("location:one"), "pair")
      assert.strictEqual(yield* outcome("one"), "applied")
    }).pipe(Effect.provide(layer))
  )

  it.live("by an agency, for all of its locations: one token, exchanged for each of them", () =>
    Effect.gen(function* () {
      const connected = yield* authorize({ userType: "Company", companyId })
      assert(connected.userType === "Company" && Result.isSuccess(connected.locations))
      assert.sameMembers(
        connected.locations.success.map(({ locationId }) => locationId),
        locations
      )
      assert.deepStrictEqual(
        [yield* stored(`company:${companyId}`), yield* stored("location:one")],
        ["pair", `no tokens yet of ${companyId}`]
      )
      for (const locationId of locations) assert.strictEqual(yield* outcome(locationId), "applied")
      assert.strictEqual(yield* stored("location:one"), `access token of ${companyId}`)
      assert.isTrue(yield* isTokenUsed("three"))
    }).pipe(Effect.provide(layer))
  )

  it.live("by an agency, for some of its locations, and no other is served", () =>
    Effect.gen(function* () {
      const connected = yield* authorize({ userType: "Company", companyId, locationIds: ["one", "two"] })
      assert(connected.userType === "Company" && Result.isSuccess(connected.locations))
      assert.strictEqual(connected.locations.success.length, 2)
      assert.deepStrictEqual(yield* Effect.forEach(locations, outcome), ["applied", "applied", "ReconnectRequired"])
    }).pipe(Effect.provide(layer))
  )

  it.live("in a location that an agency adds later, found by its first request", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* authorize({ userType: "Company", companyId, locationIds: ["one"] })
      assert.strictEqual(yield* outcome("two"), "ReconnectRequired")
      yield* sandbox.install({ companyId, locationIds: ["two"] })
      yield* Effect.sleep("1100 millis")
      assert.strictEqual(yield* outcome("two"), "applied")
      assert.strictEqual(yield* stored("location:two"), `access token of ${companyId}`)
    }).pipe(Effect.provide(layer))
  )

  it.live("again, after it was uninstalled", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const oauth = yield* OAuth.OAuth
      yield* authorize({ locationId: "one" })
      yield* sandbox.uninstall({ locationId: "one" })
      yield* oauth.disconnect({ locationId: "one" })
      assert.deepStrictEqual([yield* stored("location:one"), yield* outcome("one")], ["nothing", "ReconnectRequired"])
      yield* sandbox.install({ locationIds: ["one"] })
      yield* authorize({ locationId: "one" })
      assert.strictEqual(yield* outcome("one"), "applied")
      assert.isTrue(yield* isTokenUsed("one"))
    }).pipe(Effect.provide(layer))
  )

  it.live("with another scope: the new tokens take the place of the old ones", () =>
    Effect.gen(function* () {
      yield* authorize({ locationId: "one" }, ["conversations.readonly"])
      const error = yield* Effect.flip(update("one"))
      assert(error._tag === "Unauthorized")
      assert.strictEqual(error.reason, "MissingScope")
      const connected = yield* authorize({ locationId: "one" })
      assert.deepStrictEqual(connected.scopes, scopes)
      assert.strictEqual(yield* outcome("one"), "applied")
    }).pipe(Effect.provide(layer))
  )

  it.live("and deactivated: HighLevel's words are in the error, and nobody is asked to reconnect", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const oauth = yield* OAuth.OAuth
      const { refreshToken } = yield* sandbox.issue({ locationId: "one" })
      yield* oauth.importRefreshToken({ locationId: "one" }, refreshToken)
      yield* sandbox.deactivate("one")
      const error = yield* Effect.flip(update("one"))
      assert(error._tag === "TokenUnavailable")
      assert.deepStrictEqual(error.messages, ["Location is not active"])
      assert.isTrue(yield* oauth.isConnected({ locationId: "one" }))
    }).pipe(Effect.provide(layer))
  )
})
