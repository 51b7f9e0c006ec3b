/** The progress of a job: a bar on a terminal, else a line every few seconds. */
import * as Output from "./output.ts"

/** The remaining requests that HighLevel reported last. */
export interface Quota {
  readonly remaining?: number
  readonly max?: number
  readonly intervalMillis?: number
  readonly daily?: number
}

/** The total number of outcomes. */
export interface Total {
  readonly count: number
  readonly isExact: boolean
}

/** The state of a job. */
export const make = (startedAt: number, total: () => Total | undefined = () => undefined) => {
  const quota: Quota = {}
  const counts = { applied: 0, unreadable: 0, skipped: 0, planned: 0, failed: 0, notSent: 0, invalid: 0 }
  return { startedAt, total, ...counts, quota }
}

export type State = ReturnType<typeof make>

/** The number of outcomes so far. */
export const done = ({ applied, failed, invalid, notSent, planned, skipped }: State) =>
  applied + failed + invalid + notSent + planned + skipped

/** Estimates a total from the count in a part of the input, from 0 to 1. */
export const extrapolate = (count: number, part: number | undefined): Total | undefined =>
  part === undefined || !(part > 0) ? undefined : { count: Math.round(count / part), isExact: part >= 1 }

/** Whether the job has no outcome yet. */
export const isEmpty = (state: State): boolean => done(state) === 0

/** Formats a duration in its two largest units: `2 h 47 min`. */
export const span = (millis: number): string => {
  const seconds = Math.round(millis / 1000)
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

export const perSecond = (state: State, now: number) => {
  // Skipped updates took no time, so they do not count for the estimate.
  const made = state.applied + state.failed
  return made === 0 || now <= state.startedAt ? 0 : (made * 1000) / (now - state.startedAt)
}

/** Formats a count with its noun, unless it is zero. */
export const some = (count: number, what: string) => (count === 0 ? [] : [`${Output.count(count)} ${what}`])

const facts = (state: State, now: number): ReadonlyArray<string> => {
  const ended = done(state)
  const total = state.total()
  const rate = perSecond(state, now)
  const { daily, max, remaining } = state.quota
  const bad = state.failed + state.invalid
  return [
    total === undefined
      ? `${Output.count(ended)} done`
      : `${Output.count(ended)}/${total.isExact ? "" : "~"}${Output.count(total.count)}`,
    ...some(bad, "failed"),
    ...some(state.notSent, "not sent"),
    ...(rate === 0 ? [] : [`${rate.toFixed(1)}/s`]),
    ...(rate === 0 || total === undefined || ended >= total.count
      ? []
      : [`${span(((total.count - ended) * 1000) / rate)} left`]),
    ...(remaining === undefined ? [] : [`quota ${remaining}${max === undefined ? "" : `/${max}`}`]),
    ...(daily === undefined ? [] : [`day ${Output.count(daily)}`])
  ]
}

export const line = (state: State, now: number): string => facts(state, now).join(", ")

const maximumBar = 30
const minimumBar = 5

/** Formats one line that fits the window, omitting the least important parts first. */
export const bar = (state: State, now: number, columns: number, colors: boolean): string => {
  const paint = (code: number, text: string) => (colors && text !== "" ? `\u001b[${code}m${text}\u001b[39m` : text)
  // Text in the last column would wrap.
  const room = Math.max(1, columns - 1)
  const shown: Array<string> = []
  for (const fact of facts(state, now)) {
    if ([...shown, fact].join("  ").length > room) break
    shown.push(fact)
  }
  const text = shown.join("  ")
  const colored = shown.map((fact) => (fact.endsWith(" failed") ? paint(31, fact) : fact)).join("  ")
  const width = Math.min(maximumBar, room - text.length - 3)
  const total = state.total()?.count ?? 0
  if (total === 0 || width < minimumBar) return colored
  const filled = Math.min(width, Math.floor((done(state) / total) * width))
  return `[${paint(32, "=".repeat(filled))}${" ".repeat(width - filled)}] ${colored}`
}

/** `in 4 s (9.8/s)`. */
export const elapsed = (state: State, now: number): string => {
  const rate = perSecond(state, now)
  return `in ${span(now - state.startedAt)}${rate === 0 ? "" : ` (${rate.toFixed(1)}/s)`}`
}
