import { assert, describe, it } from "vitest"
import * as Effect from "effect/Effect"
import * as Output from "../src/cli/output.ts"

describe("JSON", () => {
  it("does not steer the terminal either, and stays JSON", () => {
    const lastMessageBody = "\u009b31m\u202eevil"
    const line = Effect.runSync(Output.json({ lastMessageBody }))
    assert.notMatch(line, /[\u009b\u202e]/)
    assert.deepStrictEqual(JSON.parse(line), { lastMessageBody })
  })

  it("that cannot be written fails, typed", () => {
    const circle: Record<string, unknown> = {}
    circle["circle"] = circle
    assert.strictEqual(Effect.runSync(Effect.flip(Output.json({ circle }))), "Unprintable")
    assert.strictEqual(Effect.runSync(Effect.flip(Output.table({ circle }))), "Unprintable")
  })
})

describe("the table", () => {
  it("does not let a message steer the terminal", () => {
    const lastMessageBody = "hi\u001b[2J\u009b31m\u202eevil\u2028\nnext"
    assert.strictEqual(
      Effect.runSync(Output.table({ lastMessageBody })),
      "lastMessageBody  hi\\u001b[2J\\u009b31m\\u202eevil\\u2028\\nnext"
    )
  })

  it("shows odd values and unknown fields too", () => {
    assert.strictEqual(
      Effect.runSync(Output.table({ starred: null, tags: ["a"], unrecognized: { unreadCount: "three" } })),
      `starred      null\ntags         ["a"]\nunreadCount  three`
    )
  })
})
