import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import { GetConversation, HighLevelClient, HighLevelError, Operation } from "effect-highlevel"
import { answering, ids, running, token, updateOver } from "./harness.ts"

const document = { success: true, conversation: { id: "c", starred: true } }
const page = "<!doctype html><html><title>Sign in</title></html>"

const response = (body: unknown, status = 200, headers?: Record<string, string>) =>
  answering(status, typeof body === "string" ? body : JSON.stringify(body), headers).layer

/** How an update ends that gets one response, and no other. */
const ending = Effect.fnUntraced(function* (body: unknown, status?: number) {
  const result = yield* Effect.result(updateOver(response(body, status)))
  if (Result.isSuccess(result)) return "success"
  assert(result.failure._tag !== "InvalidOptions")
  const { _tag, message } = result.failure
  assert.isAtMost(message.length, 5000)
  return `${_tag}, applied: ${HighLevelError.applied(result.failure)}`
})

const unreadable = "UnreadableResponse, applied: yes"
const unexpected = "UnexpectedBody, applied: unknown"
const unsuccessful = "Unsuccessful, applied: no"

describe("a 2xx is not believed blindly", () => {
  const table: ReadonlyArray<readonly [body: unknown, ends: string, status?: number]> = [
    // Applied: the document.
    [document, "success"],
    [document, "success", 201],
    [{ conversation: {} }, "success"],
    [{ success: null, conversation: {} }, "success"],
    [{ success: "true", conversation: {} }, "success"],
    [{ success: 1, conversation: {} }, "success"],
    [{ ...document, statusCode: 200 }, "success"],
    [{ ...document, statusCode: "200" }, "success"],
    [{ ...document, statusCode: "none" }, "success"],
    [{ ...document, error: null }, "success"],
    [{ ...document, error: false }, "success"],
    [{ ...document, error: "" }, "success"],
    [{ ...document, error: "false" }, "success"],
    [{ ...document, error: {} }, "success"],
    [{ ...document, error: [] }, "success"],
    // Applied: nothing, or JSON without an error.
    ["", unreadable],
    [" \r\n", unreadable],
    ["", unreadable, 202],
    [{}, unreadable],
    [[], unreadable],
    ["null", unreadable],
    ["true", unreadable],
    [`"ok"`, unreadable],
    [{ success: true }, unreadable],
    [{ success: true, conversation: "c" }, unreadable],
    [{ message: "Conversation updated" }, unreadable],
    // Not applied: it reports an error.
    [{ success: false }, unsuccessful],
    [{ success: "false" }, unsuccessful],
    [{ success: " False " }, unsuccessful],
    [{ success: "False " }, unsuccessful],
    [{ success: "no" }, unsuccessful],
    [{ success: 0 }, unsuccessful],
    [{ success: "0" }, unsuccessful],
    [{ ...document, success: false }, unsuccessful],
    [{ ...document, success: "FALSE" }, unsuccessful],
    [{ error: "Conversation is locked" }, unsuccessful],
    [{ ...document, error: "Conversation is locked" }, unsuccessful],
    [{ ...document, error: { message: "Conversation is locked" } }, unsuccessful],
    [{ error: "no" }, unsuccessful],
    [{ error: true }, unsuccessful],
    [{ error: 1 }, unsuccessful],
    [{ statusCode: 1000 }, unsuccessful],
    [{ statusCode: 400.5 }, unsuccessful],
    // And names its status.
    [{ statusCode: 400, message: "no" }, "BadRequest, applied: no"],
    [{ ...document, statusCode: "400" }, "BadRequest, applied: no"],
    [{ success: false, statusCode: 422, message: ["no"] }, "Unprocessable, applied: no"],
    [{ statusCode: 401, message: "Invalid JWT" }, "Unauthorized, applied: no"],
    [{ statusCode: 403 }, "UnexpectedStatus, applied: no"],
    [{ statusCode: 429 }, "UnexpectedStatus, applied: no"],
    [{ statusCode: 500, message: "Internal server error" }, "UnexpectedStatus, applied: unknown"],
    [{ statusCode: 500, message: "Conversation with id c not found" }, "UnexpectedStatus, applied: no"],
    // Unknown: not HighLevel's.
    [page, unexpected],
    [`\n${page}`, unexpected],
    ["OK", unexpected],
    ["Created", unexpected, 201],
    [`{"success":true,"conv`, unexpected],
    [`{'success':true}`, unexpected],
    ["\u0000\u0001\u0002", unexpected]
  ]
  for (const [body, ends, status = 200] of table) {
    it.effect(`${status} ${JSON.stringify(body).slice(0, 80)}: ${ends}`, () =>
      Effect.gen(function* () {
        assert.strictEqual(yield* ending(body, status), ends)
      })
    )
  }

  it.effect("an error that the operation documents is a field like any other", () =>
    Effect.gen(function* () {
      const getMessage = Operation.make({
        ...Operation.get,
        name: "Messages.get",
        documentation: "https://example.com",
        path: "/messages/:locationId",
        params: { locationId: Operation.LocationId },
        input: Schema.Struct({ locationId: Operation.LocationId }),
        success: Schema.Struct({ error: Schema.String })
      })
      const client = yield* HighLevelClient.make({ token: Redacted.make(token), retry: false }).pipe(
        Effect.provide(response({ error: "the message was not delivered" }))
      )
      const { output } = yield* client.execute(getMessage, { locationId: "l" })
      assert.strictEqual(output.error, "the message was not delivered")
      assert.strictEqual(
        (yield* Effect.flip(client.execute(GetConversation.getConversation, ids)))._tag,
        "Unsuccessful"
      )
    })
  )

  it.effect("a login page is tried again, and the update behind it is confirmed", () =>
    Effect.gen(function* () {
      let requests = 0
      const portal = Layer.succeed(
        HttpClient.HttpClient,
        HttpClient.make((request) =>
          Effect.sync(() =>
            HttpClientResponse.fromWeb(request, new Response(++requests < 3 ? page : JSON.stringify(document)))
          )
        )
      )
      const { conversation } = yield* running(updateOver(portal, undefined, { retry: {} }))
      assert.isTrue(conversation.starred)
      assert.strictEqual(requests, 3)
    })
  )

  it.effect("an invalid token that a 200 reports is renewed as that of a 401", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(updateOver(response({ statusCode: 401, message: "Invalid JWT" })))
      assert(error._tag === "Unauthorized")
      assert.deepStrictEqual([error.status, error.reason], [401, "InvalidToken"])
    })
  )
})

