/** A worker of a queue: takes updates, sends them, and puts back what has to wait. */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as RcMap from "effect/RcMap"
import * as Semaphore from "effect/Semaphore"
import { HighLevelClient } from "../client/HighLevelClient.ts"
import * as HighLevelError from "../client/HighLevelError.ts"
import type * as Outcome from "./Outcome.ts"
import * as Queued from "./queuedUpdate.ts"
import { QueueRecords } from "./QueueRecords.ts"
import * as SendUpdate from "./sendUpdate.ts"
import * as StoppedLocations from "./stoppedLocations.ts"

type Base = Outcome.Base<Queued.QueuedUpdate>

/** The update is in the queue again, and is redelivered later, to any worker. */
export interface Returned extends Base {
  readonly _tag: "Returned"
  /** Which delivery it was; the first one is 1. */
  readonly deliveries: number
  /** What the delivery ended with. */
  readonly because: Outcome.Failed<Queued.QueuedUpdate> | Outcome.Defect<Queued.QueuedUpdate>
}

/** What a worker reports of an update. */
export type QueueOutcome = Outcome.Sent<Queued.QueuedUpdate> | Outcome.NotSent<Queued.QueuedUpdate> | Returned

const perLocation = 16
// Updates that are taken at once for each request in flight: those of a busy location wait.
const takersPerRequest = 4
// Where all takers are busy, an update that waited for so long lets others pass for as long.
const busyMillis = 2000
// After how long one update probes a location that was stopped.
const stoppedMillis = 300_000
// What is due later does not keep an idle worker: that is a daily limit.
const waitedForMillis = 2 * stoppedMillis
const redeliveryMillis = (deliveries: number) => Math.min(300_000, 1000 * 2 ** (deliveries - 1))

/** Until when the location of a failure is stopped, once it is. */
const stopEnd = (sent: Queued.Unsuccessful, now: number): number | undefined => {
  if (sent._tag === "Defect") return undefined
  if (sent.error._tag === "DailyLimitExceeded") return DateTime.toEpochMillis(sent.error.resetsAt)
  return HighLevelError.isConfiguration(sent.error) ? now + stoppedMillis : undefined
}

const defect = (base: Base, error: unknown): Queued.Unsuccessful => ({
  ...base,
  _tag: "Defect",
  cause: Cause.die(error)
})

