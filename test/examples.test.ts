// Registers its own tests: the suite of an application.
import "../examples/testing.test.ts"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { build } from "esbuild"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import { OAuth, TokenStore } from "effect-highlevel"
import { Sandbox } from "effect-highlevel/testing"
import { once } from "node:events"
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it, onTestFinished } from "vitest"
import webhooksWorker, { type Environment as WebhooksEnvironment } from "../examples/webhooks-worker.ts"
import worker, { type Environment } from "../examples/worker.ts"
import { freePort } from "./redis.ts"
import * as Process from "./process.ts"

const run = (example: string) => Process.run(`examples/${example}.ts`)

const SandboxServer = Sandbox.layerServer().pipe(
  Layer.provideMerge(NodeHttpServer.layer(() => createServer(), { port: 0, host: "127.0.0.1" }))
)

/** An example that serves, once it listens; with what it printed, when it ends. It ends with the scope at the latest. */
const serve = Effect.fnUntraced(function* (example: string, env: Record<string, string>) {
  const child = yield* Effect.acquireRelease(
    Effect.sync(() => Process.start(`examples/${example}.ts`, [], env)),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  )
  const closed = once(child, "close")
  let output = ""
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (output += text))
  while (!output.includes("Listening")) {
    yield* Effect.promise(() => Promise.race([once(child.stdout, "data"), closed]))
    assert.isNull(child.exitCode, output)
  }
  return {
    end: Effect.promise(async () => {
      child.kill("SIGINT")
      await closed
      return output
    })
  }
})

