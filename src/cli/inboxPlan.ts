/** Describes what `mark-read` will do, for confirmation. */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Conversations from "../client/Conversations.ts"
import * as Search from "../client/search.ts"
import * as Output from "./output.ts"
import * as Progress from "./progress.ts"

/** The documented limit, if the response does not report one. */
const documented = { max: 100, intervalMillis: 10_000 }
const pageLength = 100

export interface Plan {
  /** The number of unread conversations, if HighLevel reports it. */
  readonly unread: number | undefined
  /** The cut-off: later messages stay unread. */
  readonly before: DateTime.DateTime | undefined
}

/**
 * Counts the unread conversations. Their newest message is the cut-off, so that messages
 * that arrive during the confirmation stay unread.
 */
export const make = Effect.fnUntraced(function* (query: Search.SearchQuery, before: Option.Option<DateTime.DateTime>) {
  const unread = { ...query, status: "unread", sort: "desc", sortBy: "last_message_date", limit: 1 } as const
  const { conversations, total } = yield* Conversations.searchPage(unread)
  const [newest] = conversations
  const millis = newest === undefined ? undefined : Search.messageMillis(newest)
  const plan: Plan = {
    unread: total ?? (newest === undefined ? 0 : undefined),
    before: Option.getOrUndefined(before) ?? (millis === undefined ? undefined : DateTime.makeUnsafe(millis))
  }
  return plan
})

/** Describes the number of requests, and how long they take at the limit. */
export const cost = (unread: number, recheck: boolean, quota: Progress.Quota) => {
  const { intervalMillis, max } = { ...documented, ...quota }
  const requests = unread * (recheck ? 2 : 1) + Math.ceil(unread / pageLength)
  const waiting = Math.max(0, requests - (quota.remaining ?? max))
  return { requests, millis: Math.ceil(waiting / max) * intervalMillis }
}

export const text = ({ before, unread }: Plan, recheck: boolean, dryRun: boolean, quota: Progress.Quota): string => {
  const time = before === undefined ? undefined : DateTime.formatIso(before)
  const cutOff =
    time === undefined
      ? []
      : [`Those whose last message is newer than ${time} stay unread,`, "and so does what arrives from now on."]
  if (unread === undefined)
    return ["HighLevel does not report how many conversations are unread.", ...cutOff].join("\n")
  const found = `${Output.counted(unread, "conversation")} ${unread === 1 ? "is" : "are"} unread.`
  if (dryRun) return [found, ...cutOff].join("\n")
  const { millis, requests } = cost(unread, recheck, quota)
  const duration = millis === 0 ? "a few seconds" : `about ${Progress.span(millis)}`
  const { daily } = quota
  const left = daily === undefined ? "" : ` of the ${Output.count(daily)} left today`
  return [
    found,
    ...cutOff,
    `This takes ${duration} and about ${Output.counted(requests, "request")}${left}.`,
    ...(daily !== undefined && requests > daily
      ? ["That is more than today's remaining requests: run the same command again tomorrow."]
      : [])
  ].join("\n")
}

export const json = ({ before, unread }: Plan, recheck: boolean, quota: Progress.Quota) => ({
  unread: unread ?? null,
  before: before === undefined ? null : DateTime.formatIso(before),
  ...(unread === undefined ? {} : cost(unread, recheck, quota)),
  dailyRemaining: quota.daily ?? null
})
