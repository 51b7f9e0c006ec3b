/** Sends the updates of a queue by location: in turn, and none while the location is stopped. */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as RcMap from "effect/RcMap"
import * as Semaphore from "effect/Semaphore"
import type { Service } from "../client/HighLevelClient.ts"
import * as HighLevelError from "../client/HighLevelError.ts"
import type * as Outcome from "./Outcome.ts"
import type { QueuedUpdate } from "./queuedUpdate.ts"
import * as SendUpdate from "./sendUpdate.ts"
import * as StoppedLocations from "./stoppedLocations.ts"

const perLocation = 16
// How long an unused location is kept. Afterwards one update tries its token again.
const idleLocation = "1 minute"
/** How long an update waits for its turn before other locations may overtake it. */
export const busyMillis = 2000
/** How long a location is stopped before one update probes it. */
export const stoppedMillis = 300_000

/** Whether a failure stops its location, at once or if the next one is the same. */
export const isStopping = (sent: Outcome.Sent<QueuedUpdate>): boolean =>
  sent._tag === "Failed" && (sent.error._tag === "DailyLimitExceeded" || HighLevelError.isConfiguration(sent.error))

export const make = Effect.fnUntraced(function* (client: Service, concurrency: number) {
  const requests = Semaphore.makeUnsafe(concurrency)
  const requestSlot = { acquire: requests.take(1), release: requests.release(1) }
  /** Allows one update at a time, until HighLevel has accepted the token of the location. */
  const gates = yield* RcMap.make({ lookup: (_locationId: string) => Semaphore.make(1), idleTimeToLive: idleLocation })
  const stopped = StoppedLocations.make()
  const stoppedUntil = new Map<string, number>()

  const send = Effect.fnUntraced(function* (base: Outcome.Base<QueuedUpdate>, gate: Semaphore.Semaphore) {
    const { locationId } = base.update
    if ((stoppedUntil.get(locationId) ?? 0) <= (yield* Clock.currentTimeMillis)) {
      stoppedUntil.delete(locationId)
      stopped.resume(locationId)
    }
    const reason = stopped.reason(locationId)
    if (reason !== undefined) return { ...base, _tag: "NotSent" as const, reason }
    const sent = yield* SendUpdate.make(client, base, { requestSlot, finishInFlight: true })
    const now = yield* Clock.currentTimeMillis
    // A request that was already in flight does not extend the stop.
    const isFirst = (stoppedUntil.get(locationId) ?? 0) <= now
    if (stopped.stops(sent) && sent._tag === "Failed" && isFirst) {
      const { error } = sent
      const isDaily = error._tag === "DailyLimitExceeded"
      stoppedUntil.set(locationId, isDaily ? DateTime.toEpochMillis(error.resetsAt) : now + stoppedMillis)
    }
    yield* gate.resize(isStopping(sent) ? 1 : perLocation)
    return sent
  })

  return {
    /** Sends an update in its turn. Returns none if others `mustPass` before its turn. */
    send: Effect.fnUntraced(function* (base: Outcome.Base<QueuedUpdate>, mustPass: () => boolean) {
      const gate = yield* RcMap.get(gates, base.update.locationId)
      while (true) {
        const passed = yield* Effect.interruptible(Effect.timeoutOption(gate.take(1), busyMillis))
        if (Option.isSome(passed)) return yield* Effect.ensuring(send(base, gate), gate.release(1))
        if (mustPass()) return undefined
      }
    }, Effect.scoped),

    /** Until when the location is stopped; 0 if it never was. */
    stoppedUntil: (locationId: string) => stoppedUntil.get(locationId) ?? 0,

    /** When the first stopped location is probed; Infinity if none is stopped. */
    nextProbe: (now: number) => Math.min(...[...stoppedUntil.values()].filter((until) => until > now))
  }
})
