import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { assert, describe, expectTypeOf, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import { Conversations, HighLevelClient, HighLevelError } from "effect-highlevel"
import { Sandbox } from "effect-highlevel/testing"
import { answering, call, ids, inMemory, served } from "./harness.ts"

describe.each([
  ["in memory", inMemory],
  [
    "served, over fetch",
    (options?: Sandbox.Options) =>
      served(FetchHttpClient.layer, options).pipe(Layer.provideMerge(FetchHttpClient.layer))
  ],
  [
    "served, over undici",
    (options?: Sandbox.Options) =>
      served(NodeHttpClient.layerUndici, options).pipe(Layer.provideMerge(NodeHttpClient.layerUndici))
  ]
] as const)("a read %s", (_, sandbox) => {
  it.live("returns the conversation as documented, with what was updated", () =>
    Effect.gen(function* () {
      yield* Conversations.update({ ...ids, unreadCount: 7, starred: true })
      const conversation = yield* Conversations.get(ids)
      assert.deepStrictEqual(
        [conversation.id, conversation.unreadCount, conversation.starred],
        [ids.conversationId, 7, true]
      )
      const requests = yield* (yield* Sandbox.Sandbox).requests
      const { body, headers, method, path } = requests[1] ?? assert.fail()
      assert.deepStrictEqual([method, path, body], ["GET", `/conversations/${ids.conversationId}`, ""])
      assert.deepInclude({ ...headers }, { version: "2021-07-28", authorization: "Bearer sandbox-token" })
      assert.notProperty(headers, "content-type")
    }).pipe(Effect.provide(sandbox()))
  )

  it.live("reads what was observed live: another date, a numeric type, fields left out", () =>
    Effect.gen(function* () {
      const conversation = yield* Conversations.get(ids)
      assert.strictEqual(conversation.lastMessageType, 100)
      assert.strictEqual(DateTime.toEpochMillis(conversation.lastMessageDate ?? assert.fail()), 1_628_008_053_263)
      assert.notProperty(conversation, "inbox")
      assert.notProperty(conversation, "starred")
    }).pipe(Effect.provide(sandbox({ responses: "observed" })))
  )

  it.live("is refused as an update is", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const missing = yield* Effect.flip(Conversations.get({ ...ids, conversationId: "unknown" }))
      assert(missing._tag === "BadRequest")
      assert.deepStrictEqual([missing.operation, missing.reason], ["Conversations.get", "NotFound"])
      yield* sandbox.refuse({ operation: "get", status: 422 })
      assert.strictEqual((yield* Effect.flip(Conversations.get(ids)))._tag, "Unprocessable")
      yield* sandbox.revoke(Sandbox.defaultToken)
      assert.strictEqual((yield* Effect.flip(Conversations.get(ids)))._tag, "Unauthorized")
    }).pipe(Effect.provide(sandbox()))
  )
})

describe("a read", () => {
  it("fails with the closed union, and no more", () => {
    type Errors = Effect.Error<ReturnType<typeof Conversations.get>>
    expectTypeOf<Errors>().toEqualTypeOf<
      | HighLevelError.BadRequest
      | HighLevelError.Unauthorized
      | HighLevelError.Unprocessable
      | HighLevelError.UnexpectedStatus
      | HighLevelError.Unsuccessful
      | HighLevelError.UnreadableResponse
      | HighLevelError.UnexpectedBody
      | HighLevelError.TransportFailure
      | HighLevelError.RequestTimeout
      | HighLevelError.ReconnectRequired
      | HighLevelError.TokenUnavailable
      | HighLevelError.DailyLimitExceeded
      | HighLevelError.RateLimiterUnavailable
      | HighLevelError.InvalidRequest
    >()
  })

  it.effect("needs the scope conversations.readonly", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const { accessToken } = yield* sandbox.issue({ locationId: ids.locationId, scopes: ["conversations.write"] })
      const error = yield* Conversations.get(ids).pipe(
        Effect.provide(HighLevelClient.layer({ token: accessToken })),
        Effect.flip
      )
      assert(error._tag === "Unauthorized")
      assert.strictEqual(error.reason, "MissingScope")
    }).pipe(Effect.provide(Sandbox.layer()))
  )

  it.effect.each([
    [200, "", "UnreadableResponse"],
    [200, "<html>ok</html>", "UnexpectedBody"],
    [503, "{}", "UnexpectedStatus"],
    [408, "{}", "UnexpectedStatus"],
    [401, `{"message":"Command timed out"}`, "Unauthorized"]
  ] as const)("that gets %i %j has changed nothing", ([status, body, tag]) =>
    Effect.gen(function* () {
      const error = yield* Conversations.get(ids).pipe(
        Effect.provide(
          HighLevelClient.layer({ token: Redacted.make("t"), retry: false }).pipe(
            Layer.provide(answering(status, body).layer)
          )
        ),
        Effect.flip
      )
      assert.strictEqual(error._tag, tag)
      assert(error._tag !== "InvalidOptions")
      assert.strictEqual(HighLevelError.applied(error), "no")
    })
  )

  it.effect.each([
    [{ ...ids, conversationId: ".." }, "conversationId"],
    [{ ...ids, unreadCount: 0 }, "unreadCount"],
    [{ conversationId: "c" }, "locationId"]
  ] as const)("of %j is refused, naming the field, and nothing is sent", ([input, field]) =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const error = yield* Effect.flip(Conversations.get(input as typeof ids))
      assert(error._tag === "InvalidRequest")
      assert.strictEqual(error.issues[0].field, field)
      assert.strictEqual(error.operation, "Conversations.get")
      assert.lengthOf(yield* sandbox.requests, 0)
    }).pipe(Effect.provide(inMemory()))
  )

  it("is told from an update in its errors", () => {
    const update = new HighLevelError.TransportFailure({ ...call, cause: "reset" })
    const read = new HighLevelError.TransportFailure({
      ...call,
      operation: "Conversations.get",
      applied: "no",
      cause: "reset"
    })
    assert.include(update.message, "Conversations.update of conversation")
    assert.include(read.message, "Conversations.get of conversation")
  })
})
