import { afterAll, assert, beforeAll, describe, it } from "vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { Webhooks } from "effect-highlevel"
import { Sandbox } from "effect-highlevel/testing"
import { once } from "node:events"
import { createServer, type IncomingHttpHeaders } from "node:http"
import { buffer } from "node:stream/consumers"
import { temporaryFiles } from "./bulk.ts"
import packageJson from "../package.json" with { type: "json" }
import * as Cli from "./cli.ts"
import { ids, runningLive } from "./harness.ts"
import { layerSandbox } from "./oauth.ts"
import * as Process from "./process.ts"

const { file } = temporaryFiles()
const script = "src/cli/main.ts"
const program = (args: ReadonlyArray<string>, env?: Record<string, string>) => Process.run(script, args, env)
// Time is virtual, and moves while nothing else does: retries are not waited for.
const run = (args: ReadonlyArray<string>, env?: Record<string, string>) =>
  Effect.runPromise(Effect.provide(runningLive(Cli.run(args, env)), TestClock.layer()))

const runtime = ManagedRuntime.make(layerSandbox())
let baseUrl = ""
beforeAll(async () => {
  baseUrl = await runtime.runPromise(Sandbox.url)
})
afterAll(() => runtime.dispose())

const environment = () => ({ HIGHLEVEL_TOKEN: "sandbox-token", HIGHLEVEL_BASE_URL: baseUrl })
const update = (...args: ReadonlyArray<string>) => [
  "update",
  ids.conversationId,
  "--location-id",
  ids.locationId,
  ...args
]

