/** Keeps the buckets of one process, on its monotonic clock. */
import type { Acquired, Observation, Permit } from "./RateLimitStore.ts"
import * as BucketRules from "./bucket.ts"

// Beyond this number, buckets that hold nothing but limits are evicted.
const minimumSweep = 10_000

export const make = () => {
  const states = new Map<string, BucketRules.State>()
  let sweepAt = minimumSweep
  let epochs = 0
  const stateOf = (key: string, now: number) => {
    const known = states.get(key)
    if (known !== undefined) return known
    if (states.size >= sweepAt) {
      for (const [other, state] of states) if (BucketRules.isIdle(state, now)) states.delete(other)
      // A sweep of n buckets runs once per n new buckets.
      sweepAt = Math.max(minimumSweep, 2 * states.size)
    }
    const state = BucketRules.make(String(++epochs))
    states.set(key, state)
    return state
  }
  return {
    acquire: (key: string, now: number, leaseMillis: number): Acquired =>
      BucketRules.acquire(stateOf(key, now), now, leaseMillis),
    release: (key: string, now: number, permit: Permit, observation: Observation): void =>
      BucketRules.release(stateOf(key, now), now, permit, observation)
  }
}
