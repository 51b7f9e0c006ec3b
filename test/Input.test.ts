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

  const messageOf = (found: Input.Read | undefined) =>
    found === undefined ? "" : Result.match(found.update, { onSuccess: () => "", onFailure: ({ message }) => message })

  it.each([
    ["a bare id", " xyz \t", { conversationId: "xyz", locationId: "location", unreadCount: 0 }, true],
    [
      "an id that looks like a number",
      "12345",
      { conversationId: "12345", locationId: "location", unreadCount: 0 },
      true
    ],
    [
      "an object, which outranks the command line",
      `{"conversationId":"id","locationId":"other","starred":true,"unreadCount":3}`,
      { conversationId: "id", locationId: "other", starred: true, unreadCount: 3 },
      false
    ],
    [
      "an object that takes the rest from the command line",
      `{"conversationId":"id","starred":true}`,
      { conversationId: "id", locationId: "location", starred: true, unreadCount: 0 },
      false
    ]
  ] as const)("is that of %s", (_, text, expected, isId) => {
    assert.deepStrictEqual<unknown>(parse(text), { line: 1, isId, update: Result.succeed(expected) })
  })

  it.each([
    [`{"conversationId":"id"`, "not a JSON object"],
    [`{}`, "conversationId"],
    [`{"conversationId":7}`, "conversationId"],
    [`{"conversationId":"id","unread":1}`, "unread"],
    [`..`, "neither a JSON object nor a conversation id"],
    [`two ids`, "neither a JSON object nor a conversation id"],
    [`id,0`, "neither a JSON object nor a conversation id"],
    [`PK\u0003\u0004`, "neither a JSON object nor a conversation id"],
    [`[1]`, "not a JSON object"],
    [`"id"`, "not a JSON object"],
    ["null", "neither a JSON object nor a conversation id"],
    [`{"__proto__":{"conversationId":"id"},"conversationId":"id"}`, "__proto__"]
  ] as const)("%s is refused, and why is said", (text, message) => {
    assert.include(messageOf(parse(text)), message)
  })

  it.each(["# ids of Monday", "conversationId", "Conversation ID", "id"])("%s is none", (text) => {
    assert.isUndefined(parse(text))
  })

  it("without a location, or a change, is refused", () => {
    assert.include(messageOf(parse("xyz", { changes: { starred: true } })), "--location-id")
    assert.include(messageOf(parse("xyz", { locationId: "location", changes: {} })), "nothing to update")
  })
})

describe("the updates of CSV", () => {
  const readCsv = (text: string, chunkSize = 5) =>
    Stream.fromIterable(
      Array.from({ length: Math.ceil(text.length / chunkSize) }, (_, index) =>
        bytes(text.slice(index * chunkSize, (index + 1) * chunkSize))
      )
    ).pipe(
      (found) => Input.read(found, { locationId: "location", changes: { unreadCount: 0 } }, true),
      Stream.map(({ line, update }) =>
        Result.match(update, {
          onFailure: ({ message }) => `${line}: ${message}`,
          onSuccess: ({ conversationId, feedback, locationId, starred, unreadCount }) =>
            [line, conversationId, locationId, unreadCount, starred, feedback].join(" ")
        })
      ),
      Stream.runCollect
    )

  it.effect("are its rows, by the names of its columns; the flags fill what is empty", () =>
    Effect.gen(function* () {
      const text = [
        `\uFEFFConversation ID,name,starred,unread_count,locationId,feedback`,
        `c0,Ada,TRUE,,other,positive`,
        `c1,"two`,
        `lines, and ""quotes""",false,3,,"{""stars"":5}"`,
        ``,
        `c2,Bob,yes,1,,`,
        `c3,short`
      ].join("\r\n")
      const found = yield* readCsv(text)
      assert.deepStrictEqual(found.slice(0, 2), ["2 c0 other 0 true positive", "3 c1 location 3 false [object Object]"])
      assert.match(found[2] ?? "", /^6: .*starred/)
      assert.strictEqual(found[3], "7: 2 cells, and the header has 6")
      assert.strictEqual(found.length, 4)
    })
  )

  it.effect("without a column for the conversation are refused", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* readCsv("contact,name\n1,Ada\n2,Bob"), [
        "1: no column conversationId in the header"
      ])
    })
  )
})
