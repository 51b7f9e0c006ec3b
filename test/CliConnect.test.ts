import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Sandbox } from "effect-highlevel/testing"
import { once } from "node:events"
import { mkdtempSync, readdirSync, readFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Cli from "./cli.ts"
import { ids, layerSandbox, locationId } from "./oauth.ts"
import * as Process from "./process.ts"

const freePort = Effect.promise(async () => {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  await new Promise((closed) => server.close(closed))
  return typeof address === "object" && address !== null ? address.port : 0
})

/** A user of the command with a home of his own. */
const makeUser = Effect.gen(function* () {
  const home = mkdtempSync(join(tmpdir(), "home-"))
  const env: Record<string, string> = {
    HOME: home,
    HIGHLEVEL_CLIENT_ID: "sandbox-app",
    HIGHLEVEL_CLIENT_SECRET: "sandbox-secret",
    HIGHLEVEL_BASE_URL: yield* Sandbox.url
  }
  return { env, home, run: (...args: ReadonlyArray<string>) => Cli.run(args, env) }
})

/** `connect`, once it has printed its page. */
const startConnect = Effect.fnUntraced(function* (env: Record<string, string>, ...args: ReadonlyArray<string>) {
  const port = yield* freePort
  const redirectUri = `http://127.0.0.1:${port}/back`
  const child = Process.start(
    "src/cli/main.ts",
    ["connect", "--no-browser", "--redirect-uri", redirectUri, ...args],
    env
  )
  let [stdout, stderr] = ["", ""]
  child.stdout.setEncoding("utf8").on("data", (text) => (stdout += text))
  child.stderr.setEncoding("utf8").on("data", (text) => (stderr += text))
  const closed = once(child, "close")
  while (!/^http.*\n/m.test(stderr)) yield* Effect.sleep("10 millis")
  const [page = ""] = /^http.*$/m.exec(stderr) ?? []
  const ended = Effect.promise(async () => {
    const [code] = await closed
    return { code, stdout, stderr }
  })
  return { page, redirectUri, ended }
})

const get = (url: string) =>
  Effect.promise(async () => {
    const response = await fetch(url)
    return { status: response.status, text: await response.text() }
  })

const filesIn = (folder: string) =>
  readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())

