/** What the tests of both stores say and ask. */
import type { QuotaStore } from "effect-highlevel"
import { assert } from "vitest"

export const answered = (answer: Partial<QuotaStore.Answered> = {}): QuotaStore.Answered => ({
  _tag: "Answered",
  isAnswer: true,
  isLimited: false,
  ...answer
})

export const granted = (taken: QuotaStore.Taken): QuotaStore.Lease => {
  assert(taken._tag === "Granted", JSON.stringify(taken))
  return taken.leases[0]
}

/** The most requests that any window of one interval, fixed or sliding, ever held. */
export const fullestWindow = (times: ReadonlyArray<number>, intervalMillis: number) =>
  Math.max(...times.map((start) => times.filter((time) => time >= start && time < start + intervalMillis).length))
