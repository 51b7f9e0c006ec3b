import { assert, describe, it } from "@effect/vitest"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { AccessToken, Conversations, HighLevelClient, RateLimiter } from "effect-highlevel"
import { answering, ids, token } from "./harness.ts"

const ok = JSON.stringify({ success: true, conversation: {} })
const invalidToken = JSON.stringify({ message: "Invalid JWT" })

const updateWith = (
  tokens: Layer.Layer<AccessToken.AccessToken, unknown>,
  http: ReturnType<typeof answering>,
  options?: HighLevelClient.Options
) =>
  Conversations.update(ids).pipe(
    Effect.provide(HighLevelClient.layer(options).pipe(Layer.provide([tokens, http.layer])))
  )

const one = (token: Redacted.Redacted) => Layer.effect(AccessToken.AccessToken, AccessToken.make({ token }))

describe("a static token", () => {
  it.effect("is trimmed and sent for every location", () =>
    Effect.gen(function* () {
      const http = answering(200, ok)
      yield* updateWith(one(Redacted.make(`  ${token}\r\n`)), http)
      assert.strictEqual(http.requests[0]?.headers["authorization"], `Bearer ${token}`)
    })
  )

  it.effect("has a rate limit of its own, or that of the app that the client names", () =>
    Effect.gen(function* () {
      const apps: Array<string> = []
      const rateLimiter = Layer.succeed(RateLimiter.RateLimiter, {
        ...RateLimiter.unlimited,
        acquire: (bucket, options) => {
          apps.push(bucket.app)
          return RateLimiter.unlimited.acquire(bucket, options)
        }
      })
      const update = (text: string, options?: HighLevelClient.Options) =>
        Effect.provide(updateWith(one(Redacted.make(text)), answering(200, ok), options), rateLimiter)
      yield* update(token)
      yield* update(token)
      yield* update("another-token")
      yield* update(token, { app: "app" })
      const [first, second, other, named] = apps
      assert.match(String(first), /^token-\d+$/)
      assert.strictEqual(second, first)
      assert.match(String(other), /^token-\d+$/)
      assert.notStrictEqual(other, first)
      assert.strictEqual(named, "app")
    })
  )

  it.effect("comes from a variable of the environment", () =>
    Effect.gen(function* () {
      const http = answering(200, ok)
      const environment = ConfigProvider.layer(ConfigProvider.fromEnv({ env: { HIGHLEVEL_TOKEN: `${token}\n` } }))
      yield* Conversations.update(ids).pipe(
        Effect.provide(
          HighLevelClient.layerConfig({ token: Config.Redacted("HIGHLEVEL_TOKEN") }).pipe(
            Layer.provide([environment, http.layer])
          )
        )
      )
      assert.strictEqual(http.requests[0]?.headers["authorization"], `Bearer ${token}`)
    })
  )

  it.effect("that cannot be one is an InvalidOptions, and a refused one is final", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(AccessToken.make({ token: Redacted.make("two words") }))
      assert.strictEqual(error.option, "token")
      const http = answering(401, invalidToken)
      const refused = yield* Effect.flip(updateWith(one(Redacted.make(token)), http))
      assert.propertyVal(refused, "_tag", "Unauthorized")
      assert.strictEqual(http.requests.length, 1)
    })
  )
})

describe("a token of your own", () => {
  const own = (service: Partial<AccessToken.Service>) =>
    Layer.succeed(AccessToken.AccessToken, { app: "app", get: () => Effect.succeed(Redacted.make(token)), ...service })

  it.effect("is asked for before each attempt, and told what was refused, once a call", () =>
    Effect.gen(function* () {
      const http = answering(401, invalidToken)
      const told: Array<string> = []
      let given = 0
      const error = yield* Effect.flip(
        updateWith(
          own({
            get: (locationId) => Effect.sync(() => Redacted.make(`${locationId}-${++given}`)),
            renew: (locationId, refused) =>
              Effect.sync(() => {
                told.push(`${locationId}: ${Redacted.value(refused)}`)
                return true
              })
          }),
          http
        )
      )
      assert.propertyVal(error, "_tag", "Unauthorized")
      assert.propertyVal(error, "attempts", 2)
      assert.deepStrictEqual(told, [`${ids.locationId}: ${ids.locationId}-1`])
      assert.deepStrictEqual(
        http.requests.map(({ headers }) => headers["authorization"]),
        [`Bearer ${ids.locationId}-1`, `Bearer ${ids.locationId}-2`]
      )
    })
  )

  it.effect("is not used again where there is no other", () =>
    Effect.gen(function* () {
      const http = answering(401, invalidToken)
      yield* Effect.flip(updateWith(own({ renew: () => Effect.succeed(false) }), http))
      assert.strictEqual(http.requests.length, 1)
    })
  )

  it.effect("that is not there is an error of the update, and its place in the quota is free", () =>
    Effect.gen(function* () {
      const http = answering(200, ok)
      let isThere = false
      const tokens = own({
        get: () =>
          isThere
            ? Effect.succeed(Redacted.make(token))
            : Effect.fail(new AccessToken.AccessTokenError({ reason: "Refused", messages: ["the vault is closed"] }))
      })
      const program = Effect.gen(function* () {
        const error = yield* Effect.flip(Conversations.update(ids))
        assert(error._tag === "TokenUnavailable")
        assert.deepStrictEqual([error.reason, error.messages, error.attempts], ["Refused", ["the vault is closed"], 0])
        isThere = true
        yield* Conversations.update(ids)
      })
      yield* program.pipe(Effect.provide(HighLevelClient.layer().pipe(Layer.provide([tokens, http.layer]))))
      assert.strictEqual(http.requests.length, 1)
    })
  )

  it.effect("that cannot stand in a header is refused without repeating it", () =>
    Effect.gen(function* () {
      const http = answering(200, ok)
      const error = yield* Effect.flip(updateWith(own({ get: () => Effect.succeed(Redacted.make("tökén\n")) }), http))
      assert.propertyVal(error, "_tag", "TokenUnavailable")
      assert.notInclude(String(error), "tökén")
      assert.strictEqual(http.requests.length, 0)
    })
  )
})
