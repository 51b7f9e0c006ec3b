/** The commands of README's "At a shell", as they stand, against the sandbox that they start. */
import { execFile, execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
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
if (!hasTools) console.warn("there is no jq: the test of README's commands is SKIPPED")

const [, section = ""] = readFileSync("README.md", "utf8").split("\n## At a shell\n")
const [sandbox = "", commands = ""] = Array.from(section.matchAll(/^```sh\n([\s\S]*?)^```$/gm), ([, code = ""]) => code)

const directory = mkdtempSync(join(tmpdir(), "readme-"))
afterAll(() => rmSync(directory, { recursive: true }))

describe.skipIf(!hasTools)("README's commands", () => {
  it("run as they stand", { timeout: 60_000 }, async () => {
    // The installed command.
    const bin = join(directory, "effect-highlevel")
    writeFileSync(bin, `#!/bin/sh\nexec "${process.execPath}" "${resolve(bundleOf("src/cli/main.ts"))}" "$@"\n`)
    chmodSync(bin, 0o755)
    const env = { PATH: `${directory}${delimiter}${process.env["PATH"] ?? ""}`, HOME: directory }
    // The port of the README may be in use here.
    const port = String(await freePort())
    const written = (code: string) => code.replaceAll("4010", port)

    const child = spawn("sh", ["-c", `exec ${written(sandbox)}`], { env, stdio: ["ignore", "pipe", "inherit"] })
    await once(child.stdout, "data")
    const options = { env, cwd: directory }
    const { stderr, stdout } = await promisify(execFile)("sh", ["-e", "-c", written(commands)], options).finally(() =>
      child.kill("SIGINT")
    )

    const lines = stdout.split("\n")
    assert.match(lines[0] ?? "", /^id +conversation-000001$/)
    const updated = lines.find((line) => line.startsWith(`{"id":"conversation-000001"`)) ?? ""
    assert.deepInclude(JSON.parse(updated), { unreadCount: 0, starred: true })
    const table = lines.slice(lines.findIndex((line) => line.startsWith("ID ")) + 1)
    assert.match(table[0] ?? "", /^conversation-000092 +Contact 92 +1 /)
    assert.notMatch(table[10] ?? "", /^conversation-/)
    const outcomes = outcomeLines(lines.filter((line) => line.includes(`"outcome":`)).join("\n") + "\n")
    const counts = new Map<string, number>()
    for (const { outcome } of outcomes) counts.set(outcome, (counts.get(outcome) ?? 0) + 1)
    assert.deepStrictEqual(Object.fromEntries(counts), { Applied: 3 + 29, Planned: 29 })
    assert.match(stderr, /^29 conversations: 29 marked as read in/m)
  })
})
