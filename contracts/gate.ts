/**
 * Judges the last whole run of the behaviour tests: each request that left the client is under
 * contract, and each interaction is exercised. See README.md.
 */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { unexercised } from "./gate/exceptions.ts"
import { interactions } from "./gate/interactions.ts"
import { judge, type Recorded } from "./gate/judge.ts"
import { env } from "./gate/recording.ts"
import type { Entry } from "./gate/request.ts"

const recorded = new Map<string, Recorded>()
const files = readdirSync(env.RECORDED_REQUESTS)
for (const file of files) {
  const ofProcess = new Map<number, Recorded>()
  const lines = readFileSync(join(env.RECORDED_REQUESTS, file), "utf8").split("\n")
  // A process that was killed may have left its last line unfinished.
  for (const line of lines.slice(0, -1)) {
    const entry: Entry = JSON.parse(line)
    if (typeof entry === "number") {
      const one = ofProcess.get(entry)
      if (one !== undefined) one.count++
    } else if ("request" in entry) {
      const key = JSON.stringify(entry.request)
      const one = recorded.get(key) ?? { request: entry.request, by: entry.by, count: 0, responses: [] }
      recorded.set(key, one)
      ofProcess.set(entry.id, one)
    } else ofProcess.get(entry.id)?.responses.push(entry.response)
  }
}

const all = [...recorded.values()]
const count = all.reduce((sum, { count }) => sum + count, 0)
const { excepted, exercised, problems, used } = await judge(all)
for (const problem of problems) console.error(problem)
console.log(
  `${count} requests of ${files.length} processes recorded (${all.length} distinct), ${problems.length === 0 ? "all" : "not all"} under contract; ` +
    `${used.size} exceptions (${excepted} requests). ` +
    `${exercised.size} of ${interactions.length} interactions exercised; ${unexercised.length} excepted`
)
process.exitCode = problems.length === 0 ? 0 : 1
