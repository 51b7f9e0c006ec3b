/**
 * `npm run bench:quota`: how much of the quota is used, and what is refused.
 *
 * A thousand updates against the sandbox, which enforces 100 requests a second,
 * ours and the official SDK's in the same run. Writes results/quota.json;
 * `npm run bench:pictures` draws it.
 */
import * as NodeRedis from "@effect/platform-node/NodeRedis"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Stream from "effect/Stream"
import { UpdateQueue } from "../src/index.ts"
import { Sandbox } from "../src/testing/index.ts"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdirSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { isMissing, startRedis } from "../test/redis.ts"

const interval = 1000
const locationId = "location"

interface Run {
  readonly name: string
  readonly updates: number
  readonly rateLimit?: Partial<Sandbox.RateLimit>
  readonly processes?: number
  readonly callers?: "bursty" | "smooth"
  readonly sdk?: boolean
  /** Workers of a queue in Redis, instead of callers. */
  readonly isQueue?: boolean
  /** Whether the windows alone say how fast it could have been. */
  readonly isComparable?: boolean
  readonly during?: (sandbox: Sandbox.Service) => Effect.Effect<void>
}

interface Outcome {
  readonly name: string
  readonly applied: number
  readonly lost: number
  readonly unreported: number
  readonly requests: number
  readonly "429s": number
  readonly seconds: number
  /** A window's length against the time in which a window's worth was accepted, after the first. */
  readonly utilisation: string
  readonly "W/(W+latency)": string
}

const directory = import.meta.dirname
const redis = isMissing ? undefined : await startRedis()

const spawned = (run: Run, baseUrl: string) => {
  const { callers = "bursty", processes = 1, sdk = false, updates } = run
  if (run.isQueue === true) {
    const args = ["--conditions=effect-highlevel-source", join(directory, "queue-worker.ts"), baseUrl, `${redis?.port}`]
    return Array.from({ length: processes }, () => spawn(process.execPath, args))
  }
  if (sdk) return [spawn(process.execPath, [join(directory, "sdk-worker.js"), baseUrl, String(updates)])]
  const share = updates / processes
  return Array.from({ length: processes }, (_, index) =>
    spawn(process.execPath, [
      "--conditions=effect-highlevel-source",
      join(directory, "worker.ts"),
      baseUrl,
      String(index * share),
      String(share),
      callers,
      String(100 / processes),
      String(processes > 1 ? (redis?.port ?? 0) : 0)
    ])
  )
}

const enqueue = ({ updates }: Run, baseUrl: string) =>
  Effect.runPromise(
    UpdateQueue.enqueue(
      Stream.map(Stream.range(0, updates - 1), (index) => ({
        conversationId: `c-${index}`,
        locationId,
        starred: true
      })),
      { name: baseUrl }
    ).pipe(
      Effect.provide(UpdateQueue.layerRedis()),
      Effect.provide(NodeRedis.layer({ socket: { host: "127.0.0.1", port: redis?.port ?? 0 } }))
    )
  )

const measure = async (run: Run): Promise<{ outcome: Outcome; times: ReadonlyArray<readonly [number, number]> }> => {
  const rateLimit = { max: 100, intervalMillis: interval, daily: 1_000_000, ...run.rateLimit }
  const runtime = ManagedRuntime.make(
    Sandbox.layerServer({
      conversations: Array.from({ length: run.updates }, (_, index) => ({ id: `c-${index}`, locationId })),
      rateLimit
    }).pipe(Layer.provideMerge(NodeHttpServer.layer(() => createServer(), { port: 0, host: "127.0.0.1" })))
  )
  try {
    const baseUrl = await runtime.runPromise(Sandbox.url)
    const sandbox = await runtime.runPromise(Sandbox.Sandbox)
    if (run.isQueue === true) await enqueue(run, baseUrl)
    const during = run.during === undefined ? undefined : runtime.runFork(run.during(sandbox))
    const reports: Array<string> = []
    const latencies: Array<number> = []
    await Promise.all(
      spawned(run, baseUrl).map(async (child) => {
        createInterface({ input: child.stdout }).on("line", (line) =>
          line.startsWith("latency ") ? latencies.push(Number(line.slice(8))) : reports.push(line)
        )
        child.stderr.pipe(process.stderr)
        await once(child, "close")
      })
    )
    during?.interruptUnsafe()
    const requests = await runtime.runPromise(sandbox.requests)
    const start = Math.min(...requests.map(({ receivedAt }) => receivedAt))
    const times = requests.map(({ receivedAt, status }) => [receivedAt - start, status ?? 0] as const)
    const accepted = times.filter(([, status]) => status === 200).map(([at]) => at)
    const last = Math.max(...accepted)
    // How far apart requests are that could be exactly so many windows apart. What the
    // first window costs, a process that starts and a connection, is in `seconds`.
    const sorted = accepted.toSorted((one, other) => one - other)
    const windows = Math.max(1, Math.floor(sorted.length / rateLimit.max) - 1)
    const apart = sorted.slice(0, -windows * rateLimit.max).map((at, index) => {
      const later = sorted[index + windows * rateLimit.max] ?? at
      return later - at
    })
    const cycle = apart.reduce((sum, millis) => sum + millis, 0) / apart.length / windows
    const latency = latencies.reduce((sum, mean) => sum + mean, 0) / latencies.length
    const applied = reports.filter((report) => report === "applied").length
    return {
      times,
      outcome: {
        name: run.name,
        applied,
        lost: reports.length - applied,
        unreported: run.updates - reports.length,
        requests: requests.length,
        "429s": times.filter(([, status]) => status === 429).length,
        seconds: last / 1000,
        utilisation: run.isComparable === false ? "" : `${((100 * interval) / cycle).toFixed(1)} %`,
        "W/(W+latency)":
          run.sdk === true || run.isQueue === true ? "" : `${((100 * interval) / (interval + latency)).toFixed(1)} %`
      }
    }
  } finally {
    await runtime.dispose()
  }
}

