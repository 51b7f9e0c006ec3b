/** How far a job is: a bar on a terminal, else a line every few seconds. */
import * as Output from "./output.ts"

/** What a job knows of itself, and which part of its input has been read, from 0 to 1, if that is known. */
export const make = (startedAt: number, readPart: () => number | undefined = () => undefined) => {
  // What HighLevel reported last of the interval and of the day.
  const quota: { readonly remaining?: number; readonly max?: number; readonly daily?: number } = {}
  const counts = { applied: 0, unreadable: 0, skipped: 0, planned: 0, failed: 0, notSent: 0, invalid: 0 }
  return { startedAt, readPart, read: 0, ids: 0, ...counts, quota }
}

export type State = ReturnType<typeof make>

const doneOf = ({ applied, failed, invalid, notSent, planned, skipped }: State) =>
  applied + failed + invalid + notSent + planned + skipped

/** How many lines there are: exactly once all are read, before that by the bytes that are read. */
const totalOf = ({ read, readPart }: State) => {
  const part = readPart()
  return part === undefined || !(part > 0) ? undefined : { lines: Math.round(read / part), isExact: part >= 1 }
}

/** Whether nothing has come of the job yet. */
export const isEmpty = (state: State): boolean => doneOf(state) === 0

/** In the two largest units: `2 h 47 min`. */
export const span = (millis: number): string => {
  const seconds = Math.round(millis / 1000)
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

const perSecond = (state: State, now: number) => {
  // What was skipped took no time, and says nothing of what is to come.
  const made = state.applied + state.failed
  return made === 0 || now <= state.startedAt ? 0 : (made * 1000) / (now - state.startedAt)
}

const some = (count: number, what: string) => (count === 0 ? [] : [`${Output.count(count)} ${what}`])

const facts = (state: State, now: number): ReadonlyArray<string> => {
  const done = doneOf(state)
  const total = totalOf(state)
  const rate = perSecond(state, now)
  const { daily, max, remaining } = state.quota
  const bad = state.failed + state.invalid
  return [
    total === undefined
      ? `${Output.count(done)} done`
      : `${Output.count(done)}/${total.isExact ? "" : "~"}${Output.count(total.lines)}`,
    ...some(bad, "failed"),
    ...some(state.notSent, "not sent"),
    ...(rate === 0 ? [] : [`${rate.toFixed(1)}/s`]),
    ...(rate === 0 || total === undefined || done >= total.lines
      ? []
      : [`${span(((total.lines - done) * 1000) / rate)} left`]),
    ...(remaining === undefined ? [] : [`quota ${remaining}${max === undefined ? "" : `/${max}`}`]),
    ...(daily === undefined ? [] : [`day ${Output.count(daily)}`])
  ]
}

export const line = (state: State, now: number): string => facts(state, now).join(", ")

const maximumBar = 30
const minimumBar = 5

/** One line that fits the window: what does not fit is left out, the least important first. */
export const bar = (state: State, now: number, columns: number, colors: boolean): string => {
  const paint = (code: number, text: string) => (colors && text !== "" ? `\u001b[${code}m${text}\u001b[39m` : text)
  // The last column would wrap.
  const room = Math.max(1, columns - 1)
  const shown: Array<string> = []
  for (const fact of facts(state, now)) {
    if ([...shown, fact].join("  ").length > room) break
    shown.push(fact)
  }
  const text = shown.join("  ")
  const colored = shown.map((fact) => (fact.endsWith(" failed") ? paint(31, fact) : fact)).join("  ")
  const width = Math.min(maximumBar, room - text.length - 3)
  const lines = totalOf(state)?.lines ?? 0
  if (lines === 0 || width < minimumBar) return colored
  const filled = Math.min(width, Math.floor((doneOf(state) / lines) * width))
  return `[${paint(32, "=".repeat(filled))}${" ".repeat(width - filled)}] ${colored}`
}

/** What became of it all, in one line. */
export const summary = (state: State, now: number): string => {
  const { applied, failed, ids, invalid, notSent, planned, skipped, unreadable } = state
  const parts = [
    planned > 0 ? `${Output.count(planned)} to apply` : `${Output.count(applied)} applied`,
    ...some(unreadable, "of them with an unreadable response"),
    ...some(skipped, "skipped"),
    ...some(failed, "failed"),
    ...some(notSent, "not sent"),
    ...some(invalid, "invalid")
  ]
  const rate = perSecond(state, now)
  const speed = rate === 0 ? "" : ` (${rate.toFixed(1)}/s)`
  const read =
    ids === 0 ? "" : ` (${Output.count(ids)} of them ${ids === 1 ? "a conversation id" : "conversation ids"})`
  return `${Output.counted(doneOf(state), "line")}${read}: ${parts.join(", ")} in ${span(now - state.startedAt)}${speed}`
}

export const json = (state: State, now: number) => ({
  lines: doneOf(state),
  ids: state.ids,
  total: totalOf(state)?.lines ?? null,
  applied: state.applied,
  unreadable: state.unreadable,
  skipped: state.skipped,
  planned: state.planned,
  failed: state.failed,
  notSent: state.notSent,
  invalid: state.invalid,
  perSecond: Number(perSecond(state, now).toFixed(1)),
  millis: now - state.startedAt
})
