/** From an update that a worker has taken to its outcome: sent, put back for later, or failed for good. */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as RcMap from "effect/RcMap"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import type * as PersistedQueue from "effect/persistence/PersistedQueue"
import { HighLevelClient } from "../client/HighLevelClient.ts"
import * as HighLevelError from "../client/HighLevelError.ts"
import * as Outcome from "./Outcome.ts"
import { QueueRecords } from "./QueueRecords.ts"
import * as Queued from "./queuedUpdate.ts"
import * as StoppedLocations from "./stoppedLocations.ts"

type Base = Outcome.Base<Queued.QueuedUpdate>
type Unsuccessful = Outcome.Failed<Queued.QueuedUpdate> | Outcome.Defect<Queued.QueuedUpdate>

/** The update is in the queue again, and is redelivered later, to any worker. */
export interface Returned extends Base {
  readonly _tag: "Returned"
  /** Which delivery it was; the first one is 1. */
  readonly deliveries: number
  /** What the delivery ended with. */
  readonly because: Unsuccessful
}

/** What a worker reports of an update. */
export type QueueOutcome = Outcome.Sent<Queued.QueuedUpdate> | Outcome.NotSent<Queued.QueuedUpdate> | Returned

/** The outcome of a delivery, if there is one, and until when the worker is not idle because of it. */
export interface Delivered {
  readonly outcome?: QueueOutcome
  readonly activeUntil: number
}

/** The queue redelivers the update by its own schedule. */
export class Redelivered extends Data.TaggedError("Redelivered")<Delivered> {}

// An update whose location is busy for so long lets others pass for as long.
const busyMillis = 1000
// After how long one update probes a location that was stopped.
const stoppedMillis = 300_000
const perLocation = 16
// Effect's own schedule: exponential from 1 second.
const redeliveryMillis = (attempts: number) => Math.min(300_000, 1000 * 2 ** (attempts - 1))

const isRefused = (sent: Outcome.Sent<unknown>) => sent._tag === "Failed" && HighLevelError.isConfiguration(sent.error)

/** Whether it stops its location, or would have. */
const isStopping = (sent: Unsuccessful) =>
  isRefused(sent) || (sent._tag === "Failed" && sent.error._tag === "DailyLimitExceeded")

const isTemporary = (sent: Unsuccessful) =>
  sent._tag === "Defect" || isRefused(sent) || HighLevelError.isTransient(sent.error)

const errorOf = (sent: Unsuccessful) =>
  sent._tag === "Failed"
    ? { _tag: sent.error._tag, message: sent.error.message }
    : { _tag: sent._tag, message: Cause.prettyErrors(sent.cause)[0]?.message ?? "" }

export const make = Effect.fnUntraced(function* (
  name: string,
  { concurrency, maxAttempts }: { readonly concurrency: number; readonly maxAttempts: number }
) {
  const client = yield* HighLevelClient
  const records = yield* QueueRecords
  const queue = yield* Queued.queueOf(name)
  const requests = Semaphore.makeUnsafe(concurrency)
  const stopped = StoppedLocations.make()
  const resumesAt = new Map<string, number>()
  /** One update of a location at a time, until HighLevel has accepted its token. */
  const gates = yield* RcMap.make({ lookup: (_locationId: string) => Semaphore.make(1) })

  /** Why a location is stopped, unless it is time to probe it. */
  const reasonAt = (locationId: string, now: number) => {
    if (now < (resumesAt.get(locationId) ?? 0)) return stopped.reason(locationId)
    if (resumesAt.delete(locationId)) stopped.resume(locationId)
    return undefined
  }

  /** What was sent, and until when its location is stopped, if it is. */
  const send = Effect.fnUntraced(function* (base: Base, gate: Semaphore.Semaphore) {
    const { locationId } = base.update
    const reason = reasonAt(locationId, yield* Clock.currentTimeMillis)
    if (reason !== undefined) return { ...base, _tag: "NotSent" as const, reason }
    yield* Effect.interruptible(requests.take(1))
    const sent = yield* Effect.ensuring(Outcome.send(client, base), requests.release(1))
    yield* gate.resize(isRefused(sent) ? 1 : perLocation)
    if (stopped.stops(sent) && sent._tag === "Failed") {
      const at = (yield* Clock.currentTimeMillis) + stoppedMillis
      const { error } = sent
      resumesAt.set(locationId, error._tag === "DailyLimitExceeded" ? DateTime.toEpochMillis(error.resetsAt) : at)
    }
    return sent
  })

  /** Sends an update in its turn. Nothing, if its location is busy. */
  const sendInTurn = (base: Base) =>
    Effect.scoped(
      Effect.gen(function* () {
        const gate = yield* RcMap.get(gates, base.update.locationId)
        const entered = yield* Effect.interruptible(Effect.timeoutOption(gate.take(1), busyMillis))
        return Option.isNone(entered) ? undefined : yield* Effect.ensuring(send(base, gate), gate.release(1))
      })
    )

  /** Lists what failed for good, before the queue acknowledges it. */
  const fail = Effect.fnUntraced(function* (outcome: Unsuccessful, deliveries: number) {
    const failedAt = yield* DateTime.now
    const failure = { ...outcome.row, error: errorOf(outcome), deliveries, failedAt }
    const text = yield* Queued.orDieOfSchema(Schema.encodeEffect(Queued.FailureText)(failure))
    yield* records.add(name, Queued.idOf(outcome.row), text)
    return { outcome, activeUntil: DateTime.toEpochMillis(failedAt) }
  })

  /** To be forked as uninterruptible: an interruption ends its waits, and lets a request in flight finish. */
  return Effect.fnUntraced(function* (
    { deliveries: earlier, ...row }: typeof Queued.Element.Type,
    attempts: number
  ): Effect.fn.Return<Delivered, Redelivered | PersistedQueue.PersistedQueueError> {
    const base: Base = { row, update: row.update }
    const { locationId } = row.update
    const deliveries = earlier + attempts
    if (deliveries > maxAttempts) {
      const cause = Cause.die(new Error(`Its workers ended before they reported an outcome, ${maxAttempts} times`))
      return yield* fail({ _tag: "Defect", ...base, cause }, maxAttempts)
    }
    const sent = yield* sendInTurn(base)
    const now = yield* Clock.currentTimeMillis
    if (sent?._tag === "Applied") {
      // A worker may have listed it, and ended before the queue knew.
      if (deliveries > 1) yield* records.remove(name, Queued.idOf(row))
      return { outcome: sent, activeUntil: now }
    }
    const isHere = sent !== undefined && sent._tag !== "NotSent" && !(isStopping(sent) && resumesAt.has(locationId))
    if (isHere) {
      if (!isTemporary(sent) || deliveries >= maxAttempts) return yield* fail(sent, deliveries)
      const outcome: Returned = { _tag: "Returned", ...base, deliveries, because: sent }
      return yield* new Redelivered({ outcome, activeUntil: now + redeliveryMillis(attempts) })
    }
    // Put back with a delay, and not counted as a delivery.
    const delay = sent === undefined ? busyMillis : Math.max(busyMillis, (resumesAt.get(locationId) ?? 0) - now)
    yield* Queued.orDieOfSchema(queue.offer({ ...row, deliveries: deliveries - 1 }, { delay }))
    if (sent === undefined) return { activeUntil: now + busyMillis }
    const outcome = sent._tag === "NotSent" ? sent : { _tag: "Returned" as const, ...base, deliveries, because: sent }
    return { outcome, activeUntil: 0 }
  })
})
