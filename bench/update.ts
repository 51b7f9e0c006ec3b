/**
 * `npm run bench`: what an update costs, next to the other ways to make it.
 *
 * Every client is a process of its own, against one server on loopback; they take
 * turns, round by round, so that what disturbs the machine disturbs all of them.
 * The ratios are of figures of the same round. Writes results/update.json;
 * `npm run bench:pictures` draws it.
 */
import { type ChildProcess, fork, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { cpus } from "node:os"
import { join } from "node:path"
import { clients } from "./update-clients.ts"
import type { Report, Task } from "./update-worker.ts"

const directory = import.meta.dirname
const rounds = Number(process.env["ROUNDS"] ?? 11)
const [floor, official, whole, bare, own] = [
  "undici, request",
  "official SDK 3.1.0",
  "ours, UndiciHttpClient",
  "ours, UndiciHttpClient, no policies",
  "ours, no transport"
] as const

const server = spawn(process.execPath, [join(directory, "update-server.ts")], { stdio: ["ignore", "pipe", "inherit"] })
const baseUrl = String((await once(server.stdout, "data"))[0]).trim()

const start = async (name: string, flags: ReadonlyArray<string> = []) => {
  const child = fork(join(directory, "update-worker.ts"), [baseUrl, name], {
    execArgv: [...process.execArgv, ...flags]
  })
  await once(child, "message")
  return child
}

// Two thousand locations of a hundred requests per ten seconds: all of them together
// take more than any client here can send.
const usual: Task = { count: 8000, concurrency: 32, locations: 2000, limit: 100, bodySize: 0, withLatencies: false }

const perform = async (child: ChildProcess, task: Partial<Task>): Promise<Report> => {
  const answered = once(child, "message")
  child.send({ ...usual, ...task })
  const [report]: ReadonlyArray<Report> = await answered
  if (report === undefined) throw new Error("No report")
  return report
}

/** The least, the quiet fifth, the middle and the most of figures. */
interface Spread {
  readonly median: number
  readonly quiet: number
  readonly minimum: number
  readonly maximum: number
}

const spread = (figures: ReadonlyArray<number>, digits = 2): Spread => {
  const sorted = figures.toSorted((one, other) => one - other)
  const at = (index: number) => Number((sorted[index] ?? Number.NaN).toFixed(digits))
  return {
    median: at(sorted.length >> 1),
    quiet: at(Math.floor(sorted.length / 5)),
    minimum: at(0),
    maximum: at(sorted.length - 1)
  }
}

const percentile = (ascending: ReadonlyArray<number>, share: number) =>
  ascending[Math.min(ascending.length - 1, Math.floor(ascending.length * share))] ?? Number.NaN

/** In turns: a figure of each process for each round. */
const inTurns = async <Figure>(
  children: ReadonlyMap<string, ChildProcess>,
  measure: (child: ChildProcess) => Promise<Figure>
): Promise<ReadonlyMap<string, ReadonlyArray<Figure>>> => {
  const figures = new Map<string, Array<Figure>>()
  for (let round = 0; round < rounds; round++) {
    for (const [name, child] of children) {
      // Warm again: connections were closed and code was forgotten while others had their turn.
      await perform(child, { count: 1500 })
      figures.set(name, [...(figures.get(name) ?? []), await measure(child)])
    }
  }
  return figures
}

const children = new Map<string, ChildProcess>()
for (const name of Object.keys(clients)) children.set(name, await start(name))
for (const child of children.values()) await perform(child, { count: 15_000 })
console.log(`${children.size} clients are warm`)

const at = async (concurrency: number, count: number) =>
  inTurns(children, async (child) => {
    const { cpuMicros, latencies, wallMillis } = await perform(child, {
      concurrency,
      count,
      withLatencies: concurrency === 1
    })
    return {
      cpuMicros: cpuMicros / count,
      perSecond: (1000 * count) / wallMillis,
      median: percentile(latencies, 0.5),
      slow: percentile(latencies, 0.99)
    }
  })

const alone = await at(1, 2000)
console.log("one at a time: done")
const busy = await at(32, 8000)
console.log("32 at a time: done")
const crowded = await at(256, 8000)
console.log("256 at a time: done")

// Nothing is collected in between, so the heap grows by what is allocated.
const allocations = new Map<string, number>()
for (const name of children.keys()) {
  const child = await start(name, ["--expose-gc", "--min-semi-space-size=256", "--max-semi-space-size=256"])
  await perform(child, { count: 3000 })
  const { heapGrowth } = await perform(child, { count: 500 })
  allocations.set(name, heapGrowth / 500)
  child.kill()
}
console.log("allocations: done")

const micros = (name: string) => (busy.get(name) ?? []).map(({ cpuMicros }) => cpuMicros)

/** Of figures of the same round; but for the quiet ones, which had no neighbour to compare with. */
const ratios = (name: string, of: string) => ({
  ...spread(micros(name).map((figure, round) => figure / (micros(of)[round] ?? Number.NaN))),
  quiet: Number((spread(micros(name)).quiet / spread(micros(of)).quiet).toFixed(2))
})

const perSecond = (figures: typeof busy, name: string) =>
  spread(
    (figures.get(name) ?? []).map(({ perSecond }) => perSecond),
    0
  )

const added = (name: string, of: "median" | "slow") =>
  spread(
    (alone.get(name) ?? []).map((figures, round) => figures[of] - (alone.get(floor)?.[round]?.[of] ?? Number.NaN)),
    3
  )

const results = Array.from(children.keys(), (name) => ({
  name,
  cpuMicrosPerUpdate: spread(micros(name), 1),
  ratioToUndici: ratios(name, floor),
  ratioToOfficial: ratios(name, official),
  perSecond: { 1: perSecond(alone, name), 32: perSecond(busy, name), 256: perSecond(crowded, name) },
  addedMillis: { median: added(name, "median"), "99 %": added(name, "slow") },
  allocatedKilobytes: Number(((allocations.get(name) ?? Number.NaN) / 1000).toFixed(1))
}))

/** How the cost grows with one thing, for those worth comparing. */
const series = async (names: ReadonlyArray<string>, tasks: ReadonlyArray<Partial<Task>>) => {
  const chosen = new Map(Array.from(children).filter(([name]) => names.includes(name)))
  const figures = []
  for (const task of tasks) {
    const measured = await inTurns(chosen, async (child) => {
      const { cpuMicros } = await perform(child, { count: 4000, ...task })
      return cpuMicros / (task.count ?? 4000)
    })
    figures.push({
      ...task,
      cpuMicrosPerUpdate: Object.fromEntries(Array.from(measured, ([name, micros]) => [name, spread(micros, 1)]))
    })
  }
  return figures
}

const bodies = await series(
  [floor, official, whole],
  [{ bodySize: 100 }, { bodySize: 1000 }, { bodySize: 10_000 }, { bodySize: 100_000, count: 1000 }]
)
// Each location is used in each round.
const locations = await series(
  [own],
  [1, 100, 10_000, 100_000].map((locations) => ({ locations, limit: 1_000_000, count: Math.max(20_000, locations) }))
)
for (const child of children.values()) child.kill()
server.kill()

const policies = spread(
  micros(whole).map((figure, round) => 100 * (figure / (micros(bare)[round] ?? Number.NaN) - 1)),
  1
)

console.table(
  results.map((result) => ({
    client: result.name,
    "CPU µs": result.cpuMicrosPerUpdate.median,
    quiet: result.cpuMicrosPerUpdate.quiet,
    "x undici": result.ratioToUndici.median,
    "quiet ": result.ratioToUndici.quiet,
    "x official": result.ratioToOfficial.median,
    "1/s": result.perSecond[1].median,
    "32/s": result.perSecond[32].median,
    "256/s": result.perSecond[256].median,
    "+ms p50": result.addedMillis.median.median,
    "+ms p99": result.addedMillis["99 %"].median,
    kB: result.allocatedKilobytes
  }))
)
console.table(bodies.map(({ bodySize, cpuMicrosPerUpdate }) => ({ bodySize, ...medians(cpuMicrosPerUpdate) })))
console.table(locations.map(({ cpuMicrosPerUpdate, locations }) => ({ locations, ...medians(cpuMicrosPerUpdate) })))
console.log(`rate limit and retry together: ${policies.median} % (${policies.minimum} to ${policies.maximum})`)

function medians(figures: Record<string, Spread>) {
  return Object.fromEntries(Object.entries(figures).map(([name, { median }]) => [name, median]))
}

const versionOf = (path: string): string => JSON.parse(readFileSync(join(directory, path), "utf8")).version

mkdirSync(join(directory, "results"), { recursive: true })
writeFileSync(
  join(directory, "results/update.json"),
  `${JSON.stringify(
    {
      node: process.version,
      processor: `${cpus().length} x ${cpus()[0]?.model.trim() ?? "unknown"}`,
      rounds,
      versions: {
        effect: versionOf("../node_modules/effect/package.json"),
        undici: versionOf("../node_modules/undici/package.json"),
        "@gohighlevel/api-client": versionOf("node_modules/@gohighlevel/api-client/package.json"),
        "@gnosticdev/highlevel-sdk": versionOf("node_modules/@gnosticdev/highlevel-sdk/package.json")
      },
      policiesPercent: policies,
      results,
      bodies,
      locations
    },
    undefined,
    2
  )}\n`
)
