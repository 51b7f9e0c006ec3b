import { assert, describe, expectTypeOf, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import type * as Effect from "effect/Effect"
import * as Fx from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import { Conversations, HighLevelClient, HighLevelError, UpdateConversation } from "effect-highlevel"
import { answering, ids, token, updateOver } from "./harness.ts"

const errorOf = (status: number, body: unknown, headers?: Record<string, string>) =>
  Fx.flip(updateOver(answering(status, typeof body === "string" ? body : JSON.stringify(body), headers).layer))

describe("the error channel", () => {
  it("is this closed union, and no more", () => {
    type Errors = Effect.Error<ReturnType<typeof Conversations.update>>
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
    // Catching every tag leaves nothing.
    const recovered = Conversations.update(ids).pipe(
      Fx.catchTags({
        BadRequest: () => Fx.void,
        Unauthorized: () => Fx.void,
        Unprocessable: () => Fx.void,
        UnexpectedStatus: () => Fx.void,
        Unsuccessful: () => Fx.void,
        UnreadableResponse: () => Fx.void,
        UnexpectedBody: () => Fx.void,
        TransportFailure: () => Fx.void,
        RequestTimeout: () => Fx.void,
        ReconnectRequired: () => Fx.void,
        TokenUnavailable: () => Fx.void,
        DailyLimitExceeded: () => Fx.void,
        RateLimiterUnavailable: () => Fx.void,
        InvalidRequest: () => Fx.void
      })
    )
    expectTypeOf<Effect.Error<typeof recovered>>().toEqualTypeOf<never>()
  })
})

describe("an error", () => {
  const call = { operation: "Conversations.update", ...ids }
  const response = { ...call, messages: [], body: "" }
  const { BadRequest, ReconnectRequired, TokenUnavailable, TransportFailure, Unauthorized, UnexpectedStatus } =
    HighLevelError
  it.each([
    [new ReconnectRequired({ ...call, messages: [] }), true, "Ask the customer to reconnect the location."],
    [new TokenUnavailable({ ...call, messages: [], reason: "Refused" }), true, "A retry does not help"],
    [new TokenUnavailable({ ...call, messages: [], reason: "Unreachable" }), false, "Try again later"],
    [new Unauthorized({ ...response, status: 401 }), true, "then check the token"],
    [new Unauthorized({ ...response, status: 401, reason: "InvalidToken" }), true, "use another one"],
    [new Unauthorized({ ...response, status: 401, reason: "MissingScope" }), true, "the scope conversations.write to"],
    [new Unauthorized({ ...response, status: 401, reason: "WrongTokenType" }), true, "instead of its agency"],
    [new Unauthorized({ ...response, status: 401, reason: "GatewayTimeout" }), false, "the token is valid"],
    [new Unauthorized({ ...response, status: 401, reason: "NotFound" }), false, "no such conversation"],
    [new BadRequest({ ...response, status: 400 }), false, "not in that location"],
    [new BadRequest({ ...response, status: 400, reason: "NotFound" }), false, "no such conversation"],
    [new BadRequest({ ...response, status: 400, reason: "VersionHeader" }), true, "another API version"],
    [new UnexpectedStatus({ ...response, status: 403 }), true, "Read the messages for the reason"],
    [new UnexpectedStatus({ ...response, status: 404 }), false, "Read the messages for the reason"],
    [new UnexpectedStatus({ ...response, status: 503, reason: "MissingToken" }), false, "a proxy that drops"],
    [new UnexpectedStatus({ ...response, status: 503 }), false, "Try again later"],
    [new TransportFailure({ ...call, cause: "" }), false, "Try again later"]
  ] as const)("%s: whether the location is concerned (%s), and what to do", (error, isConfiguration, advice) => {
    assert.strictEqual(HighLevelError.isConfiguration(error), isConfiguration)
    assert.include(HighLevelError.advice(error), advice)
  })
})

describe("the documented answers", () => {
  it.effect("400 is BadRequest, with what support asks for", () =>
    Fx.gen(function* () {
      const body = { statusCode: 400, message: "Bad Request", traceId: "trace" }
      const error = yield* errorOf(400, body, { "cf-ray": "ray-IAD" })
      assert(error._tag === "BadRequest")
      const { body: kept, cfRay, conversationId, locationId, messages, status, traceId } = error
      assert.deepStrictEqual<unknown>(
        { conversationId, locationId, status, messages, traceId, cfRay, kept },
        {
          ...ids,
          status: 400,
          messages: ["Bad Request"],
          traceId: "trace",
          cfRay: "ray-IAD",
          kept: JSON.stringify(body)
        }
      )
      // The tag is not said twice.
      assert.strictEqual(
        String(error),
        `BadRequest: Conversations.update of conversation ${ids.conversationId} (status 400, trace trace)`
      )
    })
  )

  it.effect("422 is Unprocessable, with its list of messages", () =>
    Fx.gen(function* () {
      const message = ["property color should not exist", "unreadCount must be a number"]
      const error = yield* errorOf(422, { message, error: "Unprocessable Entity", statusCode: 422 })
      assert(error._tag === "Unprocessable")
      assert.deepStrictEqual(error.messages, message)
    })
  )

  it.effect.each([
    ["Invalid JWT", "InvalidToken"],
    ["Invalid token: access token is invalid", "InvalidToken"],
    ["Invalid Private Integration token", "InvalidToken"],
    ["The token is not authorized for this scope.", "MissingScope"],
    ["No Authorization header found for authentication!", "MissingToken"],
    ["Command timed out", "GatewayTimeout"],
    ["Location is not active", "LocationInactive"],
    ["version header was not found.", "VersionHeader"],
    ["version header is invalid", "VersionHeader"],
    ["This location is not accessible from this token!", "WrongLocation"],
    ["Token's user type mismatch!", "WrongTokenType"],
    ["This authClass type is not allowed to access this scope. Please reach out to support.", "WrongTokenType"],
    ["This AuthClass is not yet supported by this endpoint", "WrongTokenType"],
    ["Auth channel OAUTH is not supported.", "WrongTokenType"],
    ["Computer says no", "Unknown"]
  ] as const)("401 %s has the reason %s", ([message, reason]) =>
    Fx.gen(function* () {
      // Often the message is the only field.
      const error = yield* errorOf(401, { message })
      assert(error._tag === "Unauthorized")
      assert.strictEqual(error.reason, reason)
    })
  )

  it.effect.each([
    [400, "Invalid API version segment 'v9' at position 0", "VersionHeader"],
    [400, "Conversation with id c not found", "NotFound"],
    [400, "Location is not active", "LocationInactive"],
    [403, "The token does not have access to this location.", "WrongLocation"],
    [500, "Conversation with id c not found", "NotFound"],
    [503, "Invalid JWT", "Unknown"],
    [422, "Location is not active", "Unknown"]
  ] as const)("%i %s has the reason %s", ([status, message, reason]) =>
    Fx.gen(function* () {
      const error = yield* errorOf(status, { message })
      assert("reason" in error)
      assert.strictEqual(error.reason, reason)
    })
  )

  it.effect.each([
    [{}, []],
    [{ message: ["a", "b"] }, ["a", "b"]],
    [{ message: "a" }, ["a"]],
    [{ message: null, error: "Bad Request" }, ["Bad Request"]],
    [{ message: { nested: true } }, []],
    [{ error: { code: "X", message: "a newer envelope", details: {} } }, ["a newer envelope"]],
    [{ error: { message: ["in a", "list"] } }, ["in a", "list"]],
    [{ message: ["a", 1, null] }, ["a"]],
    [{ message: "", error: "E" }, ["E"]],
    [`{ "message": "m", "huge": 1e999 }`, ["m"]],
    [[], []],
    ["<html>no</html>", []],
    ["", []],
    [`{"message": "cut of`, []]
  ] as const)("%j is read without requiring anything of it", ([body, messages]) =>
    Fx.gen(function* () {
      for (const [status, tag] of [
        [400, "BadRequest"],
        [401, "Unauthorized"],
        [422, "Unprocessable"]
      ] as const) {
        const error = yield* errorOf(status, body)
        assert(error._tag === tag)
        assert.deepStrictEqual<unknown>(error.messages, messages)
      }
    })
  )
})

describe("the rest of reality", () => {
  it.effect.each(
    [204, 301, 307, 403, 404, 405, 408, 413, 415, 429, 500, 502, 503, 504, 418].filter((status) => status >= 300)
  )("%i is UnexpectedStatus", (status) =>
    Fx.gen(function* () {
      const error = yield* errorOf(status, { status, message: "said so", traceId: "trace" })
      assert(error._tag === "UnexpectedStatus")
      assert.strictEqual(error.status, status)
      if (status !== 304) assert.deepStrictEqual(error.messages, ["said so"])
    })
  )

  it.effect.each([
    [200, ""],
    [200, "null"],
    [200, "[]"],
    [200, `{"success":true}`],
    [200, `{"success":true,"conversation":null}`],
    [200, `{"success":true,"conversation":"yes"}`],
    [202, ""],
    [204, ""]
  ] as const)("%i %j was applied but cannot be read", ([status, body]) =>
    Fx.gen(function* () {
      const error = yield* errorOf(status, body)
      assert(error._tag === "UnreadableResponse")
      assert.strictEqual(error.body, body)
      assert.strictEqual(error.status, status)
      assert.include(error.message, "applied, but")
      assert.strictEqual(HighLevelError.applied(error), "yes")
    })
  )

  it.effect.each([200, 201, 202])("%i with the document is a success", (status) =>
    Fx.gen(function* () {
      const body = JSON.stringify({ success: true, conversation: { id: "c", starred: true } })
      const { conversation } = yield* updateOver(answering(status, body).layer)
      assert.deepStrictEqual<unknown>(conversation, { id: "c", starred: true })
    })
  )

  it.effect.each([
    { success: false },
    { success: false, conversation: { id: "c" }, message: "no" },
    { success: false, conversation: "odd" }
  ])("%j is Unsuccessful", (body) =>
    Fx.gen(function* () {
      assert.strictEqual((yield* errorOf(200, body))._tag, "Unsuccessful")
    })
  )

  it.effect("a number that overflows does not cost the receipt", () =>
    Fx.gen(function* () {
      const body = `{"success":true,"conversation":{"id":"c","unreadCount":1e999,"other":1e999}}`
      const { conversation } = yield* updateOver(answering(200, body).layer)
      assert.deepStrictEqual<unknown>(conversation, {
        id: "c",
        other: Infinity,
        unrecognized: { unreadCount: Infinity }
      })
    })
  )

  it.effect.each([
    [200, "UnreadableResponse"],
    [401, "Unauthorized"],
    [422, "Unprocessable"],
    [503, "UnexpectedStatus"]
  ] as const)("%i is %s behind a client that fails on a status, too", ([status, tag]) =>
    Fx.gen(function* () {
      const { layer } = answering(status, `{"message":"said so"}`)
      const error = yield* Fx.flip(updateOver(layer, ids, { transformClient: HttpClient.filterStatusOk }))
      assert.strictEqual(error._tag, tag)
      assert.include(error.message, "said so")
    })
  )

  it.effect.each([
    ["nothing", undefined],
    ["an object without prototype", Object.create(null)],
    [
      "an object that cannot be printed",
      {
        toString: () => {
          throw new Error("no")
        }
      }
    ],
    ["a list of errors", new AggregateError([new Error("first"), new Error("second")], "")]
  ])("a transport that fails with %s is a TransportFailure with a message", ([, cause]) =>
    Fx.gen(function* () {
      const failing = Layer.succeed(
        HttpClient.HttpClient,
        HttpClient.make((request) =>
          Fx.fail(
            new HttpClientError.HttpClientError({ reason: new HttpClientError.TransportError({ request, cause }) })
          )
        )
      )
      const error = yield* Fx.flip(updateOver(failing))
      assert(error._tag === "TransportFailure")
      assert.include(error.message, "no response")
      if (cause instanceof AggregateError) assert.include(error.message, "first; second")
    })
  )

  it.effect("an answer without `success` that brings a conversation is a success", () =>
    Fx.gen(function* () {
      const answer = yield* updateOver(answering(200, `{"conversation":{"id":"c"}}`).layer)
      assert.deepStrictEqual<unknown>(answer, { conversation: { id: "c" } })
    })
  )
})

const Body = Schema.Struct({
  success: Schema.optionalKey(Schema.Union([Schema.Boolean, Schema.Json])),
  conversation: Schema.optionalKey(Schema.Union([Schema.JsonObject, Schema.Json])),
  statusCode: Schema.optionalKey(Schema.Json),
  message: Schema.optionalKey(Schema.Union([Schema.String, Schema.Array(Schema.String), Schema.Json])),
  error: Schema.optionalKey(Schema.Json),
  traceId: Schema.optionalKey(Schema.Json),
  _tag: Schema.optionalKey(Schema.Json)
})

const Generated = Schema.Struct({
  status: Schema.Literals([
    200, 200, 201, 202, 204, 206, 299, 301, 304, 400, 401, 403, 404, 409, 422, 429, 500, 502, 520
  ]),
  form: Schema.Literals(["document", "json", "html", "empty", "truncated", "text"]),
  document: Body,
  json: Schema.Json,
  text: Schema.String,
  cut: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 400 }))
})

