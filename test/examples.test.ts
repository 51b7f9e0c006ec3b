import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Sandbox } from "effect-highlevel/testing"
import { once } from "node:events"
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "vitest"
import { freePort } from "./redis.ts"
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

  it("oauth connects a customer, updates in his name, and asks to reconnect when only that helps", async () => {
    const tokens = mkdtempSync(join(tmpdir(), "tokens-"))
    const port = await freePort()
    const drive = Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const child = Process.start("examples/oauth.ts", [], {
        HIGHLEVEL_BASE_URL: yield* Sandbox.url,
        HIGHLEVEL_CLIENT_ID: Sandbox.defaultApp.clientId,
        HIGHLEVEL_CLIENT_SECRET: "sandbox-secret",
        PORT: String(port),
        TOKENS: tokens
      })
      const closed = once(child, "close")
      let output = ""
      for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (output += text))
      const origin = `http://localhost:${port}`
      const get = (url: string, headers: Record<string, string> = {}, method = "GET") =>
        Effect.promise(async () => {
          const response = await fetch(url, { method, headers, redirect: "manual" })
          const [cookie = ""] = response.headers.getSetCookie()
          const location = response.headers.get("location") ?? ""
          return { status: response.status, location, cookie, text: await response.text() }
        })
      const { id, locationId } = Sandbox.documentedConversation
      while (!output.includes("Listening")) yield* Effect.promise(() => once(child.stdout, "data"))

      // A browser: install, choose, come back.
      const install = yield* get(`${origin}/install`)
      assert.match(install.cookie, /^highlevel_state=[\w-]{43}; Max-Age=600; Path=\/callback; HttpOnly; SameSite=Lax$/)
      const page = yield* get(install.location)
      assert.isTrue(page.location.startsWith(`${origin}/callback?code=`), page.location)
      const [cookie = ""] = install.cookie.split(";")
      const stranger = yield* get(page.location, { cookie: "highlevel_state=another" })
      assert.strictEqual(stranger.status, 400)
      assert.include(stranger.text, "StateMismatch")
      const connected = yield* get(page.location, { cookie })
      assert.deepStrictEqual([connected.status, connected.text], [200, `Connected location ${locationId}`])
      const again = yield* get(page.location, { cookie })
      assert.include(again.text, "invalid_grant")

      // The app, in his name; and after he has thrown it out.
      const read = yield* get(`${origin}/read/${locationId}/${id}`, {}, "POST")
      assert.deepStrictEqual([read.status, read.text], [200, "Unread messages: 0"])
      yield* sandbox.reset
      const thrownOut = yield* get(`${origin}/read/${locationId}/${id}`, {}, "POST")
      assert.strictEqual(thrownOut.status, 502)
      assert.strictEqual((yield* get(`${origin}/read/other/${id}`, {}, "POST")).status, 409)

      child.kill("SIGINT")
      yield* Effect.promise(() => closed)
      assert.notInclude(output, "sandbox-secret")
      assert.notMatch(output, /sandbox-(?:access|refresh|code)/)
      assert.strictEqual(readdirSync(tokens).length, 1)
    })
    await Effect.runPromise(
      drive.pipe(
        Effect.provide(
          Sandbox.layerServer().pipe(
            Layer.provideMerge(NodeHttpServer.layer(() => createServer(), { port: 0, host: "127.0.0.1" }))
          )
        )
      )
    )
    rmSync(tokens, { recursive: true })
  })
})
