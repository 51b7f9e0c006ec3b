import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpServer from "effect/http/HttpServer"
import { Conversations, HighLevelClient } from "effect-highlevel"
import { Sandbox } from "effect-highlevel/testing"
import { ids, inMemory, served } from "./harness.ts"

// What a client of any language might send; ours would refuse most of it.
const raw = (
  baseUrl: string,
  options: { readonly token?: string; readonly version?: string; readonly body?: string; readonly path?: string }
) =>
  Effect.gen(function* () {
    const client = yield* HttpClient.HttpClient
    const request = HttpClientRequest.put(`${baseUrl}${options.path ?? `/conversations/${ids.conversationId}`}`).pipe(
      options.token === undefined ? (request) => request : HttpClientRequest.bearerToken(options.token),
      options.version === undefined ? (request) => request : HttpClientRequest.setHeader("version", options.version),
      HttpClientRequest.bodyText(options.body ?? JSON.stringify({ locationId: ids.locationId }), "application/json")
    )
    const response = yield* client.execute(request)
    return { status: response.status, headers: response.headers, body: yield* response.json }
  })

const good = { token: Sandbox.defaultToken, version: "2021-07-28" }

// The version is looked at before the token.
const refusals: ReadonlyArray<
  readonly [title: string, request: Parameters<typeof raw>[1], status: number, body: unknown]
> = [
  [
    "no token",
    { version: "2021-07-28" },
    401,
    { statusCode: 401, message: "No Authorization header found for authentication!", error: "Unauthorized" }
  ],
  [
    "a wrong token",
    { ...good, token: "wrong" },
    401,
    { statusCode: 401, message: "Invalid token: access token is invalid", error: "Unauthorized" }
  ],
  [
    "a wrong Private Integration token",
    { ...good, token: "pit-wrong" },
    401,
    { statusCode: 401, message: "Invalid Private Integration token", error: "Unauthorized" }
  ],
  [
    "no version",
    { token: good.token },
    401,
    { statusCode: 401, message: "version header was not found.", error: "Unauthorized" }
  ],
  [
    "an unknown version",
    { ...good, version: "1999-01-01" },
    400,
    { statusCode: 400, message: "Invalid API version segment '1999-01-01' at position 0", error: "Bad Request" }
  ],
  [
    "neither version nor token",
    {},
    401,
    { statusCode: 401, message: "version header was not found.", error: "Unauthorized" }
  ],
  [
    "an unknown version without a token",
    { version: "x" },
    400,
    { statusCode: 400, message: "Invalid API version segment 'x' at position 0", error: "Bad Request" }
  ],
  [
    "an unknown key",
    { ...good, body: JSON.stringify({ locationId: ids.locationId, color: 1 }) },
    422,
    { statusCode: 422, message: ["property color should not exist"], error: "Unprocessable Entity" }
  ],
  [
    "wrong types",
    { ...good, body: JSON.stringify({ unreadCount: "1", starred: "yes", feedback: [] }) },
    422,
    {
      statusCode: 422,
      message: [
        "locationId must be a string",
        "unreadCount must be a number conforming to the specified constraints",
        "starred must be a boolean value",
        "feedback must be an object"
      ],
      error: "Unprocessable Entity"
    }
  ],
  [
    "broken JSON",
    { ...good, body: "{" },
    400,
    { statusCode: 400, message: "Unexpected token in JSON", error: "Bad Request" }
  ],
  [
    "a conversation it does not know",
    { ...good, path: "/conversations/unknown" },
    400,
    { statusCode: 400, message: "Conversation with id unknown not found", error: "Bad Request" }
  ],
  [
    "another location",
    { ...good, body: JSON.stringify({ locationId: "elsewhere" }) },
    400,
    { statusCode: 400, message: `Conversation with id ${ids.conversationId} not found`, error: "Bad Request" }
  ],
  ["another path", { ...good, path: "/" }, 404, { statusCode: 404, message: "Cannot PUT /", error: "Not Found" }]
]

