/** What a job prints: a line for each line of the input, and what the next run is for. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import * as HighLevelError from "../client/HighLevelError.ts"
import type * as Bulk from "../jobs/Bulk.ts"
import type * as Outcome from "../jobs/Outcome.ts"
import * as ExitCode from "./exitCode.ts"
import * as CliFailure from "./failure.ts"
import type * as Input from "./input.ts"
import * as Output from "./output.ts"
import * as Progress from "./progress.ts"

const maximumStops = 10

/** Why updates were not sent, and what to do about it. */
const stopText = (locationId: string, reason: Outcome.NotSent["reason"]) =>
  reason._tag === "TooManyFailures"
    ? `${reason.message}. Run the same command again to send the rest.`
    : `Location ${Output.printable(locationId)}: nothing more was sent. ${reason._tag}: ${Output.printable(reason.message)}. ${HighLevelError.advice(reason)}`

export const make = (state: Progress.State, journal: string | undefined) => {
  let exitCode = ExitCode.done
  const stops = new Map<string, string>()

  const endWith = (code: number) => {
    exitCode = ExitCode.worst(exitCode, code)
  }

  const encode = (error: HighLevelError.HighLevelError) => {
    endWith(ExitCode.fromError(error))
    return CliFailure.encode(error)
  }

  const record = (outcome: Bulk.Outcome<Input.Row>): Effect.Effect<Schema.Json> => {
    const { row, update } = outcome
    const { conversationId, locationId, ...changes } = update
    const ids = { line: row.line, conversationId, locationId, outcome: outcome._tag }
    switch (outcome._tag) {
      case "Applied": {
        state.applied++
        if (Option.isSome(outcome.response)) return Effect.succeed({ ...ids, attempts: outcome.attempts })
        state.unreadable++
        return Effect.succeed({ ...ids, attempts: outcome.attempts, response: "unreadable" })
      }
      case "Skipped":
        state.skipped++
        return Effect.succeed(ids)
      case "Planned":
        state.planned++
        return Effect.succeed({ ...ids, ...changes })
      case "Failed":
        state.failed++
        return Effect.map(encode(outcome.error), (error) => ({ ...ids, attempts: outcome.attempts, error }))
      case "Defect": {
        state.failed++
        endWith(ExitCode.failed)
        return Effect.succeed({ ...ids, error: { _tag: "Defect", message: Cause.pretty(outcome.cause) } })
      }
      case "NotSent": {
        const { reason } = outcome
        state.notSent++
        if (reason._tag === "TooManyFailures") {
          stops.set("", stopText("", reason))
          return Effect.succeed({ ...ids, reason: { _tag: reason._tag, message: reason.message } })
        }
        if (!stops.has(locationId)) stops.set(locationId, stopText(locationId, reason))
        return Effect.map(encode(reason), (error) => ({ ...ids, reason: error }))
      }
    }
  }

  return {
    record,

    /** A line that is not an update. */
    invalid: (line: number, error: Input.Invalid): Effect.Effect<Schema.Json> => {
      state.invalid++
      endWith(ExitCode.usage)
      return error._tag === "InvalidLine"
        ? Effect.succeed({ line, outcome: "Invalid", message: error.message })
        : Effect.map(CliFailure.encode(error), (encoded) => ({ line, outcome: "Invalid", error: encoded }))
    },

    exitCode: () => exitCode,
    json: (now: number) => Progress.json(state, now),

    text: (now: number): string => {
      const { applied, failed, notSent, planned, skipped } = state
      const isDone = skipped > 0 && applied + failed + notSent + planned === 0
      const others = stops.size - maximumStops
      return [
        Progress.summary(state, now),
        ...[...stops.values()].slice(0, maximumStops),
        ...(others > 0
          ? [`${Output.counted(others, "other location")} ${others === 1 ? "is" : "are"} stopped, too.`]
          : []),
        ...(isDone && journal !== undefined
          ? [`Nothing was sent: ${journal} has all of them as applied. Remove it to send them again.`]
          : [])
      ].join("\n")
    }
  }
}