const tenant = (sandbox: Sandbox.Service) =>
  Effect.forever(Effect.andThen(sandbox.consumeExternally(locationId, 5), Effect.sleep("100 millis")))

const runs: ReadonlyArray<Run> = [
  ...(["fixed", "sliding"] as const).flatMap((window) =>
    (["bursty", "smooth"] as const).flatMap((callers) =>
      (redis === undefined ? [1] : [1, 4]).map((processes): Run => ({
        name: `${window}, ${callers}, ${processes === 1 ? "1 process" : "4 processes over Redis"}`,
        updates: 1000,
        rateLimit: { window },
        callers,
        processes
      }))
    )
  ),
  ...(["fixed", "sliding"] as const).flatMap((window): ReadonlyArray<Run> =>
    redis === undefined
      ? []
      : [
          {
            name: `${window}, a queue, 4 workers over Redis`,
            updates: 1000,
            rateLimit: { window },
            processes: 4,
            isQueue: true
          }
        ]
  ),
  { name: "official SDK 3.1.0, retry on: fixed, bursty", updates: 1000, sdk: true },
  { name: "official SDK 3.1.0, retry on: sliding, bursty", updates: 1000, rateLimit: { window: "sliding" }, sdk: true },
  { name: "cold start against a limit of 25", updates: 250, rateLimit: { max: 25 } },
  {
    name: "limit lowered from 100 to 40 in the middle",
    updates: 600,
    isComparable: false,
    during: (sandbox) => Effect.delay(sandbox.limit({ max: 40 }), "2500 millis")
  },
  { name: "another tenant takes half", updates: 300, isComparable: false, during: tenant }
]

const results: Array<Awaited<ReturnType<typeof measure>>> = []
for (const run of runs) {
  const result = await measure(run)
  results.push(result)
  console.log(`${run.name}: ${JSON.stringify(result.outcome)}`)
}
await redis?.end()
console.table(results.map(({ outcome }) => outcome))

/** The requests of each tenth of a second, applied and refused with 429. */
const binned = (times: ReadonlyArray<readonly [number, number]>) => {
  const bins = Array.from({ length: Math.ceil(Math.max(...times.map(([at]) => at), 1) / 100) }, () => [0, 0])
  for (const [at, status] of times) {
    const bin = bins[Math.min(Math.floor(at / 100), bins.length - 1)]
    if (bin !== undefined) bin[status === 200 ? 0 : 1] = (bin[status === 200 ? 0 : 1] ?? 0) + 1
  }
  return bins.map(([applied = 0, refused = 0], index) => ({ second: index / 10, applied, refused }))
}

const drawn = ["fixed, bursty, 1", "official SDK 3.1.0, retry on: fixed"]
mkdirSync(join(directory, "results"), { recursive: true })
writeFileSync(
  join(directory, "results/quota.json"),
  `${JSON.stringify(
    {
      node: process.version,
      results: results.map(({ outcome, times }) =>
        drawn.some((name) => outcome.name.startsWith(name))
          ? Object.assign({}, outcome, { requestsOverTime: binned(times) })
          : outcome
      )
    },
    undefined,
    2
  )}\n`
)