describe("an error keeps 4 KiB of a body", () => {
  const long = (length: number) => `${"ä".repeat(length)}`
  const size = (text: string) => new TextEncoder().encode(text).length

  it.effect.each([
    ["one message", { message: long(500_000) }],
    ["many messages", { message: Array.from({ length: 50_000 }, (_, index) => `field ${index} should not exist`) }],
    ["a trace id", { message: "no", traceId: long(400_000) }],
    ["HTML", `<html>${long(400_000)}`]
  ])("%s", ([, body]) =>
    Effect.gen(function* () {
      for (const status of [200, 400, 401, 422, 503]) {
        const error = yield* Effect.flip(updateOver(response(body, status)))
        assert(error._tag !== "InvalidRequest" && "body" in error)
        for (const text of [error.body, error.messages.join(""), error.traceId ?? ""]) assert.isAtMost(size(text), 4100)
        assert.isAtMost(JSON.stringify(error).length, 20_000)
      }
    })
  )

  it.effect("and no part of a token that is cut there", () =>
    Effect.gen(function* () {
      for (let offset = 4096 - token.length - 2; offset < 4098; offset++) {
        const error = yield* Effect.flip(updateOver(response(`${"x".repeat(offset)}${token}`, 400)))
        assert(error._tag === "BadRequest")
        assert.notInclude(error.body, token.slice(0, 6))
      }
    })
  )
})

