import { afterAll, assert, beforeAll, describe, it } from "vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { Webhooks } from "effect-highlevel"
import { Sandbox } from "effect-highlevel/testing"
import { once } from "node:events"
import { createServer, type IncomingHttpHeaders } from "node:http"
import { buffer } from "node:stream/consumers"
import packageJson from "../package.json" with { type: "json" }
import * as Cli from "./cli.ts"
import { ids, runningLive } from "./harness.ts"
import { layerSandbox } from "./oauth.ts"
import * as Process from "./process.ts"

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
  it("sandbox prints its URL and a command to paste", async () => {
    const child = Process.start(script, ["sandbox"])
    child.stdout.setEncoding("utf8")
    let banner = ""
    while (!banner.includes("--base-url")) banner += String((await once(child.stdout, "data"))[0])
    const line = banner.split("\n").find((line) => line.includes("--base-url")) ?? ""
    assert.match(line, /^HIGHLEVEL_TOKEN=sandbox-token effect-highlevel update /)
    const pasted = await program(line.split(" ").slice(2), { HIGHLEVEL_TOKEN: "sandbox-token" })
    assert.strictEqual(pasted.code, 0)
    child.kill("SIGINT")
    assert.strictEqual((await once(child, "close"))[0], 130)
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
    const child = Process.start(script, ["sandbox", "--webhooks", `http://127.0.0.1:${port}/webhooks`])
    child.stdout.setEncoding("utf8")
    let banner = ""
    while (!banner.includes("for the app")) banner += String((await once(child.stdout, "data"))[0])
    const [, url = ""] = /--base-url (\S+)/.exec(banner) ?? []
    const [, appId = "", key = ""] = /for the app (\S+), signed with the key\n(\S+)/.exec(banner) ?? []
    await program(update("--unread-count", "0", "--base-url", url), { HIGHLEVEL_TOKEN: "sandbox-token" })
    const { body, headers } = await delivered
    const event = await Effect.runPromise(Webhooks.verify(headers, body, { appId, keys: [key] }))
    assert.deepInclude(event, { _tag: "ConversationUnreadUpdate", id: ids.conversationId, unreadCount: 0 })
    receiver.close()
    child.kill("SIGINT")
    assert.strictEqual((await once(child, "close"))[0], 130)
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
