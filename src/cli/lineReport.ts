/** The output of `update-all`: a line for each line of the input, and what a next run would do. */
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import type * as Bulk from "../jobs/Bulk.ts"
import * as ExitCode from "./exitCode.ts"
import * as CliFailure from "./failure.ts"
import type * as Input from "./input.ts"
import * as OutcomeReport from "./outcomeReport.ts"
import * as Output from "./output.ts"
import * as Progress from "./progress.ts"

export const make = (state: Progress.State, journal: string | undefined) => {
  const outcomes = OutcomeReport.make(state)
  let ids = 0

  /** The summary, in one line. */
  const summary = (now: number): string => {
    const { applied, failed, invalid, notSent, planned, skipped, unreadable } = state
    const parts = [
      planned > 0 ? `${Output.count(planned)} to apply` : `${Output.count(applied)} applied`,
      ...Progress.some(unreadable, "of them with an unreadable response"),
      ...Progress.some(skipped, "skipped"),
      ...Progress.some(failed, "failed"),
      ...Progress.some(notSent, "not sent"),
      ...Progress.some(invalid, "invalid")
    ]
    const read =
      ids === 0 ? "" : ` (${Output.count(ids)} of them ${ids === 1 ? "a conversation id" : "conversation ids"})`
    return `${Output.counted(Progress.done(state), "line")}${read}: ${parts.join(", ")} ${Progress.elapsed(state, now)}`
  }

  return {
    /** The number of lines that were read as conversation ids. */
    countIds: (count: number) => {
      ids += count
    },

    record: (outcome: Bulk.Outcome<Input.Row>): Effect.Effect<Schema.Json> =>
      Effect.map(outcomes.record(outcome), (fields) => ({ line: outcome.row.line, ...fields })),

    /** Reports an invalid line. */
    invalid: (line: number, error: Input.Invalid): Effect.Effect<Schema.Json> => {
      state.invalid++
      outcomes.endWith(ExitCode.usage)
      return error._tag === "InvalidLine"
        ? Effect.succeed({ line, outcome: "Invalid", message: error.message })
        : Effect.map(CliFailure.encode(error), (encoded) => ({ line, outcome: "Invalid", error: encoded }))
    },

    exitCode: outcomes.exitCode,

    json: (now: number) => ({
      lines: Progress.done(state),
      ids,
      total: state.total()?.count ?? null,
      applied: state.applied,
      unreadable: state.unreadable,
      skipped: state.skipped,
      planned: state.planned,
      failed: state.failed,
      notSent: state.notSent,
      invalid: state.invalid,
      perSecond: Number(Progress.perSecond(state, now).toFixed(1)),
      millis: now - state.startedAt
    }),

    text: (now: number): string => {
      const { applied, failed, notSent, planned, skipped } = state
      const isDone = skipped > 0 && applied + failed + notSent + planned === 0
      return [
        summary(now),
        ...outcomes.stops(),
        ...(isDone && journal !== undefined
          ? [`Nothing was sent: ${journal} records all of them as applied. Remove it to send them again.`]
          : [])
      ].join("\n")
    }
  }
}
