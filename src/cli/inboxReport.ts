/** The output of `mark-read`: a line for each conversation, and a summary. */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import type * as Inbox from "../jobs/Inbox.ts"
import * as OutcomeReport from "./outcomeReport.ts"
import * as Output from "./output.ts"
import * as Progress from "./progress.ts"

export const make = (
  state: Progress.State,
  options: {
    readonly locationId: string
    readonly before: () => DateTime.DateTime | undefined
    readonly isStopped: () => boolean
  }
) => {
  const { before, isStopped, locationId } = options
  const outcomes = OutcomeReport.make(state)
  const left = { newer: 0, restored: 0, alreadyRead: 0 }

  return {
    record: (outcome: Inbox.Outcome): Effect.Effect<Schema.Json> => {
      if (outcome._tag !== "Newer" && outcome._tag !== "AlreadyRead") return outcomes.record(outcome)
      state.skipped++
      const { id = null, lastMessageDate } = outcome.row
      const fields = {
        conversationId: id,
        locationId,
        outcome: outcome._tag,
        lastMessageDate: lastMessageDate ? DateTime.formatIso(lastMessageDate) : null
      }
      if (outcome._tag === "AlreadyRead") {
        left.alreadyRead++
        return Effect.succeed(fields)
      }
      left.newer++
      if (outcome.restored) left.restored++
      return Effect.succeed({ ...fields, restored: outcome.restored })
    },

    exitCode: outcomes.exitCode,

    json: (now: number) => ({
      conversations: Progress.done(state),
      total: state.total()?.count ?? null,
      applied: state.applied,
      unreadable: state.unreadable,
      ...left,
      planned: state.planned,
      failed: state.failed,
      notSent: state.notSent,
      perSecond: Number(Progress.perSecond(state, now).toFixed(1)),
      millis: now - state.startedAt
    }),

    text: (now: number): string => {
      const { applied, failed, notSent, planned, unreadable } = state
      const parts = [
        planned > 0 ? `${Output.count(planned)} to mark as read` : `${Output.count(applied)} marked as read`,
        ...Progress.some(unreadable, "of them with an unreadable response"),
        ...Progress.some(left.newer, "newer and left unread"),
        ...Progress.some(left.alreadyRead, "already read"),
        ...Progress.some(failed, "failed"),
        ...Progress.some(notSent, "not sent")
      ]
      const time = before()
      return [
        `${Output.counted(Progress.done(state), "conversation")}: ${parts.join(", ")} ${Progress.elapsed(state, now)}`,
        ...outcomes.stops(),
        ...(isStopped()
          ? [
              "Run the same command again to continue." +
                (time === undefined ? "" : ` --before ${DateTime.formatIso(time)} leaves out what has arrived since.`)
            ]
          : [])
      ].join("\n")
    }
  }
}
