import assert from "node:assert/strict"
import { before, test } from "node:test"
import { update } from "./inbox.js"

const stub = `http://127.0.0.1:${process.env.STUB_PORT}`

before(async () => {
  while (!(await fetch(stub).catch(() => undefined))) await new Promise((resume) => setTimeout(resume, 50))
})

test("marks a conversation read", async () => {
  const { conversation, outcome } = await update(stub, "tDtDnQdgm2LXpyiqYvZ6", { unreadCount: 0 })
  assert.deepEqual([outcome, conversation.unreadCount], ["done", 0])
})

test("stars any conversation", async () => {
  const { conversation, outcome } = await update(stub, "a-conversation-of-mine", { starred: true })
  assert.deepEqual([outcome, conversation.starred], ["done", true])
})

test("sets any count", async () => {
  assert.equal((await update(stub, "a-conversation-of-mine", { unreadCount: 5 })).outcome, "done")
})

test("reads a 400", async () => {
  const refused = { outcome: "refused", problems: ["Bad Request"] }
  assert.deepEqual(await update(stub, "responds.400", { unreadCount: 0 }), refused)
})

test("reconnects after a 401", async () => {
  assert.deepEqual(await update(stub, "responds.401", { starred: false }), { outcome: "reconnect" })
  assert.deepEqual(await update(stub, "any", { starred: true }, "invalid-token"), { outcome: "reconnect" })
})

test("shows the problems of a 422", async () => {
  const refused = { outcome: "refused", problems: ["Unprocessable Entity"] }
  assert.deepEqual(await update(stub, "responds.422", { unreadCount: 7, starred: true }), refused)
})
