/** What the tests of both stores share. */
import { type RateLimitStore } from "effect-highlevel"
import { assert } from "vitest"

export const responded = (response: Partial<RateLimitStore.Responded> = {}): RateLimitStore.Responded => ({
  _tag: "Responded",
  isHighLevel: true,
  isLimited: false,
  ...response
})

export const granted = (acquired: RateLimitStore.Acquired): RateLimitStore.Permit => {
  assert(acquired._tag === "Granted", JSON.stringify(acquired))
  return acquired.permit
}

/** The most requests that any window of one interval, fixed or sliding, ever held. */
export const fullestWindow = (times: ReadonlyArray<number>, intervalMillis: number) =>
  Math.max(...times.map((start) => times.filter((time) => time >= start && time < start + intervalMillis).length))
