/**
 * Jobs of ten thousand, a hundred thousand and a million updates, with a journal,
 * by the command as it is published: how long, and how much memory, with a heap of
 * 64 MB.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { createWriteStream, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const sizes = process.argv.slice(2).map(Number)
const directory = mkdtempSync(join(tmpdir(), "bulk-"))

const server = spawn(process.execPath, ["bench/bulk-server.ts"], { stdio: ["ignore", "pipe", "inherit"] })
const baseUrl = String((await once(server.stdout, "data"))[0]).trim()

const inputOf = async (size: number) => {
  const path = join(directory, `input-${size}.ndjson`)
  const file = createWriteStream(path)
  for (let index = 0; index < size; index++) {
    const id = index % 10_000
    const line = JSON.stringify({ conversationId: `c${id}`, locationId: `l${id % 10}`, unreadCount: index % 7 })
    if (!file.write(`${line}\n`)) await once(file, "drain")
  }
  file.end()
  await once(file, "close")
  return path
}

/** The most memory the process has had resident so far, in bytes. */
const peakOf = (pid: number) => {
  try {
    return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1024
  } catch {
    return 0
  }
}

const run = async (size: number, input: string, journal: string) => {
  const startedAt = performance.now()
  const child = spawn(
    process.execPath,
    ["dist/cli/main.js", "update-all", "--input", input, "--journal", journal, "--json"],
    {
      env: {
        PATH: process.env["PATH"] ?? "",
        HIGHLEVEL_TOKEN: "sandbox-token",
        HIGHLEVEL_BASE_URL: baseUrl,
        // Else V8 takes what the machine has before it collects, and that is what would be measured.
        NODE_OPTIONS: "--max-old-space-size=64 --max-semi-space-size=4"
      },
      stdio: ["ignore", "pipe", "pipe"]
    }
  )
  let peak = 0
  let stderr = ""
  child.stdout.resume()
  child.stderr.setEncoding("utf8").on("data", (text) => (stderr += text))
  const timer = setInterval(() => (peak = Math.max(peak, peakOf(child.pid ?? 0))), 50)
  const [code] = await once(child, "close")
  clearInterval(timer)
  const seconds = (performance.now() - startedAt) / 1000
  const summary = JSON.parse(stderr.trim().split("\n").at(-1) ?? "{}")
  return {
    updates: size,
    code,
    applied: summary.applied,
    skipped: summary.skipped,
    seconds: Number(seconds.toFixed(1)),
    perSecond: Math.round(size / seconds),
    peakMegabytes: Number((peak / 1e6).toFixed(1))
  }
}

const results = []
for (const size of sizes.length > 0 ? sizes : [10_000, 100_000, 1_000_000]) {
  const input = await inputOf(size)
  const journal = join(directory, `journal-${size}.ndjson`)
  for (const title of ["run", "run again"]) {
    const result = { title, ...(await run(size, input, journal)) }
    console.log(JSON.stringify(result))
    results.push(result)
  }
}
server.kill()
rmSync(directory, { recursive: true })
console.table(results)
mkdirSync("bench/results", { recursive: true })
writeFileSync("bench/results/bulk.json", `${JSON.stringify(results, undefined, 2)}\n`)
