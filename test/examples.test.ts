import { assert, describe, it } from "vitest"
import * as Process from "./process.ts"

const run = (example: string) => Process.run(`examples/${example}.ts`)

describe("the example", { timeout: 30_000 }, () => {
  it("quickstart updates a conversation and recovers a 400, a 401 and a 422", async () => {
    const { code, stdout } = await run("quickstart")
    assert.strictEqual(code, 0)
    for (const line of [
      "before   unreadCount: 1, starred: false",
      "after    unreadCount: 0, starred: true",
      "recovered 400 BadRequest",
      "recovered 401 Unauthorized",
      "recovered 422 Unprocessable"
    ]) {
      assert.include(stdout, line)
    }
  })

  it("telemetry exports spans with their events, and metrics", async () => {
    const { code, stdout } = await run("telemetry")
    assert.strictEqual(code, 0)
    for (const name of [
      "Conversations.update",
      "quota.wait",
      "retry",
      "highlevel_updates",
      "highlevel_quota_remaining"
    ]) {
      assert.include(stdout, name)
    }
  })
})
