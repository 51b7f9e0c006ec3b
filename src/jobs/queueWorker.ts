/** A worker of a queue: takes updates, sends them, and returns those that must wait. */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import { HighLevelClient } from "../client/HighLevelClient.ts"
import * as HighLevelError from "../client/HighLevelError.ts"
import type * as Outcome from "./Outcome.ts"
import * as Queued from "./queuedUpdate.ts"
import * as Locations from "./queueLocations.ts"
import { QueueRecords } from "./QueueRecords.ts"

/** An update that a worker has taken. */
interface Delivery extends Outcome.Base<Queued.QueuedUpdate> {
  /** The number of this delivery, from 1. */
  readonly deliveries: number
}

/** The update is back in the queue and will be redelivered to any worker. */
export interface Returned extends Delivery {
  readonly _tag: "Returned"
  /** Why this delivery failed. */
  readonly because: Outcome.Failed<Queued.QueuedUpdate> | Outcome.Defect<Queued.QueuedUpdate>
}

/** The outcome that a worker reports. */
export type QueueOutcome = Outcome.Sent<Queued.QueuedUpdate> | Outcome.NotSent<Queued.QueuedUpdate> | Returned

// Updates taken for each request in flight, since those of a busy location wait.
const takersPerRequest = 4
// An idle worker does not wait longer than this: later updates wait for a daily limit.
const waitedForMillis = 2 * Locations.stoppedMillis

const defect = ({ row, update }: Delivery, error: unknown): Queued.Unsuccessful => ({
  _tag: "Defect",
  row,
  update,
  cause: Cause.die(error)
})

/** Runs a worker and emits each outcome once the queue has recorded it. It stops when the scope closes. */
export const make = Effect.fnUntraced(function* (settings: {
  readonly name: string
  readonly concurrency: number
  readonly maxAttempts: number
  readonly idleMillis: number
  readonly stop: Effect.Effect<unknown>
}) {
  const { concurrency, idleMillis, maxAttempts, name } = settings
  const takers = concurrency * takersPerRequest
  const locations = yield* Locations.make(yield* HighLevelClient, concurrency)
  const records = yield* QueueRecords
  const queue = yield* Queued.queueOf(name)
  const outcomes = yield* Queue.bounded<QueueOutcome, Cause.Done>(takers)
  const stopped = yield* Deferred.make<void>()
  let busy = 0
  let endedAt = yield* Clock.currentTimeMillis

  /** Sends an update and records its outcome. Fails if the queue must redeliver it. */
  const deliver = Effect.fnUntraced(function* (delivery: Delivery) {
    const { deliveries, row, update } = delivery
    const id = Queued.idOf(row)
    const sent =
      deliveries > maxAttempts
        ? defect(delivery, new Error(`${maxAttempts} workers took it, and ended without an outcome`))
        : yield* locations.send({ row, update }, () => busy === takers)
    const now = yield* Clock.currentTimeMillis
    const stoppedUntil = locations.stoppedUntil(update.locationId)
    /** Adds it as a new element, so that this delivery does not count. */
    const putBack = (until: number) =>
      queue.offer({ ...row, deliveries: deliveries - 1 }, { delay: Math.max(Locations.busyMillis, until - now) })

    if (sent === undefined) return yield* Effect.as(putBack(now), undefined)
    if (sent._tag === "NotSent") return yield* Effect.as(putBack(stoppedUntil), sent)
    if (sent._tag === "Applied") {
      // A worker may have died between listing it and acknowledging it.
      if (deliveries > 1) yield* records.remove(name, id)
      return sent
    }
    const isStopping = Locations.isStopping(sent)
    if (isStopping && stoppedUntil > now) {
      return yield* Effect.as(putBack(stoppedUntil), { ...delivery, _tag: "Returned" as const, because: sent })
    }
    const isTemporary = isStopping || sent._tag === "Defect" || HighLevelError.isTransient(sent.error)
    if (isTemporary && deliveries < maxAttempts) return yield* Effect.fail(sent)
    // Before the queue acknowledges it: otherwise it could be lost.
    yield* records.add(name, id, yield* Queued.failureText(sent, Math.min(deliveries, maxAttempts)))
    return sent
  })

  /** Takes an update and delivers it. A stop ends the wait for an update, but lets a request in flight finish. */
  const takeOne = Effect.suspend(() => {
    let taken: Delivery | undefined
    const taking = queue.take(({ deliveries, ...row }, { attempts }) =>
      Effect.gen(function* () {
        const delivery = { row, update: row.update, deliveries: deliveries + attempts }
        taken = delivery
        busy++
        const fiber = yield* Effect.forkChild(deliver(delivery), { uninterruptible: true })
        yield* Effect.forkChild(Effect.andThen(Deferred.await(stopped), Fiber.interrupt(fiber)))
        return yield* Effect.ensuring(
          Fiber.join(fiber),
          Effect.sync(() => busy--)
        )
      })
    )
    const stopping = Effect.flatMap(Deferred.await(stopped), () => (taken === undefined ? Effect.void : Effect.never))
    return Effect.catchCause(Effect.raceFirst(taking, stopping), (cause) => {
      if (Cause.hasInterruptsOnly(cause)) return Effect.void
      if (taken === undefined) return Effect.sleep(Locations.busyMillis)
      // If nothing could be recorded, the queue redelivers it, too.
      const failed = Option.filter(Cause.findErrorOption(cause), (error) => error._tag !== "PersistedQueueError")
      const because = Option.getOrUndefined(failed) ?? defect(taken, Cause.squash(cause))
      return Effect.succeed({ ...taken, _tag: "Returned" as const, because })
    })
  })

  const taker = Effect.gen(function* () {
    while (!Deferred.isDoneUnsafe(stopped)) {
      const outcome = yield* takeOne
      if (outcome === undefined) continue
      yield* Queue.offer(outcomes, outcome)
      if (outcome._tag !== "Returned" && outcome._tag !== "NotSent") endedAt = yield* Clock.currentTimeMillis
    }
  })

  const isIdle = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    if (now - endedAt < idleMillis) return false
    return (yield* records.waiting(name, Math.min(now + waitedForMillis, locations.nextProbe(now)))) === 0
  })
  const untilIdle = isIdle.pipe(
    // While the store cannot count waiting updates, the worker does not end.
    Effect.catch((error) => Effect.as(Effect.logWarning(error), false)),
    Effect.delay(Math.min(idleMillis, 1000)),
    Effect.repeat({ until: (isIdle) => isIdle })
  )
  const stop = idleMillis === Infinity ? settings.stop : Effect.raceFirst(settings.stop, untilIdle)
  yield* Effect.forkScoped(Effect.andThen(stop, Deferred.succeed(stopped, undefined)))
  const fibers = yield* Effect.forkScoped(
    Effect.all(
      Array.from({ length: takers }, () => taker),
      { concurrency: "unbounded", discard: true }
    ).pipe(Effect.ensuring(Queue.end(outcomes)))
  )
  yield* Effect.addFinalizer(() =>
    // Nobody reads outcomes any more, but requests in flight are still recorded.
    Effect.all([Deferred.succeed(stopped, undefined), Queue.shutdown(outcomes), Fiber.await(fibers)])
  )
  return outcomes
})
