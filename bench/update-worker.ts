/** One client in a process of its own, told over IPC what to do. Arguments: base URL, name of the client. */
import { type Client, clients, type Update } from "./update-clients.ts"

/** What a process is asked to do. */
export interface Task {
  readonly count: number
  readonly concurrency: number
  /** How many locations the updates are spread over, and the limit of each. */
  readonly locations: number
  readonly limit: number
  /** Characters of feedback, and of the message that is answered. */
  readonly bodySize: number
  readonly withLatencies: boolean
}

export interface Report {
  /** Of user and system, of all threads, in microseconds. */
  readonly cpuMicros: number
  readonly wallMillis: number
  /** Ascending, in milliseconds. */
  readonly latencies: ReadonlyArray<number>
  /** How much the heap grew, in bytes: what was allocated, when nothing was collected. */
  readonly heapGrowth: number
}

const [baseUrl = "", name = ""] = process.argv.slice(2)
const make = clients[name]
if (make === undefined) throw new Error(`No client ${name}`)
const client: Client = await make(baseUrl)

const updates = ({ bodySize, limit, locations }: Pick<Task, "bodySize" | "limit" | "locations">) => {
  const text = "x".repeat(bodySize)
  return (index: number): Update => ({
    conversationId: `${bodySize || 32}-${limit}-${index % 1000}`,
    locationId: `location-${index % locations}`,
    unreadCount: 0,
    starred: true,
    ...(bodySize === 0 ? {} : { feedback: { text } })
  })
}

const perform = async (task: Task): Promise<Report> => {
  const latencies: Array<number> = []
  const took = task.withLatencies ? (millis: number) => latencies.push(millis) : undefined
  globalThis.gc?.()
  const heapBefore = process.memoryUsage().heapUsed
  const cpuBefore = process.cpuUsage()
  const start = performance.now()
  await client.run({ count: task.count, concurrency: task.concurrency, update: updates(task), took })
  const wallMillis = performance.now() - start
  const cpu = process.cpuUsage(cpuBefore)
  return {
    cpuMicros: cpu.user + cpu.system,
    wallMillis,
    latencies: latencies.toSorted((one, other) => one - other),
    heapGrowth: process.memoryUsage().heapUsed - heapBefore
  }
}

process.on("message", (task: Task) => {
  void perform(task).then((report) => process.send?.(report))
})
await client.answer(updates({ locations: 1, limit: 100, bodySize: 0 })(0))
process.send?.("ready")
