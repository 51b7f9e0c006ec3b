import { assert, describe, it } from "vitest"
import * as Output from "../src/cli/Output.ts"

describe("the table", () => {
  it("does not let a message steer the terminal", () => {
    const lastMessageBody = "hi\u001b[2J\u009b31m\u202eevil\u2028\nnext"
    assert.strictEqual(
      Output.table({ lastMessageBody }),
      "lastMessageBody  hi\\u001b[2J\\u009b31m\\u202eevil\\u2028\\nnext"
    )
  })

  it("shows odd values and unknown fields too", () => {
    assert.strictEqual(
      Output.table({ starred: null, tags: ["a"], unrecognized: { unreadCount: "three" } }),
      `starred      null\ntags         ["a"]\nunreadCount  three`
    )
  })
})
