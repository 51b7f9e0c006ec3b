/** The output of a worker: a line for each outcome, and a summary of what is left in the queue. */
import * as Cause from "effect/Cause"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import * as HighLevelError from "../client/HighLevelError.ts"
import type * as Outcome from "../jobs/Outcome.ts"
import type * as UpdateQueue from "../jobs/UpdateQueue.ts"
import * as ExitCode from "./exitCode.ts"
import * as CliFailure from "./failure.ts"
import * as Output from "./output.ts"
import * as Progress from "./progress.ts"

/** Describes why an update is back in the queue. */
type Reason = UpdateQueue.Returned | Outcome.NotSent<UpdateQueue.QueuedUpdate>

type Unsuccessful = Exclude<UpdateQueue.QueueOutcome, { readonly _tag: "Applied" | "Returned" | "NotSent" }>

const errorOf = (outcome: Unsuccessful | Outcome.NotSent<UpdateQueue.QueuedUpdate>) => {
  if (outcome._tag === "Defect") return undefined
  const error = outcome._tag === "NotSent" ? outcome.reason : outcome.error
  return error._tag === "TooManyFailures" ? undefined : error
}

const exitCodeOf = (outcome: Unsuccessful | Reason): number => {
  const error = errorOf(outcome._tag === "Returned" ? outcome.because : outcome)
  return error === undefined ? ExitCode.failed : ExitCode.fromError(error)
}

const encode = (outcome: Unsuccessful | Reason): Effect.Effect<Schema.Json> => {
  const ended = outcome._tag === "Returned" ? outcome.because : outcome
  const error = errorOf(ended)
  if (error !== undefined) return CliFailure.encode(error)
  const message = ended._tag === "Defect" ? (Cause.prettyErrors(ended.cause)[0]?.message ?? "") : ""
  return Effect.succeed({ _tag: ended._tag, message })
}

/** Describes how long a stopped location waits, why, and what to do. */
const stopText = (locationId: string, updates: number, error: HighLevelError.HighLevelError | undefined) => {
  const until =
    error?._tag === "DailyLimitExceeded"
      ? `until ${DateTime.formatIso(error.resetsAt)}`
      : "for 5 minutes, and then are tried again"
  const why = error === undefined ? "" : ` ${error._tag}: ${HighLevelError.advice(error)}`
  return `Location ${Output.printable(locationId)}: ${Output.counted(updates, "update")} not sent. They wait in the queue ${until}.${why}`
}

const maximumStops = 10

export const make = (state: Progress.State) => {
  const counts = { applied: 0, unreadable: 0, failed: 0, defects: 0, returned: 0, notSent: 0 }
  /** The updates that this worker has returned to the queue and not received again. */
  const waiting = new Map<string, Reason>()
  let exitCode = ExitCode.done
  let left = 0

  const record = (outcome: UpdateQueue.QueueOutcome): Effect.Effect<Schema.Json> => {
    const { row, update } = outcome
    const { conversationId, locationId } = update
    const ids = { job: row.job, conversationId, locationId, outcome: outcome._tag }
    const key = JSON.stringify([row.job, locationId, conversationId])
    waiting.delete(key)
    switch (outcome._tag) {
      case "Applied": {
        state.applied++
        counts.applied++
        const { attempts, response } = outcome
        if (Option.isSome(response)) return Effect.succeed({ ...ids, attempts })
        state.unreadable++
        counts.unreadable++
        return Effect.succeed({ ...ids, attempts, response: "unreadable" })
      }
      case "Failed":
      case "Defect":
        state.failed++
        counts[outcome._tag === "Failed" ? "failed" : "defects"]++
        exitCode = ExitCode.worst(exitCode, exitCodeOf(outcome))
        break
      default:
        counts[outcome._tag === "Returned" ? "returned" : "notSent"]++
        waiting.set(key, outcome)
    }
    const times =
      outcome._tag === "Failed"
        ? { attempts: outcome.attempts }
        : outcome._tag === "Returned"
          ? { deliveries: outcome.deliveries }
          : {}
    return Effect.map(encode(outcome), (error): Schema.Json => ({ ...ids, ...times, error }))
  }

  const stops = () => {
    const byLocation = new Map<string, { updates: number; readonly error: HighLevelError.HighLevelError | undefined }>()
    for (const outcome of waiting.values()) {
      if (outcome._tag !== "NotSent") continue
      const { locationId } = outcome.update
      const stop = byLocation.get(locationId) ?? { updates: 0, error: errorOf(outcome) }
      byLocation.set(locationId, stop)
      stop.updates++
    }
    return [...byLocation]
  }

  return {
    record,

    /** Describes how many updates are left in the queue. */
    left: (updates: number) => {
      left = updates
    },

    /** The worst exit code of failed updates and of those left in the queue. */
    exitCode: () => [...waiting.values()].map(exitCodeOf).reduce(ExitCode.worst, exitCode),

    text: (now: number): string => {
      const { applied, defects, failed, notSent, returned, unreadable } = counts
      const outcomes = applied + failed + defects + returned + notSent
      const parts = [
        `${Output.count(applied)} applied`,
        ...(unreadable > 0 ? [`${Output.count(unreadable)} of them with an unreadable response`] : []),
        ...(failed > 0 ? [`${Output.count(failed)} failed`] : []),
        ...(defects > 0 ? [Output.counted(defects, "defect")] : []),
        ...(returned > 0 ? [`${Output.count(returned)} returned to the queue`] : []),
        ...(notSent > 0 ? [`${Output.count(notSent)} not sent`] : [])
      ]
      const all = stops()
      return [
        `${Output.counted(outcomes, "outcome")}: ${parts.join(", ")} in ${Progress.span(now - state.startedAt)}`,
        ...all.slice(0, maximumStops).map(([locationId, { error, updates }]) => stopText(locationId, updates, error)),
        ...(all.length > maximumStops
          ? [`${Output.count(all.length - maximumStops)} other locations are stopped, too.`]
          : []),
        ...(left > 0 ? [`${Output.counted(left, "update")} left in the queue.`] : []),
        ...(failed + defects > 0 ? ["List failed updates with: effect-highlevel failures"] : [])
      ].join("\n")
    },

    json: (now: number) => ({
      ...counts,
      waiting: left,
      stopped: stops().map(([locationId, { error, updates }]) => ({ locationId, updates, error: error?._tag ?? "" })),
      millis: now - state.startedAt
    })
  }
}
