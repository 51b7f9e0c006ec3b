/**
 * One app, many locations: each has a token of its own, and a quota of its own, so
 * that none delays the others. A location that was disconnected fails alone.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Array from "effect/Array"
import * as Console from "effect/Console"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { AccessToken, Bulk, HighLevelClient } from "effect-highlevel"
import { Sandbox } from "effect-highlevel/testing"

const locations = ["berlin", "london", "lisbon"]
const conversations = locations.flatMap((locationId) =>
  Array.makeBy(10, (index) => ({ id: `${locationId}-${index}`, locationId, unreadCount: 1 }))
)

// Where an application keeps its customers' tokens: a table, a vault. Here the sandbox issues them.
const Vault = Layer.effect(
  AccessToken.AccessToken,
  Effect.gen(function* () {
    const sandbox = yield* Sandbox.Sandbox
    const issued = yield* Effect.forEach(["berlin", "london"], (locationId) =>
      Effect.map(sandbox.issue({ locationId }), ({ accessToken }) => [locationId, accessToken] as const)
    )
    const tokens = new Map(issued)
    return {
      app: "my-oauth-client-id",
      get: (locationId) =>
        Effect.fromNullishOr(tokens.get(locationId)).pipe(
          Effect.mapError(
            () => new AccessToken.AccessTokenError({ reason: "ReconnectRequired", messages: ["not in the vault"] })
          )
        )
    }
  })
)

const program = Effect.gen(function* () {
  const sandbox = yield* Sandbox.Sandbox
  const updates = conversations.map(({ id, locationId }) => ({ conversationId: id, locationId, unreadCount: 0 }))
  const [duration, outcomes] = yield* Effect.timed(Stream.runCollect(Bulk.updateAll(Stream.fromIterable(updates))))

  for (const locationId of locations) {
    const own = outcomes.filter(({ update }) => update.locationId === locationId)
    const byResult = Array.groupBy(own, ({ _tag }) => _tag)
    const counts = Object.entries(byResult).map(([result, { length }]) => `${length} ${result}`)
    yield* Console.log(`${locationId}: ${counts.join(", ")}`)
  }
  const requests = yield* sandbox.requests
  const refused = requests.filter(({ status }) => status === 429).length
  const millis = Math.round(Duration.toMillis(duration))
  yield* Console.log(`${requests.length} requests in ${millis} ms, ${refused} of them over a quota`)
})

// Five requests per half a second, and that in each location.
const HighLevel = HighLevelClient.layer().pipe(
  Layer.provide(Vault),
  Layer.provideMerge(Sandbox.layer({ conversations, rateLimit: { max: 5, intervalMillis: 500 } }))
)

program.pipe(Effect.provide(HighLevel), NodeRuntime.runMain)