/** A folder that goes with its test. */
const temporary = () => {
  const path = mkdtempSync(join(tmpdir(), "tokens-"))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}

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
    for (const name of ["Conversations.update", "rate_limit.wait", "retry", "highlevel_calls", "highlevel_attempts"]) {
      assert.include(stdout, name)
    }
  })

  it("oauth connects a customer, updates in his name, and asks to reconnect when only that helps", async () => {
    const tokens = temporary()
    const port = await freePort()
    const drive = Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const server = yield* serve("oauth", {
        HIGHLEVEL_BASE_URL: yield* Sandbox.url,
        HIGHLEVEL_CLIENT_ID: Sandbox.defaultApp.clientId,
        HIGHLEVEL_CLIENT_SECRET: "sandbox-secret",
        PORT: String(port),
        TOKENS: tokens
      })
      const origin = `http://localhost:${port}`
      const get = (url: string, headers: Record<string, string> = {}, method = "GET") =>
        Effect.promise(async () => {
          const response = await fetch(url, { method, headers, redirect: "manual" })
          const [cookie = ""] = response.headers.getSetCookie()
          const location = response.headers.get("location") ?? ""
          return { status: response.status, location, cookie, text: await response.text() }
        })
      const { id, locationId } = Sandbox.documentedConversation

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

      const output = yield* server.end
      assert.notInclude(output, "sandbox-secret")
      assert.notMatch(output, /sandbox-(?:access|refresh|code)/)
      assert.strictEqual(readdirSync(tokens).length, 1)
    })
    await Effect.runPromise(drive.pipe(Effect.scoped, Effect.provide(SandboxServer)))
  })

  it("contacts lists contacts through the client's HttpClient", async () => {
    assert.deepStrictEqual(await run("contacts"), { code: 0, stdout: "ada@example.com\n", stderr: "" })
  })

  it("locations updates several locations at once, each with its token and its quota", async () => {
    const { code, stdout } = await run("locations")
    assert.strictEqual(code, 0)
    assert.match(
      stdout,
      /^berlin: 10 Applied\nlondon: 10 Applied\nlisbon: 2 Failed, 8 NotSent\n20 requests in \d+ ms, 0 of them over a quota\n$/
    )
  })

  it("server answers each error with what to do about it", async () => {
    const drive = Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const port = yield* Effect.promise(freePort)
      const { id, locationId } = Sandbox.documentedConversation
      const server = yield* serve("server", {
        HIGHLEVEL_BASE_URL: yield* Sandbox.url,
        HIGHLEVEL_LOCATION_ID: locationId,
        HIGHLEVEL_TOKEN: Sandbox.defaultToken,
        PORT: String(port)
      })
      const read = (conversationId: string) =>
        Effect.promise(async () => {
          const response = await fetch(`http://127.0.0.1:${port}/conversations/${conversationId}/read`, {
            method: "POST"
          })
          return [response.status, response.headers.get("content-type") === null ? undefined : await response.json()]
        })
      assert.deepStrictEqual(yield* read(id), [200, { unreadCount: 0 }])
      assert.deepStrictEqual(yield* read("unknown"), [
        422,
        { _tag: "Refused", messages: ["Conversation with id unknown not found"] }
      ])
      assert.strictEqual((yield* read("%01"))[0], 400)

      yield* sandbox.refuse({ status: 403, body: { message: "Forbidden" } })
      assert.deepStrictEqual(yield* read(id), [422, { _tag: "Refused", messages: ["Forbidden"] }])
      yield* sandbox.refuse({ status: 501 })
      assert.deepStrictEqual(yield* read(id), [422, { _tag: "Refused", messages: ["Refused with 501"] }])
      yield* sandbox.refuse({ status: 200, body: "" })
      assert.deepStrictEqual(yield* read(id), [200, { unreadCount: 0 }])
      yield* sandbox.refuse({ status: 401 })
      assert.deepStrictEqual(yield* read(id), [
        409,
        { _tag: "ReconnectFirst", messages: ["Invalid token: access token is invalid"] }
      ])
      yield* sandbox.limit({ daily: 1 })
      const [status, spent] = yield* read(id)
      assert.strictEqual(status, 429)
      assert.match(JSON.stringify(spent), /^{"_tag":"SpentForToday","resetsAt":"\d{4}-\d\d-\d\dT[^"]+Z"}$/)

      const openApi = yield* Effect.promise(() => fetch(`http://127.0.0.1:${port}/openapi.json`))
      assert.include(yield* Effect.promise(() => openApi.text()), "/conversations/{conversationId}/read")
      const output = yield* server.end
      assert.notInclude(output, Sandbox.defaultToken)
    })
    await Effect.runPromise(drive.pipe(Effect.scoped, Effect.provide(SandboxServer)))
  })

  it("worker answers with web standards alone", async () => {
    const { warnings } = await build({
      entryPoints: ["examples/worker.ts"],
      conditions: ["effect-highlevel-source"],
      bundle: true,
      write: false,
      format: "esm",
      platform: "browser",
      logLevel: "silent"
    })
    assert.deepStrictEqual(warnings, [])

    const drive = Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const { id, locationId } = Sandbox.documentedConversation
      const environment: Environment = {
        HIGHLEVEL_TOKEN: Sandbox.defaultToken,
        HIGHLEVEL_LOCATION_ID: locationId,
        HIGHLEVEL_BASE_URL: yield* Sandbox.url
      }
      const post = (path: string) =>
        Effect.promise(async () => {
          const response = await worker.fetch(
            new Request(`https://worker.example${path}`, { method: "POST" }),
            environment
          )
          return [response.status, await response.text()]
        })
      assert.deepStrictEqual(yield* post(`/conversations/${id}/read`), [200, `{"unreadCount":0}`])
      assert.deepStrictEqual(yield* post("/conversations/unknown/read"), [
        422,
        `{"messages":["Conversation with id unknown not found"]}`
      ])
      assert.deepStrictEqual(yield* post("/"), [404, "Not found"])
      yield* sandbox.refuse({ status: 401 })
      assert.deepStrictEqual(yield* post(`/conversations/${id}/read`), [503, `{"error":"Unauthorized"}`])
      assert.strictEqual((yield* sandbox.applied).length, 1)
    })
    await Effect.runPromise(drive.pipe(Effect.scoped, Effect.provide(SandboxServer)))
  })

  it("webhooks stars what is urgent, marks read what was answered, and keeps the accounts", async () => {
    const tokens = temporary()
    const port = await freePort()
    const { id: conversationId, locationId } = Sandbox.documentedConversation
    const drive = Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const oauth = yield* OAuth.OAuth
      const { refreshToken } = yield* sandbox.issue({ locationId })
      yield* oauth.importRefreshToken({ locationId }, refreshToken)
      const webhookKey = yield* sandbox.webhookKey
      const server = yield* serve("webhooks", {
        HIGHLEVEL_BASE_URL: yield* Sandbox.url,
        HIGHLEVEL_CLIENT_ID: Sandbox.defaultApp.clientId,
        HIGHLEVEL_CLIENT_SECRET: "sandbox-secret",
        HIGHLEVEL_WEBHOOK_KEY: webhookKey,
        PORT: String(port),
        TOKENS: tokens
      })
      const changes = Effect.map(sandbox.applied, (all) =>
        all.map(({ starred, unreadCount }) => ({ starred, unreadCount }))
      )
      const eventually = (count: number) =>
        Effect.gen(function* () {
          while ((yield* changes).length < count) yield* Effect.sleep("5 millis")
        })

      yield* sandbox.receive({ conversationId, body: "Hello" })
      yield* sandbox.receive({ conversationId, body: "This is URGENT!" })
      yield* eventually(1)
      yield* sandbox.receive({ conversationId, body: "We are closed", direction: "outbound" })
      yield* sandbox.receive({ conversationId, body: "I am on it", direction: "outbound", userId: "user" })
      yield* eventually(2)
      assert.deepStrictEqual(yield* changes, [
        { starred: true, unreadCount: undefined },
        { starred: undefined, unreadCount: 0 }
      ])

      // A conversation that does not exist is not asked for again; forgeries reach nothing.
      const urgent = { type: "InboundMessage", body: "urgent", conversationId: "unknown", locationId }
      const url = `http://127.0.0.1:${port}/webhooks`
      assert.deepStrictEqual(yield* sandbox.deliver(url, urgent), { attempts: 1, status: 200 })
      const forged = yield* Effect.promise(() =>
        fetch(url, { method: "POST", body: JSON.stringify({ ...urgent, conversationId }) })
      )
      assert.strictEqual(forged.status, 401)
      assert.lengthOf(yield* changes, 2)

      assert.isTrue(yield* oauth.isConnected({ locationId }))
      yield* sandbox.uninstall({ locationId })
      while (yield* oauth.isConnected({ locationId })) yield* Effect.sleep("5 millis")
      const output = yield* server.end
      assert.notInclude(output, "sandbox-secret")
      assert.notMatch(output, /sandbox-(?:access|refresh)|urgent/i)
    })
    const OAuthLayer = Layer.unwrap(
      Effect.map(Sandbox.url, (baseUrl) => OAuth.layer({ ...Sandbox.defaultApp, baseUrl }))
    ).pipe(
      Layer.provide(TokenStore.layerFile({ directory: tokens })),
      Layer.provide([FetchHttpClient.layer, NodeServices.layer])
    )
    const layer = OAuthLayer.pipe(
      Layer.provideMerge(Sandbox.layerServer({ webhooks: `http://127.0.0.1:${port}/webhooks` })),
      Layer.provideMerge(NodeHttpServer.layer(() => createServer(), { port: 0, host: "127.0.0.1" }))
    )
    await Effect.runPromise(drive.pipe(Effect.scoped, Effect.provide(layer)))
  })

  it("webhooks-worker verifies with web standards alone", async () => {
    const { warnings } = await build({
      entryPoints: ["examples/webhooks-worker.ts"],
      conditions: ["effect-highlevel-source"],
      bundle: true,
      write: false,
      format: "esm",
      platform: "browser",
      logLevel: "silent"
    })
    assert.deepStrictEqual(warnings, [])

    const drive = Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const { id: conversationId, locationId } = Sandbox.documentedConversation
      const environment: WebhooksEnvironment = {
        HIGHLEVEL_TOKEN: Sandbox.defaultToken,
        HIGHLEVEL_APP_ID: "sandbox",
        HIGHLEVEL_BASE_URL: yield* Sandbox.url,
        HIGHLEVEL_WEBHOOK_KEY: yield* sandbox.webhookKey
      }
      const deliver = (event: Sandbox.WebhookEvent) =>
        sandbox
          .deliver("https://worker.example/webhooks", event, { attempts: 2, delay: 0 })
          .pipe(
            Effect.provideService(FetchHttpClient.Fetch, (input, init) =>
              webhooksWorker.fetch(new Request(input, init), environment)
            )
          )
      const answered = { type: "OutboundMessage", conversationId, locationId, userId: "user" }
      assert.deepStrictEqual(yield* deliver(answered), { attempts: 1, status: 200 })
      assert.deepStrictEqual(yield* deliver({ ...answered, userId: null }), { attempts: 1, status: 200 })
      assert.deepStrictEqual(yield* deliver({ ...answered, appId: "another" }), { attempts: 2, status: 401 })
      assert.deepStrictEqual(yield* deliver({ ...answered, conversationId: "unknown" }), { attempts: 2, status: 500 })
      assert.lengthOf(yield* sandbox.applied, 1)
    })
    await Effect.runPromise(drive.pipe(Effect.scoped, Effect.provide(SandboxServer)))
  })
})
