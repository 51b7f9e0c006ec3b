/**
 * Judges the last whole run of the behaviour tests: each request that left the client is under
 * contract, and each interaction was exercised. See README.md.
 */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { exceptions, unexercised } from "./gate/exceptions.ts"
import { type Interaction, interactions, matcher } from "./gate/interactions.ts"
import { env } from "./gate/recording.ts"
import type { Entry, RecordedRequest, RecordedResponse } from "./gate/request.ts"

interface Recorded {
  readonly request: RecordedRequest
  readonly by: string
  readonly responses: Array<RecordedResponse>
}

let count = 0
const recorded = new Map<string, Recorded>()
const directory = env.RECORDED_REQUESTS
for (const file of readdirSync(directory)) {
  const ofProcess = new Map<number, Recorded>()
  for (const line of readFileSync(join(directory, file), "utf8").split("\n").slice(0, -1)) {
    const entry: Entry = JSON.parse(line)
    if (typeof entry === "number") count++
    else if ("request" in entry) {
      const key = JSON.stringify(entry.request)
      const known = recorded.get(key) ?? { ...entry, responses: [] }
      recorded.set(key, known)
      ofProcess.set(entry.id, known)
    } else ofProcess.get(entry.id)?.responses.push(entry.response)
  }
}

/** Whether a response is that of the interaction: by its status, and what of a refusal the contract promises exactly. */
const isResponse = ({ response }: Interaction, { fields, status }: RecordedResponse) => {
  if (status !== response.status) return false
  if (status < 300) return true
  const content = Object(response.body?.content)
  return Object.entries(response.matchingRules?.body ?? {}).every(
    ([path, { matchers }]) =>
      path === "$.statusCode" ||
      matchers[0]?.match !== "equality" ||
      JSON.stringify(fields?.[path.slice(2)]) === JSON.stringify(content[path.slice(2)])
  )
}

const problems: Array<string> = []
const exercised = new Set<Interaction>()
const used = new Map<(typeof exceptions)[number], number>()
const { end, matches } = await matcher()
try {
  for (const { by, request, responses } of recorded.values()) {
    const matching = await matches(request)
    for (const interaction of matching) {
      if (responses.some((response) => isResponse(interaction, response))) exercised.add(interaction)
    }
    if (matching.length > 0) continue
    let exception: (typeof exceptions)[number] | undefined
    for (const candidate of exceptions) {
      const instead = candidate.instead(request)
      if (instead === "none" || (instead !== undefined && (await matches(instead)).length > 0)) exception = candidate
    }
    if (exception === undefined) problems.push(`not under contract: ${JSON.stringify(request)}, sent by ${by}`)
    else used.set(exception, (used.get(exception) ?? 0) + 1)
  }
} finally {
  end()
}

for (const exception of exceptions) {
  if (!used.has(exception)) problems.push(`an exception that no request needs: ${exception.reason}`)
}
for (const interaction of interactions) {
  const { contract, description } = interaction
  const isListed = unexercised.some((listed) => listed.description === description)
  if (exercised.has(interaction) === isListed) {
    problems.push(`${isListed ? "exercised, but listed as not" : "not exercised"}: ${description} (${contract})`)
  }
}

for (const problem of problems) console.error(problem)
const excepted = [...used.values()].reduce((sum, requests) => sum + requests, 0)
console.log(
  `${count} requests recorded (${recorded.size} distinct), ${problems.length === 0 ? "all" : "not all"} under contract; ` +
    `${excepted} distinct by ${used.size} exceptions. ${exercised.size} of ${interactions.length} interactions exercised`
)
process.exitCode = problems.length === 0 ? 0 : 1
