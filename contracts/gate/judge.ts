/** Holds what the tests sent against the contracts, and the contracts against what the tests sent. */
import { type Exception, exceptions, unexercised } from "./exceptions.ts"
import { type Interaction, interactions, matcher } from "./interactions.ts"
import type { RecordedRequest, RecordedResponse } from "./request.ts"

export interface Recorded {
  readonly request: RecordedRequest
  /** The test, or the program that a test started. */
  readonly by: string
  count: number
  readonly responses: Array<RecordedResponse>
}

/** Whether a response is that of the interaction: by its status, and what of a refusal the contract promises exactly. */
const isResponse = ({ response }: Interaction, { fields, status }: RecordedResponse) => {
  if (status !== response.status) return false
  if (status < 300) return true
  const promised = Object(response.body?.content)
  return Object.entries(response.matchingRules?.body ?? {}).every(([path, { matchers }]) => {
    const field = path.slice("$.".length)
    // A refusal often has a message only.
    const isPromised = matchers[0]?.match === "equality" && field !== "statusCode"
    return !isPromised || JSON.stringify(fields?.[field]) === JSON.stringify(promised[field])
  })
}

export const judge = async (recorded: ReadonlyArray<Recorded>) => {
  const problems: Array<string> = []
  const exercised = new Set<Interaction>()
  const used = new Set<Exception>()
  let excepted = 0
  const { end, matches } = await matcher()

  const exceptionFor = async (request: RecordedRequest) => {
    for (const exception of exceptions) {
      const instead = exception.instead(request)
      if (instead === "none" || (instead !== undefined && (await matches(instead)).length > 0)) return exception
    }
    return undefined
  }

  try {
    // All at once, which is faster; each is remembered.
    await Promise.all(recorded.map(({ request }) => matches(request)))
    for (const { by, count, request, responses } of recorded) {
      const matching = await matches(request)
      for (const interaction of matching) {
        if (responses.some((response) => isResponse(interaction, response))) exercised.add(interaction)
      }
      if (matching.length > 0) continue
      const exception = await exceptionFor(request)
      if (exception === undefined) problems.push(`not under contract: ${JSON.stringify(request)}, sent by ${by}`)
      else {
        used.add(exception)
        excepted += count
      }
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
  return { problems, exercised, excepted, used }
}
