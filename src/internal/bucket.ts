/**
 * The rules of one bucket of requests, as pure functions of the time.
 *
 * A request starts only when the requests in flight plus those that ended less
 * than one interval ago are fewer than the limit. Whatever window the server
 * keeps, fixed or sliding, a request was received between its start and its end,
 * so no window of one interval ever holds more than the limit.
 */
import type { Lease, Observation, Taken } from "../QuotaStore.ts"

/** What HighLevel documents, for servers that do not say. */
export const documentedLimit = 100
export const documentedIntervalMillis = 10_000

/** How long a limit that nobody knows yet is waited for before looking again. */
export const probeMillis = 50

export interface State {
  /** Requests in flight, and until when their places are theirs. */
  readonly held: Map<number, number>
  /** Until when ended requests count, ascending. */
  readonly ended: Array<number>
  sequence: number
  limit: { readonly max: number; readonly sequence: number } | undefined
  intervalMillis: number
  blockedUntil: number
  foreign: { readonly count: number; readonly until: number }
  daily: { readonly remaining: number; readonly resetsAt: number; readonly sequence: number } | undefined
}

export const make = (): State => ({
  held: new Map(),
  ended: [],
  sequence: 0,
  limit: undefined,
  intervalMillis: documentedIntervalMillis,
  blockedUntil: 0,
  foreign: { count: 0, until: 0 },
  daily: undefined
})

const wait = (millis: number): Taken => ({ _tag: "Wait", millis: Math.max(1, Math.ceil(millis)), isForAnswer: false })
const waitForAnswer: Taken = { _tag: "Wait", millis: probeMillis, isForAnswer: true }

const insert = (ended: Array<number>, until: number) => {
  let index = ended.length
  while (index > 0 && (ended[index - 1] ?? -Infinity) > until) index--
  ended.splice(index, 0, until)
}

const expire = (state: State, now: number) => {
  // In the order they were taken. A place that nobody gave back was lost on the way.
  for (const [sequence, leasedUntil] of state.held) {
    if (leasedUntil > now) break
    state.held.delete(sequence)
    insert(state.ended, leasedUntil + state.intervalMillis)
  }
  let expired = 0
  while (expired < state.ended.length && (state.ended[expired] ?? Infinity) <= now) expired++
  if (expired > 0) state.ended.splice(0, expired)
  if (state.daily !== undefined && state.daily.resetsAt <= now) state.daily = undefined
}

/** Whether nothing would be forgotten with the state but the limit. */
export const isIdle = (state: State, now: number) => {
  expire(state, now)
  return state.held.size === 0 && state.ended.length === 0 && state.blockedUntil <= now && state.daily === undefined
}

export const take = (state: State, now: number, leaseMillis: number): Taken => {
  expire(state, now)
  const { daily, ended, held, limit } = state
  if (daily !== undefined && daily.remaining - (state.sequence - daily.sequence) <= 0) {
    // Answers still on their way may show that some of the day is left.
    return held.size > 0 ? waitForAnswer : { _tag: "Spent", resetsAtMillis: daily.resetsAt }
  }
  if (state.blockedUntil > now) return wait(state.blockedUntil - now)
  const used = held.size + ended.length
  // Cold: one probe at a time, until an answer tells the limit.
  if (limit === undefined) {
    if (held.size > 0) return waitForAnswer
  } else {
    const isYielding = state.foreign.until > now
    const available = limit.max - (isYielding ? state.foreign.count : 0)
    if (used >= available) {
      // A request in flight frees its place one interval from now at the earliest.
      const freed = ended[used - available] ?? now + state.intervalMillis
      return wait((isYielding ? Math.min(freed, state.foreign.until) : freed) - now)
    }
  }
  const sequence = ++state.sequence
  held.set(sequence, now + leaseMillis + state.intervalMillis)
  // One at a time: in memory the next place is a function call away.
  return { _tag: "Granted", leases: [{ sequence, used: used + 1, epoch: "" }] }
}

export const give = (state: State, now: number, lease: Lease, observation: Observation): void => {
  state.held.delete(lease.sequence)
  if (observation._tag === "Unused") return
  if (observation._tag === "Unknown") {
    // It may still be on its way: it counts as ended one interval from now.
    insert(state.ended, now + 2 * state.intervalMillis)
    return
  }
  const { dailyRemaining, dailyResetMillis, intervalMillis, isAnswer, max, remaining, retryAfterMillis } = observation
  const isNewest = state.limit === undefined || lease.sequence >= state.limit.sequence
  if (max !== undefined) {
    // A lower limit counts at once; a higher one only if nothing newer was said.
    if (isNewest || max < (state.limit?.max ?? Infinity)) state.limit = { max, sequence: lease.sequence }
    if (isNewest && intervalMillis !== undefined) state.intervalMillis = intervalMillis
  } else if (isAnswer && state.limit === undefined) {
    state.limit = { max: documentedLimit, sequence: 0 }
  }
  insert(state.ended, now + state.intervalMillis)

  const grantedSince = state.sequence - lease.sequence
  if (max !== undefined && remaining !== undefined) {
    // At most `used + grantedSince` of the server's count are ours; the rest is others'.
    const count = Math.max(0, max - remaining - (lease.used + grantedSince))
    if (count >= state.foreign.count || state.foreign.until <= now) {
      state.foreign = { count, until: count > 0 ? now + state.intervalMillis : 0 }
    }
  }
  if (dailyRemaining !== undefined && lease.sequence >= (state.daily?.sequence ?? 0)) {
    state.daily = {
      remaining: dailyRemaining,
      resetsAt: now + (dailyResetMillis ?? state.intervalMillis),
      sequence: lease.sequence
    }
  }
  if (observation.isLimited) {
    state.blockedUntil = Math.max(state.blockedUntil, now + (retryAfterMillis ?? state.intervalMillis))
  }
}