describe("effect-highlevel connect", { timeout: 30_000 }, () => {
  it.live(
    "stores the tokens of whoever follows its page, where update finds them; accounts lists and removes them",
    () =>
      Effect.gen(function* () {
        const { env, home, run } = yield* makeUser
        const { ended, page, redirectUri } = yield* startConnect(env)
        assert.strictEqual(new URL(page).pathname, "/v2/oauth/chooselocation")
        // A redirect that this command did not begin does not end it.
        assert.strictEqual((yield* get(`${redirectUri}?code=stolen&state=other`)).status, 400)
        assert.strictEqual((yield* get(`${redirectUri}?code=a&code=b`)).status, 400)
        const shown = yield* get(page)
        assert.deepStrictEqual(shown, {
          status: 200,
          text: `Connected location ${locationId}. You can close this window.`
        })
        const connected = yield* ended
        assert.deepStrictEqual([connected.code, connected.stdout], [0, `Connected location ${locationId}.\n`])
        const [file] = filesIn(join(home, ".config", "effect-highlevel", "tokens"))
        assert.isDefined(file)

        assert.strictEqual((yield* run("update", ids.conversationId, "--location-id", locationId, "--starred")).code, 0)
        const scopes = "(conversations.readonly conversations.write)"
        const listed = yield* run("accounts")
        assert.deepStrictEqual(
          [listed.stdout, listed.stderr],
          [`Location ${locationId} of agency sandbox-company ${scopes}\n`, ""]
        )
        assert.deepInclude(JSON.parse((yield* run("accounts", "--json")).stdout), { userType: "Location", locationId })

        const unknown = yield* run("accounts", "--disconnect", "somebody")
        assert.deepStrictEqual(
          [unknown.code, unknown.stderr],
          [64, "No account somebody is connected: effect-highlevel accounts lists them.\n"]
        )
        const removed = yield* run("accounts", "--disconnect", locationId)
        assert.deepStrictEqual([removed.code, removed.stdout], [0, listed.stdout])
        const none = yield* run("accounts")
        assert.deepStrictEqual([none.stdout, none.stderr], ["", "No account is connected: effect-highlevel connect\n"])
        const after = yield* run("update", ids.conversationId, "--location-id", locationId, "--starred")
        assert.strictEqual(after.code, 77)
        for (const { name, parentPath } of filesIn(home)) {
          assert.notInclude(readFileSync(join(parentPath, name), "utf8"), "Token")
        }
      }).pipe(Effect.provide(layerSandbox()))
  )

  it.live("connects an agency with its locations, and encrypts its tokens where there is a key", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const { env, home, run } = yield* makeUser
      const key = Buffer.alloc(32, 7).toString("base64")
      const scopes = ["conversations.write", "oauth.readonly", "oauth.write"].flatMap((scope) => ["--scope", scope])
      const { ended, page, redirectUri } = yield* startConnect(
        { ...env, HIGHLEVEL_TOKENS_KEY: key },
        "--json",
        ...scopes
      )
      const { code, state } = yield* sandbox.approve(page, { userType: "Company" })
      const shown = yield* get(`${redirectUri}?${new URLSearchParams({ code, state: state ?? "" })}`)
      assert.strictEqual(shown.text, "Connected agency sandbox-company with 1 location. You can close this window.")
      const connected = yield* ended
      assert.strictEqual(connected.code, 0, connected.stderr)
      const { locations, userType } = JSON.parse(connected.stdout)
      assert.deepStrictEqual([userType, locations.length, locations[0].locationId], ["Company", 1, locationId])
      for (const { name, parentPath } of filesIn(home)) {
        assert.match(readFileSync(join(parentPath, name), "utf8"), /^(encrypted:1:|$)/)
      }
      const update = ["update", ids.conversationId, "--location-id", locationId, "--starred"]
      const withoutKey = yield* run(...update)
      assert.deepStrictEqual(
        [withoutKey.code, withoutKey.stderr.includes("are encrypted, and no key was given")],
        [77, true]
      )
      const withKey = yield* Cli.run(update, { ...env, HIGHLEVEL_TOKENS_KEY: key })
      assert.strictEqual(withKey.code, 0, withKey.stderr)
    }).pipe(Effect.provide(layerSandbox()))
  )

  it.live("says why nothing was connected", () =>
    Effect.gen(function* () {
      const { env, run } = yield* makeUser
      const denied = yield* startConnect(env)
      const state = new URL(denied.page).searchParams.get("state") ?? ""
      yield* get(`${denied.redirectUri}?${new URLSearchParams({ error: "access_denied", state })}`)
      const { code, stderr } = yield* denied.ended
      assert.strictEqual(code, 77)
      assert.include(stderr, "Not connected: Denied: access_denied")

      const busy = yield* startConnect(env)
      const second = yield* run("connect", "--no-browser", "--redirect-uri", busy.redirectUri)
      assert.deepStrictEqual([second.code, second.stderr.includes("EADDRINUSE")], [70, true])
      const { code: approved, state: sent } = yield* (yield* Sandbox.Sandbox).approve(busy.page)
      yield* get(`${busy.redirectUri}?${new URLSearchParams({ code: approved, state: sent ?? "" })}`)
      assert.strictEqual((yield* busy.ended).code, 0)

      assert.strictEqual((yield* run("connect", "--redirect-uri", "nope")).code, 64)
      const refused = yield* run("connect", "--no-browser", "--redirect-uri", "http://localhost:1/ghl")
      assert.deepStrictEqual([refused.code, refused.stderr.includes("redirectUri")], [64, true])
      const https = yield* run("connect", "--no-browser", "--redirect-uri", "https://app.example/callback")
      assert.deepStrictEqual([https.code, https.stderr.includes("needs --port")], [64, true])
      const withoutApp = yield* Cli.run(["connect", "--no-browser"], { HOME: "/nowhere" })
      assert.deepStrictEqual(
        [withoutApp.code, withoutApp.stderr],
        [64, "No app: set HIGHLEVEL_CLIENT_ID to that of your app in HighLevel's marketplace.\n"]
      )
      const badKey = yield* Cli.run(["accounts"], { ...env, HIGHLEVEL_TOKENS_KEY: "short" })
      assert.deepStrictEqual([badKey.code, badKey.stderr.startsWith("HIGHLEVEL_TOKENS_KEY: expected 32")], [64, true])
    }).pipe(Effect.provide(layerSandbox()))
  )
})