const bodyOf = ({ cut, document, form, json, text }: typeof Generated.Type) => {
  switch (form) {
    case "document":
      return JSON.stringify(document)
    case "json":
      return JSON.stringify(json)
    case "html":
      return `<!doctype html><html><body>${text}</body></html>`
    case "empty":
      return ""
    case "truncated":
      return JSON.stringify(document).slice(0, cut)
    case "text":
      return text
  }
}

const isHighLevelError = Schema.is(HighLevelError.HighLevelError)

// `npm run test:long` makes more of them.
const runs = 2000 * Number(process.env["SCALE"] ?? 1)

describe("generated responses", () => {
  it.effect(
    `${runs} of them: each a value or a member of the union, never a defect`,
    () =>
      Fx.gen(function* () {
        let answer = { status: 200, body: "" }
        const client = yield* HighLevelClient.make({
          token: Redacted.make(token),
          retry: false,
          rateLimit: false
        }).pipe(
          Fx.provideService(
            HttpClient.HttpClient,
            HttpClient.make((request) => {
              const body = [204, 304].includes(answer.status) ? null : answer.body
              return Fx.succeed(HttpClientResponse.fromWeb(request, new Response(body, { status: answer.status })))
            })
          )
        )
        const tags = new Set<string>()
        const result = yield* Arbitrary.checkEffect(
          Arbitrary.schema(Generated),
          (generated) =>
            Fx.gen(function* () {
              answer = { status: generated.status, body: bodyOf(generated) }
              const isApplied = generated.status >= 200 && generated.status < 300
              const exit = yield* Fx.exit(client.execute(UpdateConversation.updateConversation, ids))
              if (Exit.isSuccess(exit)) {
                tags.add("success")
                return isApplied
              }
              const error = yield* Fx.flip(exit)
              tags.add(error._tag)
              return (
                isHighLevelError(error) &&
                // Some report the status of an error in their body.
                (["UnreadableResponse", "UnexpectedBody", "Unsuccessful"].includes(error._tag) === isApplied ||
                  (isApplied && error._tag !== "InvalidRequest" && "status" in error && error.status !== answer.status))
              )
            }),
          { runs }
        )
        assert.isUndefined(Arbitrary.formatCheckFailure(result))
        // The generator must reach every way that an answer can end.
        assert.deepStrictEqual([...tags].toSorted(), [
          "BadRequest",
          "Unauthorized",
          "UnexpectedBody",
          "UnexpectedStatus",
          "Unprocessable",
          "UnreadableResponse",
          "Unsuccessful",
          "success"
        ])
      }),
    120_000
  )
})
