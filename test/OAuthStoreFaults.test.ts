/** A store that fails once, at any of its calls and in any way: no customer is lost, and no token is another's. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { Conversations, OAuth, TokenStore } from "effect-highlevel"
import { Sandbox } from "effect-highlevel/testing"
import * as Harness from "./harness.ts"
import * as Helper from "./oauth.ts"
import { connect, locationId, star } from "./oauth.ts"

// What is waited for here are seconds.
const running = <A, E, R>(effect: Effect.Effect<A, E, R>) => Harness.running(effect, "500 millis")

type Fault = <A>(call: Effect.Effect<A, TokenStore.TokenStoreError>) => Effect.Effect<A, TokenStore.TokenStoreError>

const outage = Effect.fail(new TokenStore.TokenStoreError({ cause: new Error("an outage") }))
const faults: ReadonlyArray<readonly [string, Fault]> = [
  ["fails before", () => outage],
  ["fails after", (call) => Effect.andThen(call, outage)],
  ["throws", () => Effect.die("a defect")],
  ["hangs before", () => Effect.never],
  ["hangs after", (call) => Effect.andThen(call, Effect.never)],
  ["is late", (call) => Effect.andThen(Effect.sleep("15 seconds"), call)],
  ["is slow", (call) => Effect.andThen(Effect.sleep("8 seconds"), call)]
]

/** A store of which one call, counted from the end of the first connection, has a fault. */
const faulty = (at: number, fault: Fault) => {
  const state = { calls: Number.NEGATIVE_INFINITY }
  const once: Fault = (call) => Effect.suspend(() => (state.calls++ === at ? fault(call) : call))
  const layer = Layer.effect(
    TokenStore.TokenStore,
    Effect.map(TokenStore.makeMemory, ({ get, list, remove, replace }) => ({
      list,
      get: (key) => once(get(key)),
      replace: (key, current, next) => once(replace(key, current, next)),
      remove: (key, current) => once(remove(key, current))
    }))
  )
  return { layer, state }
}

// At once: a clock that is moved waits a second of real time for a fiber that it finds busy.
describe.concurrent.each(faults)("a store that %s", { timeout: 30_000 }, (_, fault) => {
  it.effect("once while tokens are renewed loses none", () =>
    Effect.gen(function* () {
      for (let at = 0; ; at++) {
        const { layer, state } = faulty(at, fault)
        let calls = 0
        yield* Effect.gen(function* () {
          const sandbox = yield* Sandbox.Sandbox
          yield* sandbox.seed({ id: "in own", locationId: "own" })
          yield* connect({ userType: "Company", companyId: "sandbox-company", locationIds: [locationId] }, "Company")
          yield* connect({ locationId: "own" })
          const update = Conversations.update({ conversationId: "in own", locationId: "own", starred: true })
          yield* running(star)
          yield* running(update)
          state.calls = 0
          for (let day = 0; day < 2; day++) {
            yield* TestClock.adjust("1 day")
            yield* running(Effect.all([Effect.exit(star), Effect.exit(update)], { concurrency: 2 }))
          }
          calls = state.calls
          state.calls = Number.NEGATIVE_INFINITY
          yield* TestClock.adjust("20 seconds")
          yield* running(star)
          yield* running(update)
          // A restart finds everything in the store.
          const restarted = yield* Layer.build(Layer.fresh(Helper.memoryOAuth()))
          yield* TestClock.adjust("1 day")
          yield* running(
            Effect.provide(
              OAuth.OAuth.use((oauth) => Effect.all([oauth.token({ locationId }), oauth.token({ locationId: "own" })])),
              restarted
            )
          )
        }).pipe(Effect.scoped, Effect.provide(Helper.layer({ store: layer })))
        if (calls > at) continue
        assert.isAbove(at, 10)
        return
      }
    })
  )
})
