/** The client is made of what the declaration is made of, but not by HttpApiClient: here the two are compared. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as HttpApiClient from "effect/http-api/HttpApiClient"
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import { Conversation, HighLevelApi, HighLevelClient, Operation, UpdateConversation } from "effect-highlevel"
import { answering, ids, token, updateOver } from "./harness.ts"

const answer = JSON.stringify({ success: true, conversation: {} })

const derived = Effect.provide(
  HttpApiClient.make(HighLevelApi.HighLevelApi, { baseUrl: HighLevelClient.defaultBaseUrl }),
  Layer.merge(
    HttpApiMiddleware.layerClient(HighLevelApi.Authorization, ({ next, request }) =>
      next(HttpClientRequest.bearerToken(request, Redacted.make(token)))
    ),
    HttpApiMiddleware.layerClient(HighLevelApi.AgencyAuthorization, ({ next, request }) => next(request))
  )
)

const sent = (requests: ReadonlyArray<HttpClientRequest.HttpClientRequest>) =>
  requests.map(({ body, headers, method, url }) => ({
    method,
    url,
    // But for what a declaration does not say.
    headers: Object.fromEntries(Object.entries(headers).filter(([name]) => !["accept", "user-agent"].includes(name))),
    body: body._tag === "Uint8Array" ? body.text : body._tag
  }))

describe("what is sent", () => {
  it.effect.prop(
    "is what Effect's client for the declaration sends",
    [UpdateConversation.ConversationUpdate, Operation.ApiVersion],
    ([update, version]) =>
      Effect.gen(function* () {
        const [ours, theirs] = [answering(200, answer), answering(200, answer)]
        const { conversationId, ...payload } = update
        yield* updateOver(ours.layer, update, { version })
        yield* Effect.flatMap(derived, (client) =>
          client.conversations.update({ params: { conversationId }, headers: { version }, payload })
        ).pipe(Effect.provide(theirs.layer), Effect.provideService(HttpClient.TracerPropagationEnabled, false))
        assert.strictEqual(ours.requests.length, 1)
        assert.deepStrictEqual(sent(ours.requests), sent(theirs.requests))
      })
  )
})

describe("what is answered", () => {
  const names =
    "id locationId contactId assignedTo userId lastMessageBody lastMessageDate lastMessageType unreadCount inbox " +
    "starred deleted unrecognized dateAdded"
  const Value = Schema.Union([
    Schema.Json,
    Schema.toEncoded(Conversation.LastMessageDate),
    Schema.Literals(Conversation.documentedMessageTypes),
    Schema.Boolean
  ])
  const Odd = Schema.StructWithRest(
    Schema.Struct(Object.fromEntries(names.split(" ").map((name) => [name, Schema.optionalKey(Value)]))),
    [Schema.Record(Schema.String, Schema.Json)]
  )
  const Document = Schema.StructWithRest(
    Schema.Struct({
      success: Schema.optionalKey(Schema.Union([Schema.Literal(true), Schema.NullOr(Schema.String)])),
      conversation: Schema.optionalKey(Schema.Union([Odd, Odd, Odd, Schema.Json])),
      traceId: Schema.optionalKey(Schema.Json),
      unrecognized: Schema.optionalKey(Schema.Json)
    }),
    [Schema.Record(Schema.String, Schema.Json)]
  )
  const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(UpdateConversation.UpdateConversationResponse))

  it.effect.prop("is read as the codec reads it, key by key", [Document], ([document]) =>
    Effect.gen(function* () {
      const text = JSON.stringify(document)
      const read = yield* Effect.result(updateOver(answering(200, text).layer, ids))
      const decoded = yield* Effect.result(decode(text))
      // Such as `success: "0"`.
      if (read._tag === "Failure" && read.failure._tag === "Unsuccessful") return
      assert.strictEqual(read._tag, decoded._tag)
      if (read._tag === "Failure" || decoded._tag === "Failure") return
      assert.deepStrictEqual(read.success, decoded.success)
      // In the same order, too.
      assert.strictEqual(JSON.stringify(read.success), JSON.stringify(decoded.success))
    })
  )
})
