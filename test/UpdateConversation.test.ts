import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { Conversations, UpdateConversation } from "effect-highlevel"
import { Sandbox } from "effect-highlevel/testing"
import { answering, ids, inMemory, updateOver } from "./harness.ts"

/** The library's types forbid most of these; JavaScript and a cast do not. */
const untyped = (input: unknown) => input as UpdateConversation.ConversationUpdate

const cyclic: Record<string, unknown> = {}
cyclic["self"] = cyclic

const nested = (depth: number): unknown => {
  let value: unknown = {}
  for (let level = 0; level < depth; level++) value = { value }
  return value
}

const refused: ReadonlyArray<readonly [input: unknown, field: string]> = [
  [{ ...ids, conversationId: "" }, "conversationId"],
  [{ ...ids, conversationId: "." }, "conversationId"],
  [{ ...ids, conversationId: ".." }, "conversationId"],
  [{ ...ids, conversationId: "a\nb" }, "conversationId"],
  [{ ...ids, conversationId: "a\u0000" }, "conversationId"],
  [{ ...ids, conversationId: "\ud800" }, "conversationId"],
  [{ ...ids, conversationId: 7 }, "conversationId"],
  [{ locationId: "l" }, "conversationId"],
  [{ ...ids, locationId: "" }, "locationId"],
  [{ ...ids, locationId: ".." }, "locationId"],
  [{ conversationId: "c" }, "locationId"],
  [{ ...ids, unreadCount: -1 }, "unreadCount"],
  [{ ...ids, unreadCount: 1.5 }, "unreadCount"],
  [{ ...ids, unreadCount: Number.NaN }, "unreadCount"],
  [{ ...ids, unreadCount: "1" }, "unreadCount"],
  [{ ...ids, unreadCount: undefined }, "unreadCount"],
  [{ ...ids, starred: "true" }, "starred"],
  [{ ...ids, starred: null }, "starred"],
  [{ ...ids, feedback: [] }, "feedback"],
  [{ ...ids, feedback: "fine" }, "feedback"],
  [{ ...ids, feedback: { at: new Date(0) } }, "feedback.at"],
  [{ ...ids, feedback: cyclic }, "feedback.self"],
  [{ ...ids, feedback: new Date(0) }, "feedback"],
  [{ ...ids, feedback: new Map([["rating", 5]]) }, "feedback"],
  [{ ...ids, lastMessageBody: "hello" }, "lastMessageBody"],
  [null, ""],
  ["tDtDnQdgm2LXpyiqYvZ6", ""]
]

describe("a request", () => {
  it.effect.each(refused)("%j is refused, naming the field, and nothing is sent", ([input, field]) =>
    Effect.gen(function* () {
      const { layer, requests } = answering(200, "{}")
      const error = yield* Effect.flip(updateOver(layer, untyped(input)))
      assert(error._tag === "InvalidRequest")
      assert.deepStrictEqual([...new Set(error.issues.map((issue) => issue.field))], [field])
      assert.lengthOf(requests, 0)
    })
  )

  it.effect("names every bad field at once", () =>
    Effect.gen(function* () {
      const { layer } = answering(200, "{}")
      const error = yield* Effect.flip(
        updateOver(layer, untyped({ conversationId: "..", locationId: "", unreadCount: -1, starred: 1 }))
      )
      assert(error._tag === "InvalidRequest")
      assert.deepStrictEqual(
        error.issues.map((issue) => issue.field),
        ["conversationId", "locationId", "unreadCount", "starred"]
      )
      assert.strictEqual(error.conversationId, "..")
    })
  )

  it.effect("too deep for JSON is refused, not a defect", () =>
    Effect.gen(function* () {
      const { layer, requests } = answering(200, "{}")
      const error = yield* Effect.flip(updateOver(layer, untyped({ ...ids, feedback: nested(100_000) })))
      // Newer engines, those of Node 26 and Deno, write any depth.
      assert.include(["InvalidRequest", "UnreadableResponse"], error._tag)
      assert.lengthOf(requests, error._tag === "InvalidRequest" ? 0 : 1)
    })
  )

  it.effect.each(["ok/../x y", "%2e%2e", "ä?#&", "-flag"])("id %j arrives intact, percent-encoded", (id) =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* sandbox.seed({ id, locationId: "location" })
      yield* Conversations.update({ conversationId: id, locationId: "location", starred: true })
      const [request] = yield* sandbox.requests
      assert.strictEqual(request?.path, `/conversations/${encodeURIComponent(id)}`)
      assert.strictEqual(request?.status, 200)
    }).pipe(Effect.provide(inMemory()))
  )

  it.effect.prop(
    "any valid update carries documented keys only and round-trips through the sandbox",
    [UpdateConversation.ConversationUpdate],
    ([update]) =>
      Effect.gen(function* () {
        const sandbox = yield* Sandbox.Sandbox
        yield* sandbox.reset
        yield* sandbox.seed({
          id: update.conversationId,
          locationId: update.locationId,
          unreadCount: 41,
          starred: false
        })
        // Each version has its own form of feedback, and refuses the other's.
        const version = typeof update.feedback === "string" ? "v3" : "2021-07-28"
        const { conversation } = yield* Conversations.update(update, { version })
        const [request] = yield* sandbox.requests
        const sent: unknown = JSON.parse(request?.body ?? "")
        const { conversationId: _, ...changes } = update
        const received = yield* Schema.decodeUnknownEffect(UpdateConversation.Changes, { onExcessProperty: "error" })(
          sent
        )
        assert.isTrue(Schema.toEquivalence(UpdateConversation.Changes)(received, changes))
        assert.strictEqual(conversation.unreadCount, (update.unreadCount ?? 41) + 0)
        assert.strictEqual(conversation.starred, update.starred ?? false)
        assert.strictEqual(conversation.id, update.conversationId)
      }).pipe(Effect.provide(inMemory().pipe(Layer.fresh)))
  )
})
