import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Input from "../src/cli/input.ts"

const bytes = (...parts: ReadonlyArray<string | Uint8Array>) =>
  Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part) : part)))

const read = (input: Uint8Array, chunkSize = input.length || 1) =>
  Stream.fromIterable(
    Array.from({ length: Math.ceil(input.length / chunkSize) }, (_, index) =>
      input.subarray(index * chunkSize, (index + 1) * chunkSize)
    )
  ).pipe(
    Input.lines,
    Stream.map(({ number, text }) => `${number}: ${Result.getOrElse(text, (problem) => `<${problem}>`)}`),
    Stream.runCollect
  )

describe("the lines of the input", () => {
  it.effect.each([
    ["a last line without a break", bytes("a\nb"), ["1: a", "2: b"]],
    ["line breaks of Windows", bytes("a\r\nb\r\n"), ["1: a", "2: b"]],
    ["a byte order mark, at the start only", bytes("\uFEFFa\n\uFEFFb\n"), ["1: a", "2: \uFEFFb"]],
    ["empty lines, which keep their numbers", bytes("\n\n  \na\n\r\n\nb\n"), ["4: a", "7: b"]],
    ["nothing at all", bytes(""), []],
    [
      "what is not UTF-8",
      bytes("a\n", new Uint8Array([0xff, 0xfe, 0x41]), "\nb\n"),
      ["1: a", "2: <not UTF-8>", "3: b"]
    ],
    ["a character that is cut off at the end", bytes("a\n", new Uint8Array([0xe2, 0x82])), ["1: a", "2: <not UTF-8>"]],
    ["controls and NUL", bytes("a\0b\tc\n"), ["1: a\0b\tc"]]
  ] as const)("%s", ([, input, expected]) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* read(input), [...expected])
      // However the bytes arrive.
      for (const chunkSize of [1, 2, 3, 5]) assert.deepStrictEqual(yield* read(input, chunkSize), [...expected])
    })
  )

  it.effect("one of 10 MB is refused, is not held, and does not hide the next", () =>
    Effect.gen(function* () {
      const input = bytes("a\n", "x".repeat(10 * 1024 * 1024), "\nb\n")
      assert.deepStrictEqual(yield* read(input, 65_536), ["1: a", "2: <longer than 1048576 bytes>", "3: b"])
    })
  )

  it.effect.prop("are what was written", [Schema.Array(Schema.String)], ([texts]) =>
    Effect.gen(function* () {
      const written = texts.map((text) => text.replaceAll(/[\r\n\uFEFF\uD800-\uDFFF]/g, ""))
      const expected = written.flatMap((text, index) => (text.trim() === "" ? [] : [`${index + 1}: ${text}`]))
      assert.deepStrictEqual(yield* read(bytes(written.join("\n")), 7), expected)
    })
  )
})

describe("the update of a line", () => {
  const parse = (text: string, defaults: Input.Defaults = { locationId: "location", changes: { unreadCount: 0 } }) =>
    Input.parse({ number: 1, text: Result.succeed(text) }, defaults)

  it.effect.each([
    ["a bare id", " id \t", { conversationId: "id", locationId: "location", unreadCount: 0 }],
    ["an id that looks like a number", "12345", { conversationId: "12345", locationId: "location", unreadCount: 0 }],
    [
      "an object, which outranks the command line",
      `{"conversationId":"id","locationId":"other","starred":true}`,
      { conversationId: "id", locationId: "other", starred: true, unreadCount: 0 }
    ],
    [
      "an object that takes the rest from the command line",
      `{"conversationId":"id","unreadCount":3}`,
      { conversationId: "id", locationId: "location", unreadCount: 3 }
    ]
  ] as const)("is that of %s", ([, text, expected]) =>
    Effect.gen(function* () {
      assert.deepStrictEqual<unknown>(yield* parse(text), expected)
    })
  )

  it.effect.each([
    [`{"conversationId":"id"`, "not a JSON object"],
    [`{}`, "conversationId"],
    [`{"conversationId":7}`, "conversationId"],
    [`{"conversationId":"id","unread":1}`, "unread"],
    [`..`, "conversationId"],
    [`[1]`, "not a JSON object"],
    [`"id"`, "not a JSON object"],
    ["null", "no id, but null"],
    [`{"__proto__":{"conversationId":"id"},"conversationId":"id"}`, "__proto__"]
  ] as const)("%s is refused, and why is said", ([text, said]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(parse(text))
      assert.include(error.message, said)
    })
  )

  it.effect("without a location, or a change, is refused", () =>
    Effect.gen(function* () {
      assert.include((yield* Effect.flip(parse("id", { changes: { starred: true } }))).message, "--location-id")
      assert.include(
        (yield* Effect.flip(parse("id", { locationId: "location", changes: {} }))).message,
        "nothing to update"
      )
    })
  )
})