describe.concurrent("effect-highlevel", { timeout: 60_000 }, () => {
  /** A sandbox that is served, and what it prints. */
  const startSandbox = async (...args: ReadonlyArray<string>) => {
    const child = Process.start(script, ["sandbox", ...args])
    child.stdout.setEncoding("utf8")
    let banner = ""
    while (!/ connect\n/.test(banner)) banner += String((await once(child.stdout, "data"))[0])
    const end = async () => {
      child.kill("SIGINT")
      return (await once(child, "close"))[0]
    }
    return { banner, end }
  }
  const exported = (banner: string) =>
    Object.fromEntries(Array.from(banner.matchAll(/(HIGHLEVEL_\w+)=(\S+)/g), ([, name, value]) => [name, value]))

  it("sandbox prints its URL, its app, and commands to paste", async () => {
    const { banner, end } = await startSandbox("--conversations", "20")
    const { HIGHLEVEL_CLIENT_ID, HIGHLEVEL_CLIENT_SECRET, ...env } = exported(banner)
    assert.deepStrictEqual([HIGHLEVEL_CLIENT_ID, HIGHLEVEL_CLIENT_SECRET], ["sandbox-app", "sandbox-secret"])
    const page = /http\S+\/chooselocation/.exec(banner)?.[0] ?? ""
    const customer = new URLSearchParams({
      client_id: "sandbox-app",
      version_id: "sandbox",
      redirect_uri: "http://a.b/c"
    })
    const { headers } = await fetch(`${page}?${customer}`, { redirect: "manual" })
    assert.match(headers.get("location") ?? "", /^http:\/\/a\.b\/c\?code=/)
    const commands = banner
      .split("\n")
      .filter((line) => line.startsWith("effect-highlevel "))
      .map((line) => line.split(" ").slice(1))
    assert.deepStrictEqual(
      commands.map(([name]) => name),
      ["get", "update", "search", "mark-read"]
    )
    for (const [name, ...args] of commands) {
      const pasted = await program([name ?? "", ...args, ...(name === "mark-read" ? ["--yes"] : [])], env)
      assert.strictEqual(pasted.code, 0, `${name}: ${pasted.stderr}`)
      assert.notStrictEqual(pasted.stdout, "", name)
    }
    assert.strictEqual(await end(), 130)
  })

  it("sandbox starts with the conversations of a file, as search prints them", async () => {
    const lines = [`{"id":"a","locationId":"l","unreadCount":2,"fullName":"Ada","email":null,"sort":[1]}`, "", ""]
    const path = file(lines.join("\n"))
    const { banner, end } = await startSandbox("--conversations", path)
    const env = exported(banner)
    assert.include(banner, "effect-highlevel get a --location-id l\n")
    const found = await program(["search", "--location-id", "l", "--json"], env)
    assert.deepInclude(JSON.parse(found.stdout), { id: "a", unreadCount: 2, fullName: "Ada" })
    await end()
  })

  it.each([
    [`{"id":"a"}`, `line 1: Missing key at ["locationId"]`],
    [`{"id":"a","locationId":"l"}\n{"id":"a","locationId":"l","unreadCount":"two"}`, "line 2: Expected number"],
    [`oops`, "line 1: "]
  ])("sandbox does not start with %s", async (text, said) => {
    const { code, stderr, stdout } = await run(["sandbox", "--conversations", file(text)])
    assert.deepStrictEqual([code, stdout], [64, ""])
    assert.include(stderr, said)
  })

  it("sandbox --host 0.0.0.0 says that others reach it, and clients need HIGHLEVEL_ALLOW_INSECURE_HTTP", async () => {
    const { banner, end } = await startSandbox("--host", "0.0.0.0", "--port", "0")
    assert.include(banner, "Other machines can reach it")
    const { HIGHLEVEL_BASE_URL = "", HIGHLEVEL_TOKEN = "" } = exported(banner)
    assert.match(HIGHLEVEL_BASE_URL, /^http:\/\/127\.0\.0\.1:/)
    // A name of this machine that is not loopback to the client.
    const named = HIGHLEVEL_BASE_URL.replace("127.0.0.1", "0.0.0.0")
    const env = { HIGHLEVEL_TOKEN, HIGHLEVEL_BASE_URL: named }
    const refused = await program(update("--starred"), env)
    assert.deepStrictEqual([refused.code, refused.stderr.includes("allowInsecureHttp")], [64, true])
    const allowed = await program(update("--starred"), { ...env, HIGHLEVEL_ALLOW_INSECURE_HTTP: "true" })
    assert.strictEqual(allowed.code, 0, allowed.stderr)
    const off = await program(update("--starred"), { ...env, HIGHLEVEL_ALLOW_INSECURE_HTTP: "false" })
    assert.strictEqual(off.code, 64)
    await end()
  })

  it("sandbox --webhooks delivers what an update changed, signed with the key that it prints", async () => {
    let deliver: (delivery: { readonly headers: IncomingHttpHeaders; readonly body: Uint8Array }) => void = () => {}
    const delivered = new Promise<Parameters<typeof deliver>[0]>((resolve) => (deliver = resolve))
    const receiver = createServer(async (request, response) => {
      deliver({ headers: request.headers, body: await buffer(request) })
      response.end()
    }).listen(0, "127.0.0.1")
    await once(receiver, "listening")
    const address = receiver.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    const { banner, end } = await startSandbox("--webhooks", `http://127.0.0.1:${port}/webhooks`)
    const [, appId = "", key = ""] = /for the app (\S+), signed with the key\n(\S+)/.exec(banner) ?? []
    await program(update("--unread-count", "0"), exported(banner))
    const { body, headers } = await delivered
    const event = await Effect.runPromise(Webhooks.verify(headers, body, { appId, keys: [key] }))
    assert.deepInclude(event, { _tag: "ConversationUnreadUpdate", id: ids.conversationId, unreadCount: 0 })
    receiver.close()
    await end()
  })

  it("update prints the conversation as a table", async () => {
    const { code, stderr, stdout } = await run(update("--unread-count", "0", "--starred"), environment())
    assert.deepStrictEqual([code, stderr], [0, ""])
    assert.match(stdout, /^unreadCount {6}0$/m)
    assert.match(stdout, /^lastMessageDate {2}2021-08-03T16:27:33.263Z$/m)
  })

  it("update --json prints one line of JSON", async () => {
    const { code, stderr, stdout } = await run(update("--feedback", `{"a":1}`, "--json"), environment())
    assert.deepStrictEqual([code, stderr], [0, ""])
    assert.strictEqual(stdout.trimEnd().split("\n").length, 1)
    assert.deepInclude(JSON.parse(stdout), { id: ids.conversationId, lastMessageDate: "1628008053263" })
  })

  const failures: ReadonlyArray<
    readonly [title: string, args: ReadonlyArray<string>, env: Record<string, string>, code: number, tag: string]
  > = [
    ["no token", update("--starred"), { HIGHLEVEL_TOKEN: "" }, 64, "Usage"],
    ["an unknown flag", update("--strred"), {}, 64, "Usage"],
    ["a token as an argument", update("--starred", "--token", "t"), {}, 64, "Usage"],
    ["no location", ["update", ids.conversationId, "--starred"], {}, 64, "Usage"],
    ["nothing to change", update(), {}, 64, "Usage"],
    ["no command", [], {}, 64, "Usage"],
    ["an unknown version", update("--starred", "--api-version", "1999-01-01"), {}, 64, "Usage"],
    ["an unknown version in the environment", update("--starred"), { HIGHLEVEL_API_VERSION: "1999" }, 64, "Usage"],
    ["feedback that is an array", update("--feedback", "[]"), {}, 64, "Usage"],
    ["a port that is none", ["sandbox", "--port", "99999"], {}, 64, "Usage"],
    ["webhooks to no URL", ["sandbox", "--webhooks", "localhost"], {}, 64, "Usage"],
    ["a token that cannot be one", ["sandbox", "--token", "a b"], {}, 64, "Usage"],
    ["the wizard, which asks on stdout", update("--starred", "--wizard"), {}, 64, "Usage"],
    ["a count below zero", update("--unread-count=-1"), {}, 64, "InvalidRequest"],
    ["a path as id", ["update", "..", "--location-id", ids.locationId, "--starred"], {}, 64, "InvalidRequest"],
    ["a base URL in the clear", update("--starred", "--base-url", "http://example.com"), {}, 64, "InvalidOptions"],
    ["a refusal", ["update", "unknown", "--location-id", ids.locationId, "--starred"], {}, 65, "BadRequest"],
    ["a wrong token", update("--starred"), { HIGHLEVEL_TOKEN: "wrong" }, 77, "Unauthorized"],
    [
      "no server, after its retries",
      update("--starred", "--base-url", "http://127.0.0.1:59998"),
      {},
      75,
      "TransportFailure"
    ]
  ]

  it.each(failures)("%s: exit code %#", async (_, args, env, code, tag) => {
    const human = await run(args, { ...environment(), ...env })
    assert.deepStrictEqual([human.code, human.stdout], [code, ""])
    assert.notStrictEqual(human.stderr, "")
    assert.throws(() => JSON.parse(human.stderr))
    const machine = await run([...args, "--json"], { ...environment(), ...env })
    assert.deepStrictEqual([machine.code, machine.stdout], [code, ""])
    assert.strictEqual(JSON.parse(machine.stderr)._tag, tag)
    assert.notInclude(human.stderr + machine.stderr, "sandbox-token")
  })

  it("--json is the flag, not the word", async () => {
    const off = await run(["update", "unknown", "--location-id", "l", "--starred", "--json", "false"], environment())
    assert.throws(() => JSON.parse(off.stderr))
    const on = await run(["update", "unknown", "--location-id", "l", "--starred", "--json=true"], environment())
    assert.strictEqual(JSON.parse(on.stderr)._tag, "BadRequest")
    const id = await run(["update", "--location-id", "l", "--starred", "--", "--json"], environment())
    assert.include(id.stderr, "Conversation with id --json not found")
  })

  it("help and version that were asked for are output", async () => {
    const help = await run(["update", "--help"])
    assert.deepStrictEqual([help.code, help.stderr], [0, ""])
    assert.include(help.stdout, "--no-starred")
    assert.include((await run(["--version"])).stdout, packageJson.version)
  })
})