/** The outcomes of a worker, each once the queue knows it. It stops when the scope closes. */
export const make = Effect.fnUntraced(function* (settings: {
  readonly name: string
  readonly concurrency: number
  readonly maxAttempts: number
  readonly idleMillis: number
  readonly stop: Effect.Effect<unknown>
}) {
  const { concurrency, idleMillis, maxAttempts, name } = settings
  const takers = concurrency * takersPerRequest
  const client = yield* HighLevelClient
  const records = yield* QueueRecords
  const queue = yield* Queued.queueOf(name)
  const outcomes = yield* Queue.bounded<QueueOutcome, Cause.Done>(takers)
  const stopped = yield* Deferred.make<void>()
  const requests = Semaphore.makeUnsafe(concurrency)
  const requestSlot = { acquire: requests.take(1), release: requests.release(1) }
  /** One update of a location at a time, until HighLevel has accepted its token. */
  const gates = yield* RcMap.make({ lookup: (_locationId: string) => Semaphore.make(1) })
  const stoppedLocations = StoppedLocations.make()
  const resumesAt = new Map<string, number>()
  let busy = 0
  let endedAt = yield* Clock.currentTimeMillis

  /** Why a location is stopped, unless it is time to probe it. */
  const reasonAt = (locationId: string, now: number) => {
    if (now < (resumesAt.get(locationId) ?? 0)) return stoppedLocations.reason(locationId)
    if (resumesAt.delete(locationId)) stoppedLocations.resume(locationId)
    return undefined
  }

  const send = Effect.fnUntraced(function* (base: Base, gate: Semaphore.Semaphore) {
    const { locationId } = base.update
    const reason = reasonAt(locationId, yield* Clock.currentTimeMillis)
    if (reason !== undefined) return { ...base, _tag: "NotSent" as const, reason }
    const sent = yield* SendUpdate.make(client, base, { requestSlot })
    const now = yield* Clock.currentTimeMillis
    const resumes = sent._tag === "Applied" ? undefined : stopEnd(sent, now)
    // Not later, where it is stopped already: what was put back is due then.
    if (stoppedLocations.stops(sent) && resumes !== undefined && !resumesAt.has(locationId)) {
      resumesAt.set(locationId, resumes)
    }
    yield* gate.resize(resumes === undefined ? perLocation : 1)
    return sent
  })

  /** Sends an update in its turn. Nothing, if its location is busy and others may wait for a taker. */
  const sendInTurn = (base: Base) =>
    Effect.scoped(
      Effect.gen(function* () {
        const gate = yield* RcMap.get(gates, base.update.locationId)
        while (true) {
          const entered = yield* Effect.interruptible(Effect.timeoutOption(gate.take(1), busyMillis))
          if (Option.isSome(entered)) return yield* Effect.ensuring(send(base, gate), gate.release(1))
          if (busy === takers) return undefined
        }
      })
    )

  /** The outcome of an update. None if it lets others pass. */
  const deliver = Effect.fnUntraced(function* ({ deliveries: earlier, ...row }: Queued.Element, attempts: number) {
    const base: Base = { row, update: row.update }
    const id = Queued.idOf(row)
    const deliveries = earlier + attempts
    const sent =
      deliveries > maxAttempts
        ? defect(base, new Error(`${maxAttempts} workers took it, and ended without an outcome`))
        : yield* sendInTurn(base)
    const now = yield* Clock.currentTimeMillis
    /** An element of its own, which is not counted unless `counted` says so. */
    const putBack = (delay: number, counted = deliveries - 1) => queue.offer({ ...row, deliveries: counted }, { delay })
    if (sent === undefined) return yield* Effect.as(putBack(busyMillis), undefined)
    if (sent._tag === "Applied") {
      // A worker may have listed it, and ended before the queue knew.
      if (deliveries > 1) yield* records.remove(name, id)
      return sent
    }
    const resumes = resumesAt.get(row.update.locationId) ?? now
    const waitMillis = Math.max(busyMillis, resumes - now)
    if (sent._tag === "NotSent") return yield* Effect.as(putBack(waitMillis), sent)
    const returned: Returned = { ...base, _tag: "Returned", deliveries, because: sent }
    const isStopping = stopEnd(sent, now) !== undefined
    if (isStopping && resumes > now) return yield* Effect.as(putBack(waitMillis), returned)
    const isTemporary = isStopping || sent._tag === "Defect" || HighLevelError.isTransient(sent.error)
    if (isTemporary && deliveries < maxAttempts) {
      return yield* Effect.as(putBack(redeliveryMillis(deliveries), deliveries), returned)
    }
    // Before the queue acknowledges it: what is in neither of them is lost.
    yield* records.add(name, id, yield* Queued.failureText(sent, Math.min(deliveries, maxAttempts)))
    return sent
  })

  const taker = Effect.gen(function* () {
    while (!Deferred.isDoneUnsafe(stopped)) {
      let taken: Queued.Element | undefined
      const taking = queue.take((element, { attempts }) =>
        Effect.gen(function* () {
          taken = element
          busy++
          const delivery = yield* Effect.forkChild(deliver(element, attempts), { uninterruptible: true })
          // It ends what waits, and lets a request in flight finish.
          yield* Effect.forkChild(Effect.andThen(Deferred.await(stopped), Fiber.interrupt(delivery)))
          return yield* Fiber.join(delivery)
        })
      )
      const unlessTaken = Effect.suspend(() => (taken === undefined ? Effect.void : Effect.never))
      const exit = yield* Effect.exit(Effect.raceFirst(taking, Effect.andThen(Deferred.await(stopped), unlessTaken)))
      if (Exit.isSuccess(exit) && exit.value !== undefined) {
        yield* Queue.offer(outcomes, exit.value)
        if (exit.value._tag !== "Returned" && exit.value._tag !== "NotSent") endedAt = yield* Clock.currentTimeMillis
      } else if (Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause)) {
        // What became of it could not be recorded: the queue redelivers it.
        if (taken === undefined) yield* Effect.sleep(busyMillis)
        else {
          const { deliveries, ...row } = taken
          const base: Base = { row, update: row.update }
          const because = defect(base, Cause.squash(exit.cause))
          yield* Queue.offer(outcomes, { ...base, _tag: "Returned", deliveries: deliveries + 1, because })
        }
      }
      if (taken !== undefined) busy--
    }
  })

  const isIdle = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    if (now - endedAt < idleMillis) return false
    const probes = [...resumesAt.values()].filter((resumes) => resumes > now)
    return (yield* records.waiting(name, Math.min(now + waitedForMillis, ...probes))) === 0
  })
  const untilIdle = isIdle.pipe(
    // As long as the store cannot count what waits, the worker does not end.
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
    // Nobody reads outcomes any more; what is in flight is still recorded in the queue.
    Effect.all([Deferred.succeed(stopped, undefined), Queue.shutdown(outcomes), Fiber.await(fibers)])
  )
  return outcomes
})
