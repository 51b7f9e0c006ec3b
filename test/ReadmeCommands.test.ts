/** The commands and programs of the pages, as they stand, against the sandbox that they start. */
import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, join, resolve } from "node:path"
import { promisify } from "node:util"
import { afterAll, assert, describe, it } from "vitest"
import { outcomeLines } from "./bulk.ts"
import { bundleOf } from "./programs.ts"
import { freePort } from "./redis.ts"

const exists = (command: string) => {
  try {
    execFileSync("sh", ["-c", `command -v ${command}`])
    return true
  } catch {
    return false
  }
}
const hasTools = process.platform !== "win32" && exists("jq")
if (!hasTools) console.warn("there is no jq: the test of the pages' commands is SKIPPED")

/** The code block of a page that begins with these characters. */
const block = (page: string, beginning: string) => {
  const blocks = readFileSync(page, "utf8").matchAll(/^```.*\n([\s\S]*?)^```$/gm)
  const found = Array.from(blocks, ([, code = ""]) => code).find((code) => code.startsWith(beginning))
  assert(found !== undefined, `${page} has no block that begins with ${beginning}`)
  return found
}

/** The program of a page: the block with its file name. */
const program = (page: string, file: string) => {
  const [, code] = new RegExp(`^\`\`\`ts ${file.replace(".", "\\.")}\n([\\s\\S]*?)^\`\`\`$`, "m").exec(
    readFileSync(page, "utf8")
  ) ?? ["", undefined]
  assert(code !== undefined, `${page} has no ${file}`)
  return code
}

const directory = mkdtempSync(join(tmpdir(), "readme-"))
mkdirSync("build", { recursive: true })
// In this package, so that a program finds it by its name.
const programs = mkdtempSync(join("build", "pages-"))
const running: Array<ChildProcess> = []
afterAll(() => {
  for (const child of running) child.kill("SIGINT")
  rmSync(directory, { recursive: true })
  rmSync(programs, { recursive: true })
})

// The installed command.
const bin = join(directory, "effect-highlevel")
writeFileSync(bin, `#!/bin/sh\nexec "${process.execPath}" "${resolve(bundleOf("src/cli/main.ts"))}" "$@"\n`)
chmodSync(bin, 0o755)
const path = `${directory}${delimiter}${process.env["PATH"] ?? ""}`
const env = { PATH: path, HOME: directory, NO_COLOR: "1", NODE_OPTIONS: "--conditions=effect-highlevel-source" }

/** Starts a command and waits until it has printed something. */
const start = async (command: string, variables: Record<string, string> = {}) => {
  const child = spawn("sh", ["-c", `exec ${command}`], {
    env: { ...env, ...variables },
    stdio: ["ignore", "pipe", "inherit"]
  })
  running.push(child)
  const printed = { text: "" }
  child.stdout.setEncoding("utf8").on("data", (text) => (printed.text += text))
  await once(child.stdout, "data")
  return { child, printed }
}

const sh = (commands: string, variables: Record<string, string> = {}) =>
  promisify(execFile)("sh", ["-e", "-c", commands], { env: { ...env, ...variables }, cwd: directory })

/** Runs the commands of a page against the sandbox of that page. */
const inSandbox = async (page: string) => {
  // The port of the page may be in use here.
  const port = String(await freePort())
  const written = (code: string) => code.replaceAll("4010", port)
  const { child } = await start(written(block(page, "effect-highlevel sandbox")))
  return await sh(written(block(page, "export HIGHLEVEL_BASE_URL"))).finally(() => child.kill("SIGINT"))
}

const countsOf = (stdout: string) => {
  const outcomes = outcomeLines(
    stdout
      .split("\n")
      .filter((line) => line.includes(`"outcome":`))
      .join("\n") + "\n"
  )
  const counts = new Map<string, number>()
  for (const { outcome } of outcomes) counts.set(outcome, (counts.get(outcome) ?? 0) + 1)
  return Object.fromEntries(counts)
}

