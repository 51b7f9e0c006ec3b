/** `npm run contracts:live`, against the sandbox in both of its modes. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { Sandbox } from "effect-highlevel/testing"
import { createServer } from "node:http"
import { assert, describe, it } from "vitest"
import * as Process from "../test/process.ts"

const run = (env: Record<string, string>) => Process.run("contracts/live.ts", [], env)

const { id, locationId } = Sandbox.documentedConversation

const against = (options: Sandbox.Options, token = Sandbox.defaultToken) =>
  Effect.gen(function* () {
    const HIGHLEVEL_BASE_URL = yield* Sandbox.url
    const ran = yield* Effect.promise(() =>
      run({
        HIGHLEVEL_BASE_URL,
        HIGHLEVEL_TOKEN: token,
        HIGHLEVEL_LOCATION_ID: locationId,
        HIGHLEVEL_CONVERSATION_ID: id
      })
    )
    const sandbox = yield* Sandbox.Sandbox
    return { ...ran, requests: yield* sandbox.requests, after: Option.getOrThrow(yield* sandbox.conversation(id)) }
  }).pipe(
    Effect.provide(
      Sandbox.layerServer(options).pipe(
        Layer.provideMerge(NodeHttpServer.layer(() => createServer(), { port: 0, host: "127.0.0.1" }))
      )
    ),
    Effect.runPromise
  )

describe("contracts:live", () => {
  it("says what it needs and exits 64", async () => {
    const { code, stderr, stdout } = await run({})
    assert.deepStrictEqual([code, stdout], [64, ""])
    for (const name of ["HIGHLEVEL_TOKEN", "HIGHLEVEL_LOCATION_ID", "HIGHLEVEL_CONVERSATION_ID"]) {
      assert.include(stderr, name)
    }
  })

  it("finds no drift in documented responses, and sets back what it changed", async () => {
    const { after, code, requests, stdout } = await against({ responses: "documented" })
    assert.strictEqual(stdout, "Set back: unreadCount, starred\nNo drift: the responses are as documented.\n")
    assert.strictEqual(code, 0)
    assert.deepInclude(after, { unreadCount: 1, starred: false })
    assert.deepStrictEqual(
      requests.map(({ body }) => JSON.parse(body)),
      [{ locationId }, { locationId, unreadCount: 0, starred: true }, { locationId, unreadCount: 1, starred: false }]
    )
  })

  it("reports the drift of observed responses, types only, and what it could not set back", async () => {
    const { after, code, stdout } = await against({ responses: "observed" })
    assert.strictEqual(code, 1)
    assert.include(stdout, "Set back: starred\n")
    assert.include(stdout, "Could not set back, because the first response did not show it: unreadCount\n")
    for (const line of [
      "traceId: not documented, received as string",
      "conversation.lastMessageType: documented as string, received as number",
      "conversation.unreadCount: documented as number, missing",
      "conversation.dateAdded: not documented, received as string"
    ]) {
      assert.include(stdout, line)
    }
    assert.isFalse(after.starred)
    for (const value of [id, "2026-07-17", "00000000-0000"]) assert.notInclude(stdout, value)
  })

  it("exits 77 for a wrong token, without repeating it", async () => {
    const { code, stderr } = await against({}, "a-wrong-token")
    assert.strictEqual(code, 77)
    assert.include(stderr, "Unauthorized (401)")
    assert.notInclude(stderr, "a-wrong-token")
  })
})
