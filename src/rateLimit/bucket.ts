/**
 * The rules of one bucket of requests, as pure functions of the time.
 *
 * A request starts only when the requests in flight plus those that ended less
 * than one interval ago are fewer than the limit. Whatever window the server
 * keeps, fixed or sliding, a request was received between its start and its end,
 * so no window of one interval ever holds more than the limit.
 */
import type { Acquired, Observation, Permit } from "./RateLimitStore.ts"

/** What HighLevel documents, for servers that send no headers. */
export const documentedLimit = 100
export const documentedIntervalMillis = 10_000

/** How soon a bucket whose limit is being probed is asked again. */
export const probeMillis = 50

export interface State {
  /** Requests in flight, and when their permits expire. */
  readonly inFlight: Map<number, number>
  /** Until when ended requests count, ascending. */
  readonly ended: Array<number>
  sequence: number
  limit: { readonly max: number; readonly sequence: number } | undefined
  intervalMillis: number
  blockedUntil: number
  external: { readonly count: number; readonly until: number }
  daily:
    | {
        readonly remaining: number
        readonly resetsAt: number
        readonly sequence: number
        /** Whether HighLevel told the reset. */
        readonly isKnown: boolean
      }
    | undefined
}

export const make = (): State => ({
  inFlight: new Map(),
  ended: [],
  sequence: 0,
  limit: undefined,
  intervalMillis: documentedIntervalMillis,
  blockedUntil: 0,
  external: { count: 0, until: 0 },
  daily: undefined
})

const wait = (millis: number): Acquired => ({ _tag: "Wait", millis: Math.max(1, Math.ceil(millis)), isProbe: false })
const waitForResponse: Acquired = { _tag: "Wait", millis: probeMillis, isProbe: true }

const insert = (ended: Array<number>, until: number) => {
  let index = ended.length
  while (index > 0 && (ended[index - 1] ?? -Infinity) > until) index--
  ended.splice(index, 0, until)
}

const expire = (state: State, now: number) => {
  // In the order of the grants. A permit that was not released expires.
  for (const [sequence, expiresAt] of state.inFlight) {
    if (expiresAt > now) break
    state.inFlight.delete(sequence)
    insert(state.ended, expiresAt + state.intervalMillis)
  }
  let expired = 0
  while (expired < state.ended.length && (state.ended[expired] ?? Infinity) <= now) expired++
  if (expired > 0) state.ended.splice(0, expired)
  if (state.daily !== undefined && state.daily.resetsAt <= now) {
    // Whether requests are left is not known either: probe, as a cold bucket does.
    if (!state.daily.isKnown && isExhausted(state)) state.limit = undefined
    state.daily = undefined
  }
}

const isExhausted = ({ daily, sequence }: State) =>
  daily !== undefined && daily.remaining - (sequence - daily.sequence) <= 0

/** Whether nothing would be forgotten with the state but what the next response tells again. */
export const isIdle = (state: State, now: number) => {
  expire(state, now)
  return state.inFlight.size === 0 && state.ended.length === 0 && state.blockedUntil <= now && !isExhausted(state)
}

export const acquire = (state: State, now: number, leaseMillis: number): Acquired => {
  expire(state, now)
  const { daily, ended, inFlight, limit } = state
  if (daily !== undefined && isExhausted(state)) {
    // Responses in flight may show that some requests are left.
    return inFlight.size > 0 ? waitForResponse : { _tag: "DailyLimit", resetsAtMillis: daily.resetsAt }
  }
  if (state.blockedUntil > now) return wait(state.blockedUntil - now)
  const used = inFlight.size + ended.length
  // Cold: one probe at a time, until a response tells the limit.
  if (limit === undefined) {
    if (inFlight.size > 0) return waitForResponse
  } else {
    const isShared = state.external.until > now
    const available = limit.max - (isShared ? state.external.count : 0)
    if (used >= available) {
      // A request in flight stops counting one interval from now at the earliest.
      const freed = ended[used - available] ?? now + state.intervalMillis
      return wait((isShared ? Math.min(freed, state.external.until) : freed) - now)
    }
  }
  const sequence = ++state.sequence
  inFlight.set(sequence, now + leaseMillis + state.intervalMillis)
  return { _tag: "Granted", permit: { sequence, used: used + 1, epoch: "" } }
}

export const release = (state: State, now: number, permit: Permit, observation: Observation): void => {
  state.inFlight.delete(permit.sequence)
  if (observation._tag === "Unused") return
  if (observation._tag === "Unknown") {
    // It may still be in flight: it counts as ended one interval from now.
    insert(state.ended, now + 2 * state.intervalMillis)
    return
  }
  const { dailyRemaining, dailyResetMillis, intervalMillis, isHighLevel, max, remaining, retryAfterMillis } =
    observation
  const isNewest = state.limit === undefined || permit.sequence >= state.limit.sequence
  if (max !== undefined) {
    // A lower limit counts at once; a higher one only if it is the newest.
    if (isNewest || max < (state.limit?.max ?? Infinity)) state.limit = { max, sequence: permit.sequence }
    if (isNewest && intervalMillis !== undefined) state.intervalMillis = intervalMillis
  } else if (isHighLevel && state.limit === undefined) {
    state.limit = { max: documentedLimit, sequence: 0 }
  }
  insert(state.ended, now + state.intervalMillis)

  const grantedAfter = state.sequence - permit.sequence
  if (max !== undefined && remaining !== undefined) {
    // At most `used + grantedAfter` of the server's count are ours; the rest is external usage.
    const count = Math.max(0, max - remaining - (permit.used + grantedAfter))
    if (count >= state.external.count || state.external.until <= now) {
      state.external = { count, until: count > 0 ? now + state.intervalMillis : 0 }
    }
  }
  if (dailyRemaining !== undefined && permit.sequence >= (state.daily?.sequence ?? 0)) {
    state.daily = {
      remaining: dailyRemaining,
      resetsAt: now + (dailyResetMillis ?? state.intervalMillis),
      sequence: permit.sequence,
      isKnown: dailyResetMillis !== undefined
    }
  }
  if (observation.isLimited) {
    state.blockedUntil = Math.max(state.blockedUntil, now + (retryAfterMillis ?? state.intervalMillis))
  }
}
