/** A worker: takes updates from a queue until it is stopped or idle. */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import type * as PersistedQueue from "effect/persistence/PersistedQueue"
import type { Delivered, QueueOutcome, Redelivered } from "./delivery.ts"
import * as Queued from "./queuedUpdate.ts"

type Element = typeof Queued.Element.Type

const restMillis = 1000

/** The outcomes of a worker, each once the queue knows it. It stops when the scope closes. */
export const make = Effect.fnUntraced(function* (
  name: string,
  deliver: (
    element: Element,
    attempts: number
  ) => Effect.Effect<Delivered, Redelivered | PersistedQueue.PersistedQueueError>,
  {
    idleMillis,
    stop,
    takers
  }: { readonly idleMillis: number; readonly stop: Effect.Effect<unknown>; readonly takers: number }
) {
  const queue = yield* Queued.queueOf(name)
  const outcomes = yield* Queue.bounded<QueueOutcome, Cause.Done>(takers)
  const stopped = yield* Deferred.make<void>()
  const deliveries = yield* FiberSet.make<Delivered, Redelivered | PersistedQueue.PersistedQueueError>()
  /** Takers that wait for the queue, and those that have an update. */
  const idle = new Set<Fiber.Fiber<unknown, unknown>>()
  const busy = new Map<Fiber.Fiber<unknown, unknown>, Element>()
  let activeUntil = yield* Clock.currentTimeMillis

  const taking = queue.take((element, { attempts }) =>
    Effect.withFiber((fiber) => {
      idle.delete(fiber)
      busy.set(fiber, element)
      if (Deferred.isDoneUnsafe(stopped)) return Effect.interrupt
      const delivery = Effect.tap(Effect.forkChild(deliver(element, attempts), { uninterruptible: true }), (running) =>
        FiberSet.add(deliveries, running)
      )
      // Stopped before it is sent, it goes back as if it had not been taken.
      return Effect.flatMap(delivery, (running) =>
        Effect.onInterrupt(Fiber.join(running), () => Fiber.interrupt(running))
      )
    })
  )

  /** What became of a take, unless the worker was stopped before it sent anything. */
  const result = Effect.fnUntraced(function* (
    exit: Effect.Success<ReturnType<typeof Fiber.await<Delivered, Redelivered | PersistedQueue.PersistedQueueError>>>,
    element: Element | undefined
  ) {
    if (Exit.isSuccess(exit)) return exit.value
    const error = Option.getOrUndefined(Exit.findErrorOption(exit))
    if (error?._tag === "Redelivered") return error
    if (Cause.hasInterruptsOnly(exit.cause)) return undefined
    if (element !== undefined) {
      // What became of it could not be recorded: the queue redelivers it.
      const { deliveries, ...row } = element
      const base = { row, update: row.update }
      const because = { _tag: "Defect" as const, ...base, cause: Cause.die(Cause.squash(exit.cause)) }
      const outcome = { _tag: "Returned" as const, ...base, deliveries: deliveries + 1, because }
      return { outcome, activeUntil: yield* Clock.currentTimeMillis }
    }
    const message = Cause.prettyErrors(exit.cause)[0]?.message
    yield* Effect.logError(`The queue cannot be read, and is tried again in a second: ${message}`)
    yield* Effect.sleep(restMillis)
    return undefined
  })

  const taker = Effect.gen(function* () {
    while (!Deferred.isDoneUnsafe(stopped)) {
      const fiber = yield* Effect.forkChild(taking)
      if (!busy.has(fiber)) idle.add(fiber)
      const exit = yield* Fiber.await(fiber)
      idle.delete(fiber)
      const delivered = yield* result(exit, busy.get(fiber))
      if (delivered?.outcome !== undefined) yield* Queue.offer(outcomes, delivered.outcome)
      // Until its outcome is taken: a slow reader does not make a worker idle.
      const now = yield* Clock.currentTimeMillis
      if (delivered !== undefined && delivered.activeUntil > 0)
        activeUntil = Math.max(activeUntil, now, delivered.activeUntil)
      busy.delete(fiber)
    }
  })

  const end = Effect.andThen(
    Deferred.succeed(stopped, undefined),
    Effect.suspend(() => Effect.andThen(Fiber.interruptAll(idle), FiberSet.clear(deliveries)))
  )
  const isIdle = Effect.map(Clock.currentTimeMillis, (now) => busy.size === 0 && now - activeUntil >= idleMillis)
  const untilIdle = Effect.gen(function* () {
    while (!(yield* isIdle)) yield* Effect.sleep(Math.min(idleMillis, restMillis))
  })
  yield* Effect.forkScoped(Effect.andThen(Effect.raceFirst(stop, untilIdle), end))
  const takerFibers = yield* Effect.forkScoped(
    Effect.all(
      Array.from({ length: takers }, () => taker),
      { concurrency: "unbounded", discard: true }
    ).pipe(Effect.ensuring(Queue.end(outcomes)))
  )
  yield* Effect.addFinalizer(() =>
    // Nobody reads outcomes any more; what is in flight is still recorded in the queue.
    Effect.all([end, Queue.shutdown(outcomes), Fiber.await(takerFibers)])
  )
  return outcomes
})
