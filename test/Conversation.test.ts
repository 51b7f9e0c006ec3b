import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Conversation, UpdateConversation } from "effect-highlevel"

const decode = Schema.decodeUnknownEffect(Conversation.Conversation)
const encode = Schema.encodeEffect(Conversation.Conversation)
const decodeAnswer = Schema.decodeUnknownEffect(UpdateConversation.UpdateConversationResponse)

/** The only public recording of this PUT, 2026-07-17, `Version: 2021-07-28`. */
const recorded = {
  success: true,
  conversation: {
    id: "cJTzny9zF2D5MnfWoZs2",
    dateAdded: "2026-07-17T10:22:59.598Z",
    deleted: false,
    contactId: "VVUvxxxxxxxxxxxxxxxx",
    locationId: "AYg6xxxxxxxxxxxxxxxx",
    lastMessageDate: "2026-07-17T10:22:59.598Z",
    lastMessageType: 100,
    dateUpdated: "2026-07-17T10:27:00.165Z",
    starred: true
  },
  traceId: "aba78b1f-85b0-44ef-a80c-d551769dfbbd"
}

describe("the answer recorded live", () => {
  it.effect("decodes, unknown fields and traceId included", () =>
    Effect.gen(function* () {
      const { conversation, success, traceId } = yield* decodeAnswer(recorded)
      assert.isTrue(success)
      assert.strictEqual(traceId, recorded.traceId)
      const { lastMessageDate, ...rest } = conversation
      const { lastMessageDate: wireDate, ...wireRest } = recorded.conversation
      assert.deepStrictEqual<unknown>(rest, wireRest)
      assert(lastMessageDate !== undefined && lastMessageDate !== null)
      assert.strictEqual(DateTime.formatIso(lastMessageDate), wireDate)
      assert.notProperty(conversation, "unrecognized")
    })
  )
})

describe("lastMessageDate", () => {
  it.effect.each([
    "1628008053263",
    1628008053263,
    "2021-08-03T16:27:33.263Z",
    "2021-08-03T18:27:33.263+02:00",
    "2021-08-03T16:27:33.263",
    { seconds: 1628008053, nanoseconds: 263000000 },
    { _seconds: 1628008053, _nanoseconds: 263000000 }
  ])("reads %j as one UTC date", (wire) =>
    Effect.gen(function* () {
      const { lastMessageDate } = yield* decode({ lastMessageDate: wire })
      assert(lastMessageDate !== undefined && lastMessageDate !== null)
      assert.strictEqual(DateTime.toEpochMillis(lastMessageDate), 1628008053263)
      assert.isTrue(DateTime.isUtc(lastMessageDate))
    })
  )

  it.effect.each(["yesterday", "", "March", 1e300, { seconds: "1" }, true, [1]])("keeps %j as it came", (wire) =>
    Effect.gen(function* () {
      const conversation = yield* decode({ lastMessageDate: wire })
      assert.deepStrictEqual<unknown>(conversation, { unrecognized: { lastMessageDate: wire } })
    })
  )

  it.effect("is written as documented", () =>
    Effect.gen(function* () {
      const conversation = yield* decode({ lastMessageDate: "2021-08-03T16:27:33.263Z" })
      assert.deepStrictEqual<unknown>(yield* encode(conversation), { lastMessageDate: "1628008053263" })
    })
  )
})

describe("lastMessageType", () => {
  it("has the 35 documented members, each once", () => {
    assert.strictEqual(new Set(Conversation.documentedMessageTypes).size, 35)
  })

  it.effect.each([...Conversation.documentedMessageTypes, "TYPE_NO_SHOW", "TYPE_RCS", 100, 1])("reads %s", (type) =>
    Effect.gen(function* () {
      assert.deepStrictEqual<unknown>(yield* decode({ lastMessageType: type }), { lastMessageType: type })
    })
  )
})

describe("an odd document", () => {
  const fields = Object.keys({ ...recorded.conversation, unreadCount: 0, inbox: true, assignedTo: "", userId: "" })

  it.effect.each(fields)("may have %s missing or null", (field) =>
    Effect.gen(function* () {
      assert.deepStrictEqual<unknown>(yield* decode({ [field]: null }), { [field]: null })
      assert.deepStrictEqual<unknown>(yield* decode({}), {})
    })
  )

  it.effect("keeps odd values apart and the rest readable", () =>
    Effect.gen(function* () {
      const wire = { id: 7, starred: "yes", unreadCount: "3", inbox: true, tags: ["a"], unrecognized: 1 }
      const conversation = yield* decode(wire)
      assert.deepStrictEqual<unknown>(conversation, {
        inbox: true,
        tags: ["a"],
        unrecognized: { id: 7, starred: "yes", unreadCount: "3", unrecognized: 1 }
      })
      assert.deepStrictEqual<unknown>(yield* encode(conversation), wire)
    })
  )

  it.effect("loses no key, not even __proto__", () =>
    Effect.gen(function* () {
      const wire: unknown = JSON.parse(`{"id":7,"__proto__":{"polluted":true},"constructor":"c"}`)
      const conversation = yield* decode(wire)
      assert.strictEqual(
        JSON.stringify(yield* encode(conversation)),
        `{"id":7,"__proto__":{"polluted":true},"constructor":"c"}`
      )
    })
  )

  it.effect.prop("any JSON object survives reading and writing", [Schema.JsonObject], ([wire]) =>
    Effect.gen(function* () {
      const { lastMessageDate: _, ...rest } = wire
      const written = yield* Effect.flatMap(decode(rest), encode)
      assert.isTrue(Schema.toEquivalence(Schema.Record(Schema.String, Schema.Unknown))(written, rest))
    })
  )
})
