/** Provider side: the shipped sandbox honours the committed contract. */
import { assert, beforeAll, expect, it } from "vitest"
import { readCommitted } from "./pact.ts"
import * as Provider from "./provider.ts"

const { interactions } = readCommitted()
let verification: Provider.Verification

beforeAll(async () => {
  verification = await Provider.withSandbox((url) => Provider.verify(url, `${url}/_pact/provider-states`))
}, 60_000)

it("every interaction was verified", () => {
  assert.strictEqual(verification.size, interactions.length)
})

it.each(interactions)("$description", ({ description }) => {
  expect(verification.get(description)).toEqual([])
})

it("an unknown provider state fails, and is not passed over", async () => {
  await Provider.withSandbox(async (url) => {
    const setUp = (path: string, body: unknown) =>
      fetch(`${url}${path}`, { method: "POST", body: JSON.stringify(body) }).then(({ status }) => status)
    const path = "/_pact/provider-states"
    assert.strictEqual(await setUp(path, { action: "setup", state: "nobody knows", params: {} }), 400)
    assert.strictEqual(await setUp(path, { action: "setup", state: "a conversation exists", params: {} }), 400)
    assert.strictEqual(await setUp(path, { action: "teardown", state: "a conversation exists", params: {} }), 204)
  })
})