describe.skipIf(!hasTools)("the pages, as they stand", () => {
  it("README.md marks everything as read", { timeout: 60_000 }, async () => {
    const { stderr, stdout } = await inSandbox("README.md")
    assert.deepStrictEqual(countsOf(stdout), { Applied: 30 })
    assert.match(stderr, /^30 conversations: 30 marked as read in/m)
  })

  it("docs/cli.md reads, updates, searches and marks as read", { timeout: 60_000 }, async () => {
    const { stderr, stdout } = await inSandbox("docs/cli.md")
    const lines = stdout.split("\n")
    assert.match(lines[0] ?? "", /^id +conversation-000001$/)
    const updated = lines.find((line) => line.startsWith(`{"id":"conversation-000001"`)) ?? ""
    assert.deepInclude(JSON.parse(updated), { unreadCount: 0, starred: true })
    const table = lines.slice(lines.findIndex((line) => line.startsWith("ID ")) + 1)
    assert.match(table[0] ?? "", /^conversation-000092 +Contact 92 +1 /)
    assert.notMatch(table[10] ?? "", /^conversation-/)
    assert.deepStrictEqual(countsOf(stdout), { Applied: 3 + 29, Planned: 29 })
    assert.match(stderr, /^29 conversations: 29 marked as read in/m)
  })

  it("docs/getting-started.md sends a first update, and meets a first error", { timeout: 60_000 }, async () => {
    const page = "docs/getting-started.md"
    const port = String(await freePort())
    await start(block(page, "npx effect-highlevel sandbox").replace("npx ", "").replace("4010", port))
    const file = join(programs, "first.ts")
    writeFileSync(file, program(page, "first.ts"))
    const command = block(page, "HIGHLEVEL_BASE_URL")
      .replace("4010", port)
      .replace("node first.ts", `"${process.execPath}" "${resolve(file)}"`)
    assert.strictEqual((await sh(command)).stdout, "unread: 0 starred: true\n")
    const failed = await sh(command.replace("sandbox-token", "wrong")).catch((error: { stderr: string }) => error)
    assert.match(failed.stderr, /Unauthorized: .*Invalid/)
  })

  it("docs/jobs.md skips in a second run what the first one has applied", { timeout: 60_000 }, async () => {
    const page = "docs/jobs.md"
    const port = String(await freePort())
    const written = (code: string) => code.replaceAll("npx ", "").replaceAll("4010", port)
    await start(written(block(page, "npx effect-highlevel sandbox")))
    const file = join(programs, "job.ts")
    writeFileSync(file, program(page, "job.ts"))
    const commands = written(block(page, "npm install"))
      .replace(/^npm install.*\n/, "")
      .replaceAll("node job.ts", `"${process.execPath}" "${resolve(file)}"`)
    const { stdout } = await sh(commands)
    const lines = stdout.trimEnd().split("\n")
    const [first, second] = [lines.slice(0, 3).toSorted(), lines.slice(3).toSorted()]
    assert.deepStrictEqual(first, ["conversation-000001 Applied", "conversation-000002 Applied", "unknown Failed"])
    assert.deepStrictEqual(second, ["conversation-000001 Skipped", "conversation-000002 Skipped", "unknown Failed"])
  })

  it("docs/webhooks.md logs an event", { timeout: 60_000 }, async () => {
    const page = "docs/webhooks.md"
    const [port, webhooks] = [String(await freePort()), String(await freePort())]
    const written = (code: string) => code.replaceAll("npx ", "").replaceAll("4010", port).replaceAll("8080", webhooks)
    const sandbox = await start(written(block(page, "npx effect-highlevel sandbox")))
    while (!/^M\S{59}$/m.test(sandbox.printed.text)) await once(sandbox.child.stdout ?? sandbox.child, "data")
    const [key = ""] = /^M\S{59}$/m.exec(sandbox.printed.text) ?? []
    const file = join(programs, "server.ts")
    writeFileSync(file, written(program(page, "server.ts")))
    const { child, printed } = await start(`"${process.execPath}" "${resolve(file)}"`, { HIGHLEVEL_WEBHOOK_KEY: key })
    await sh(written(block(page, "export HIGHLEVEL_BASE_URL")))
    while (!printed.text.includes("ConversationUnreadUpdate")) await once(child.stdout ?? child, "data")
  })
})
