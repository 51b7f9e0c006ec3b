/**
 * The test suite of an application: HighLevel is a layer, so a test swaps in the
 * sandbox and lets go wrong what it wants to see. No socket, no account, no waiting.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/testing/TestClock"
import { Conversations, HighLevelClient, HighLevelError } from "effect-highlevel"
import { Sandbox } from "effect-highlevel/testing"

const locationId = "ve9EPM428h8vShlRW1KT"

// The application: what it calls a conversation that was dealt with.
class Inbox extends Context.Service<
  Inbox,
  { readonly close: (conversationId: string) => Effect.Effect<"closed" | "reconnect" | "later"> }
>()("app/Inbox") {
  static readonly layer = Layer.effect(
    Inbox,
    Effect.gen(function* () {
      const client = yield* HighLevelClient.HighLevelClient
      return {
        close: (conversationId) =>
          Conversations.update({ conversationId, locationId, unreadCount: 0, starred: false }).pipe(
            Effect.provideService(HighLevelClient.HighLevelClient, client),
            Effect.as("closed" as const),
            Effect.catchTag("UnreadableResponse", () => Effect.succeed("closed" as const)),
            Effect.catchIf(HighLevelError.isConfiguration, () => Effect.succeed("reconnect" as const)),
            Effect.catch((error) => Effect.as(Effect.logWarning(error.message), "later" as const))
          )
      }
    })
  )
}

// In the application the token comes from its configuration, and the HttpClient is fetch.
const InboxTest = Inbox.layer.pipe(
  Layer.provide(HighLevelClient.layer({ token: Redacted.make(Sandbox.defaultToken) })),
  Layer.provideMerge(Sandbox.layer({ conversations: [{ id: "open", locationId, unreadCount: 3, starred: true }] }))
)

describe("Inbox.close", () => {
  it.effect("marks the conversation read and takes its star", () =>
    Effect.gen(function* () {
      const inbox = yield* Inbox
      const sandbox = yield* Sandbox.Sandbox
      assert.strictEqual(yield* inbox.close("open"), "closed")
      const { starred, unreadCount } = Option.getOrThrow(yield* sandbox.conversation("open"))
      assert.deepStrictEqual([starred, unreadCount], [false, 0])
    }).pipe(Effect.provide(InboxTest))
  )

  it.effect("asks to reconnect when HighLevel refuses the token", () =>
    Effect.gen(function* () {
      const inbox = yield* Inbox
      const sandbox = yield* Sandbox.Sandbox
      yield* sandbox.refuse({ status: 401 })
      assert.strictEqual(yield* inbox.close("open"), "reconnect")
      assert.deepStrictEqual(yield* sandbox.applied, [])
    }).pipe(Effect.provide(InboxTest))
  )

  it.effect("counts a closed conversation as closed when only the receipt is lost", () =>
    Effect.gen(function* () {
      const inbox = yield* Inbox
      const sandbox = yield* Sandbox.Sandbox
      yield* sandbox.fault({ kind: "empty-body" })
      assert.strictEqual(yield* inbox.close("open"), "closed")
      assert.strictEqual((yield* sandbox.applied).length, 1)
    }).pipe(Effect.provide(InboxTest))
  )

  it.effect("waits as long as HighLevel says, on a clock that the test moves", () =>
    Effect.gen(function* () {
      const inbox = yield* Inbox
      const sandbox = yield* Sandbox.Sandbox
      yield* sandbox.refuse({ status: 429, headers: { "retry-after": "30" } })
      const closing = yield* Effect.forkChild(inbox.close("open"))
      yield* TestClock.adjust("29 seconds")
      assert.strictEqual((yield* sandbox.requests).length, 1)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(closing), "closed")
      assert.strictEqual((yield* sandbox.requests).length, 2)
    }).pipe(Effect.provide(InboxTest))
  )
})