const baseUrl = Effect.map(Effect.serviceOption(HttpServer.HttpServer), (server) =>
  Option.match(server, {
    onNone: () => HighLevelClient.defaultBaseUrl,
    onSome: ({ address }) => HttpServer.formatAddress(address)
  })
)

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
] as const)("the sandbox %s", (_, sandbox) => {
  it.live.each(refusals)("answers %s as HighLevel does", ([, request, status, body]) =>
    Effect.gen(function* () {
      const answer = yield* raw(yield* baseUrl, request)
      assert.strictEqual(answer.status, status)
      assert.deepStrictEqual<unknown>(answer.body, body)
      const received = yield* (yield* Sandbox.Sandbox).requests
      assert.deepStrictEqual(
        received.map((request) => request.status),
        [status]
      )
    }).pipe(Effect.provide(sandbox()))
  )

  it.live("answers as documented, and remembers", () =>
    Effect.gen(function* () {
      const answer = yield* raw(yield* baseUrl, {
        ...good,
        body: JSON.stringify({ locationId: ids.locationId, unreadCount: 0, starred: true, feedback: {} })
      })
      assert.strictEqual(answer.status, 200)
      assert.deepStrictEqual<unknown>(answer.body, {
        success: true,
        conversation: {
          id: "tDtDnQdgm2LXpyiqYvZ6",
          locationId: "tDtDnQdgm2LXpyiqYvZ6",
          contactId: "tDtDnQdgm2LXpyiqYvZ6",
          assignedTo: "tDtDnQdgm2LXpyiqYvZ6",
          userId: "tDtDnQdgm2LXpyiqYvZ6",
          lastMessageBody: "Hello, this is the message body",
          lastMessageDate: "1628008053263",
          lastMessageType: "TYPE_CALL",
          unreadCount: 0,
          inbox: true,
          starred: true,
          deleted: false
        }
      })
      const kept = yield* (yield* Sandbox.Sandbox).conversation(ids.conversationId)
      assert.deepInclude(Option.getOrThrow(kept), { unreadCount: 0, starred: true })
    }).pipe(Effect.provide(sandbox()))
  )

  it.live("sends the rate-limit headers", () =>
    Effect.gen(function* () {
      const url = yield* baseUrl
      yield* raw(url, good)
      yield* (yield* Sandbox.Sandbox).consumeExternally(ids.locationId, 1)
      const { headers } = yield* raw(url, good)
      assert.deepInclude(
        { ...headers },
        {
          "x-ratelimit-max": "25",
          "x-ratelimit-remaining": "22",
          "x-ratelimit-interval-milliseconds": "10000",
          "x-ratelimit-limit-daily": "10000",
          "x-ratelimit-daily-remaining": "9997"
        }
      )
      assert.match(headers["x-ratelimit-daily-reset"] ?? "", /^\d+$/)
    }).pipe(Effect.provide(sandbox({ rateLimit: { max: 25, intervalMillis: 10_000, daily: 10_000 } })))
  )

  it.live("answers as observed live", () =>
    Effect.gen(function* () {
      const { conversation, traceId } = yield* Conversations.update({ ...ids, starred: true })
      assert.strictEqual(conversation.lastMessageType, 100)
      assert.isTrue(conversation.starred)
      assert.property(conversation, "dateUpdated")
      for (const field of ["unreadCount", "inbox", "assignedTo", "userId", "lastMessageBody"]) {
        assert.notProperty(conversation, field)
      }
      assert.strictEqual(traceId, "00000000-0000-4000-8000-000000000001")
      const missing = yield* Effect.flip(Conversations.update({ ...ids, conversationId: "unknown" }))
      assert(missing._tag === "UnexpectedStatus")
      assert.deepStrictEqual([missing.status, missing.messages], [500, ["Conversation with id unknown not found"]])
    }).pipe(Effect.provide(sandbox({ responses: "observed" })))
  )

  it.live("refuses as scripted, in order, and only whom it should", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* sandbox.seed({ id: "other", locationId: ids.locationId })
      yield* sandbox.refuse({ status: 422, times: 2, conversationId: "other" })
      yield* sandbox.refuse({ status: 403, body: "<html>error 1010</html>", headers: { "content-type": "text/html" } })
      const tag = (conversationId: string) =>
        Conversations.update({ ...ids, conversationId, starred: true }).pipe(
          Effect.as("applied"),
          Effect.catch((error) => Effect.succeed(error._tag))
        )
      const first = yield* tag(ids.conversationId)
      const others = [yield* tag("other"), yield* tag("other"), yield* tag("other")]
      assert.deepStrictEqual(
        [first, ...others, yield* tag(ids.conversationId)],
        ["UnexpectedStatus", "Unprocessable", "Unprocessable", "applied", "applied"]
      )
      yield* sandbox.revoke(Sandbox.defaultToken)
      assert.strictEqual(yield* tag("other"), "Unauthorized")
      yield* sandbox.reset
      assert.lengthOf(yield* sandbox.requests, 0)
      assert.isTrue(Option.isNone(yield* sandbox.conversation("other")))
      assert.strictEqual(yield* tag(ids.conversationId), "applied")
    }).pipe(Effect.provide(sandbox()))
  )
})
