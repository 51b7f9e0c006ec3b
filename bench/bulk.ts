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

mkdirSync("bench/results", { recursive: true })
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

/** The resident memory of a process and its peak so far, in megabytes; none once it has ended. */
const memoryOf = (pid: number) => {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8")
    const megabytes = (key: string) => (Number(new RegExp(`${key}:\\s+(\\d+) kB`).exec(status)?.[1] ?? 0) * 1024) / 1e6
    return { resident: megabytes("VmRSS"), peak: megabytes("VmHWM") }
  } catch {
    return undefined
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
  let outcomes = 0
  const memory: Array<{ readonly outcomes: number; readonly megabytes: number }> = []
  let stderr = ""
  child.stdout.on("data", (chunk: Buffer) => {
    for (const byte of chunk) if (byte === 10) outcomes++
  })
  child.stderr.setEncoding("utf8").on("data", (text) => (stderr += text))
  const timer = setInterval(() => {
    const now = memoryOf(child.pid ?? 0)
    if (now === undefined) return
    peak = Math.max(peak, now.peak)
    // A hundred points, however long the job.
    if (outcomes >= (memory.length * size) / 100) memory.push({ outcomes, megabytes: Number(now.resident.toFixed(1)) })
  }, 50)
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
    peakMegabytes: Number(peak.toFixed(1)),
    memory
  }
}

const results = []
for (const size of sizes.length > 0 ? sizes : [10_000, 100_000, 1_000_000]) {
  const input = await inputOf(size)
  const journal = join(directory, `journal-${size}.ndjson`)
  for (const title of ["run", "run again"]) {
    const result = { title, ...(await run(size, input, journal)) }
    console.log(JSON.stringify({ ...result, memory: result.memory.length }))
    results.push(result)
    // After each run, since the last ones take many minutes.
    writeFileSync("bench/results/bulk.json", `${JSON.stringify(results)}\n`)
  }
}
server.kill()
rmSync(directory, { recursive: true })
console.table(results, ["title", "updates", "code", "applied", "skipped", "seconds", "perSecond", "peakMegabytes"])