describe("the cap on a body", () => {
  /** A body that arrives in chunks, and how much of it was read. */
  const chunked = (chunks: Iterable<Uint8Array<ArrayBuffer>>, status = 200, headers?: Record<string, string>) => {
    const read = { bytes: 0, isCancelled: false }
    const iterator = chunks[Symbol.iterator]()
    const layer = Layer.succeed(
      HttpClient.HttpClient,
      HttpClient.make((request) =>
        Effect.sync(() => {
          const stream = new ReadableStream<Uint8Array<ArrayBuffer>>(
            {
              pull: (controller) => {
                const next = iterator.next()
                if (next.done === true) return controller.close()
                read.bytes += next.value.length
                controller.enqueue(next.value)
              },
              cancel: () => void (read.isCancelled = true)
            },
            { highWaterMark: 0 }
          )
          return HttpClientResponse.fromWeb(request, new Response(stream, { status, ...(headers ? { headers } : {}) }))
        })
      )
    )
    return { layer, read }
  }

  const forever = function* (text: string) {
    const chunk = new TextEncoder().encode(text)
    while (true) yield chunk
  }

  it.effect.each([
    [200, `{"a":"${"x".repeat(10_000)}`, "UnreadableResponse", "yes"],
    [200, `<p>${"x".repeat(10_000)}`, "UnexpectedBody", "unknown"],
    [400, `{"a":"${"x".repeat(10_000)}`, "BadRequest", "no"],
    [401, `<p>${"x".repeat(10_000)}`, "Unauthorized", "no"],
    [503, `<p>${"x".repeat(10_000)}`, "UnexpectedStatus", "unknown"]
  ] as const)("%i with a body that has no end", ([status, text, tag, applied]) =>
    Effect.gen(function* () {
      const { layer, read } = chunked(forever(text), status)
      const error = yield* Effect.flip(updateOver(layer))
      assert(error._tag !== "InvalidOptions")
      assert.deepStrictEqual([error._tag, HighLevelError.applied(error)], [tag, applied])
      assert.isTrue(read.isCancelled)
      assert.isAtMost(read.bytes, 1_048_576 + 2 * text.length)
    })
  )

  it.effect("a body of exactly that size is read, one byte more is not", () =>
    Effect.gen(function* () {
      const json = JSON.stringify(document)
      for (const [length, isRead] of [
        [8192, true],
        [8193, false]
      ] as const) {
        const text = json.padEnd(length)
        const bytes = new TextEncoder().encode(text)
        for (const headers of [{}, { "content-length": String(length) }]) {
          for (const cut of [5000, 8192]) {
            const chunks = [bytes.subarray(0, cut), bytes.subarray(cut)].filter((chunk) => chunk.length > 0)
            const { layer } = chunked(chunks, 200, headers)
            const result = yield* Effect.result(updateOver(layer, undefined, { maxResponseBytes: 8192 }))
            assert.strictEqual(Result.isSuccess(result), isRead)
          }
        }
      }
    })
  )

  it.effect("a compressed body is as long as it turns out, whatever its headers tell", () =>
    Effect.gen(function* () {
      const text = JSON.stringify({ ...document, more: "x".repeat(10_000) })
      const headers = { "content-encoding": "gzip", "content-length": "100" }
      const { layer } = chunked([new TextEncoder().encode(text)], 200, headers)
      const error = yield* Effect.flip(updateOver(layer, undefined, { maxResponseBytes: 8192 }))
      assert.strictEqual(error._tag, "UnreadableResponse")
    })
  )

  it.effect.prop("a body is read alike at once and in chunks", [Schema.String], ([text]) =>
    Effect.gen(function* () {
      const bytes = new TextEncoder().encode(text)
      const length = { "content-length": String(bytes.length) }
      const whole = yield* Effect.flip(updateOver(response(text, 400, length)))
      const parts = [bytes.slice(0, bytes.length >> 1), bytes.slice(bytes.length >> 1)]
      const { layer } = chunked(
        parts.filter((part) => part.length > 0),
        400
      )
      assert.deepStrictEqual(yield* Effect.flip(updateOver(layer)), whole)
    })
  )

  it.effect("a character that is cut between two chunks is read", () =>
    Effect.gen(function* () {
      const bytes = new TextEncoder().encode(JSON.stringify({ ...document, conversation: { lastMessageBody: "ä€😀" } }))
      const { layer } = chunked(Array.from(bytes, (byte) => Uint8Array.of(byte)))
      const { conversation } = yield* updateOver(layer)
      assert.strictEqual(conversation.lastMessageBody, "ä€😀")
    })
  )

  it.effect.each([0, -1, 8191, 8192.5, Number.NaN, Infinity])("%d is no cap", (maxResponseBytes) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(updateOver(response(document), undefined, { maxResponseBytes }))
      assert(error._tag === "InvalidOptions")
      assert.strictEqual(error.option, "maxResponseBytes")
    })
  )
})
