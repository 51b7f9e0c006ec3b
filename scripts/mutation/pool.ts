/** Processes that run tasks; one that hangs is ended, and another takes its place. */
import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import type { Result, Task } from "./worker.ts"

export type Outcome = Result | "timeout"

const start = async (args: ReadonlyArray<string>) => {
  // A process group of its own: what a test starts ends with it.
  const child = fork("scripts/mutation/worker.ts", args, {
    detached: true,
    stdio: ["ignore", "ignore", "inherit", "ipc"]
  })
  await once(child, "message")
  return child
}

const end = (child: ChildProcess) => {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, "SIGKILL")
  } catch {
    // It has ended.
  }
}

// Far longer than the slowest test takes, on a busy machine too.
const hangMillis = 25_000

const outcome = (child: ChildProcess, task: Task) =>
  new Promise<Outcome>((resolve) => {
    const settle = (result: Outcome) => {
      clearTimeout(timer)
      child.removeAllListeners("message")
      child.removeAllListeners("exit")
      resolve(result)
    }
    const timer = setTimeout(() => settle("timeout"), hangMillis)
    child.on("message", (message: Result | "progress") => {
      if (message === "progress") timer.refresh()
      else settle(message)
    })
    child.once("exit", () => settle({ failed: "the process ended", millis: 0 }))
    child.send(task)
  })

export const run = async <A extends { readonly task: () => Task }>(
  args: ReadonlyArray<string>,
  jobs: ReadonlyArray<A>,
  concurrency: number,
  done: (job: A, outcome: Outcome) => void
) => {
  const queue = [...jobs]
  const children = new Set<ChildProcess>()
  const endAll = () => children.forEach(end)
  process.once("exit", endAll)
  process.once("SIGINT", () => process.exit(130))
  process.once("SIGTERM", () => process.exit(143))
  const work = async () => {
    let child: ChildProcess | undefined
    for (let job = queue.shift(); job !== undefined; job = queue.shift()) {
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) {
        child = await start(args)
        children.add(child)
      }
      const result = await outcome(child, job.task())
      if (result === "timeout") {
        end(child)
        children.delete(child)
        child = undefined
      }
      done(job, result)
    }
  }
  await Promise.all(Array.from({ length: concurrency }, work))
  endAll()
}
