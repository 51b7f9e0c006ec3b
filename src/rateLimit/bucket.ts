/**
 * The rules of one bucket of requests, as pure functions of a monotonic time.
 *
 * A request starts only when the requests in flight plus those that ended less
 * than one interval ago are fewer than the limit. Whatever window the server
 * keeps, fixed or sliding, a request was received between its start and its end,
 * so no window of one interval ever holds more than the limit.
 */
import type { Acquired, Observation, Permit, Responded } from "./RateLimitStore.ts"

/** The documented limits, for servers that send no headers. */
export const documentedLimit = 100
export const documentedIntervalMillis = 10_000

/** How soon to ask again while a probe is in flight. */
export const probeMillis = 50

/** When the daily limit resets; if the response does not say, when to probe again. */
export const dailyResetMillis = (response: Responded): number =>
  response.dailyResetMillis ?? response.intervalMillis ?? documentedIntervalMillis

export interface State {
  /** Identifies this epoch of the bucket. Permits of an earlier one are not in `inFlight`. */
  readonly epoch: string
  /** Until when each request in flight counts, in the order of their grants. */
  readonly inFlight: Map<number, number>
  /** Until when each ended request counts, ascending. */
  readonly ended: Array<number>
  sequence: number
  limit: { readonly max: number; readonly sequence: number } | undefined
  intervalMillis: number
  blockedUntil: number
  external: { readonly count: number; readonly until: number }
  daily: { readonly remaining: number; readonly resetsAt: number; readonly sequence: number } | undefined
}

export const make = (epoch = ""): State => ({
  epoch,
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
  while ((ended[index - 1] ?? -Infinity) > until) index--
  ended.splice(index, 0, until)
}

const isExhausted = ({ daily, sequence }: State) =>
  daily !== undefined && daily.remaining - (sequence - daily.sequence) <= 0

const expire = (state: State, now: number) => {
  for (const [sequence, until] of state.inFlight) {
    if (until > now) break
    state.inFlight.delete(sequence)
  }
  let expired = 0
  while (expired < state.ended.length && (state.ended[expired] ?? Infinity) <= now) expired++
  if (expired > 0) state.ended.splice(0, expired)
  if (state.daily !== undefined && state.daily.resetsAt <= now) {
    // One probe must show whether requests are left again.
    if (isExhausted(state)) state.limit = undefined
    state.daily = undefined
  }
}

/** Whether the state holds nothing but limits, so that it may be evicted. */
export const isIdle = (state: State, now: number) => {
  expire(state, now)
  return state.inFlight.size === 0 && state.ended.length === 0 && state.blockedUntil <= now && !isExhausted(state)
}

export const acquire = (state: State, now: number, leaseMillis: number): Acquired => {
  expire(state, now)
  const { daily, ended, inFlight, limit } = state
  if (daily !== undefined && isExhausted(state)) {
    // Responses in flight may show that some requests are left.
    return inFlight.size > 0 ? waitForResponse : { _tag: "DailyLimit", millis: daily.resetsAt - now }
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
  // Without a release it may end as late as its lease and be in flight for an interval more.
  inFlight.set(sequence, now + leaseMillis + 2 * state.intervalMillis)
  return { _tag: "Granted", permit: { sequence, used: used + 1, epoch: state.epoch } }
}

export const release = (state: State, now: number, permit: Permit, observation: Observation): void => {
  const isOfEpoch = permit.epoch === state.epoch
  const wasInFlight = isOfEpoch && state.inFlight.delete(permit.sequence)
  if (observation._tag === "Unused") {
    // The server did not count it.
    const { daily } = state
    if (wasInFlight && daily !== undefined && permit.sequence > daily.sequence) {
      state.daily = { ...daily, remaining: daily.remaining + 1 }
    }
    return
  }
  if (observation._tag === "Unknown") {
    // It may still be in flight: it counts as ended one interval from now.
    insert(state.ended, now + 2 * state.intervalMillis)
    return
  }
  // A request of an earlier epoch counts as the newest.
  const sequence = isOfEpoch ? permit.sequence : state.sequence
  const used = isOfEpoch ? permit.used : state.inFlight.size + state.ended.length + 1
  const { dailyRemaining, intervalMillis, isHighLevel, max, remaining, retryAfterMillis } = observation
  const isNewest = state.limit === undefined || sequence >= state.limit.sequence
  if (max !== undefined) {
    // A lower limit applies at once; a higher one only from the newest request.
    if (isNewest || max < (state.limit?.max ?? Infinity)) state.limit = { max, sequence }
    if (isNewest && intervalMillis !== undefined) state.intervalMillis = intervalMillis
  } else if (isHighLevel && state.limit === undefined) {
    state.limit = { max: documentedLimit, sequence: 0 }
  }
  insert(state.ended, now + state.intervalMillis)

  if (max !== undefined && remaining !== undefined) {
    // At most `used` and those granted since are ours; the rest of the server's count is external usage.
    const count = Math.max(0, max - remaining - (used + state.sequence - sequence))
    if (count >= state.external.count || state.external.until <= now) {
      state.external = { count, until: count > 0 ? now + state.intervalMillis : 0 }
    }
  }
  if (dailyRemaining !== undefined && sequence >= (state.daily?.sequence ?? 0)) {
    state.daily = { remaining: dailyRemaining, resetsAt: now + dailyResetMillis(observation), sequence }
  }
  if (observation.isLimited) {
    state.blockedUntil = Math.max(state.blockedUntil, now + (retryAfterMillis ?? state.intervalMillis))
  }
}
