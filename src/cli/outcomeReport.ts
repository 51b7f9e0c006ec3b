/** Counts the outcomes of a job, and describes which updates were not sent. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import * as HighLevelError from "../client/HighLevelError.ts"
import type * as Bulk from "../jobs/Bulk.ts"
import type * as Outcome from "../jobs/Outcome.ts"
import * as ExitCode from "./exitCode.ts"
import * as CliFailure from "./failure.ts"
import * as Output from "./output.ts"
import type * as Progress from "./progress.ts"

const maximumStops = 10

/** Why updates were not sent, and what to do about it. */
const stopText = (locationId: string, reason: Outcome.NotSent["reason"]) =>
  reason._tag === "TooManyFailures"
    ? `${reason.message}. Run the same command again to send the rest.`
    : `Location ${Output.printable(locationId)}: nothing more was sent. ${reason._tag}: ${Output.printable(reason.message)}. ${HighLevelError.advice(reason)}`

export const make = (state: Progress.State) => {
  let exitCode = ExitCode.done
  const stops = new Map<string, string>()

  const endWith = (code: number) => {
    exitCode = ExitCode.worst(exitCode, code)
  }

  const encode = (error: HighLevelError.HighLevelError) => {
    endWith(ExitCode.fromError(error))
    return CliFailure.encode(error)
  }

  return {
    endWith,
    exitCode: () => exitCode,

    /** Counts an outcome and returns its fields. */
    record: (outcome: Bulk.Outcome<unknown>): Effect.Effect<{ readonly [name: string]: Schema.Json }> => {
      const { conversationId, locationId, ...changes } = outcome.update
      const ids = { conversationId, locationId, outcome: outcome._tag }
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
    },

    /** Describes why updates were not sent, with a line for each of the first locations. */
    stops: (): ReadonlyArray<string> => {
      const others = stops.size - maximumStops
      return [
        ...[...stops.values()].slice(0, maximumStops),
        ...(others > 0
          ? [`${Output.counted(others, "other location")} ${others === 1 ? "is" : "are"} stopped, too.`]
          : [])
      ]
    }
  }
}
