/** The running calls of a job, which can be stopped all at once or by location. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Outcome from "./Outcome.ts"
import * as StoppedLocations from "./stoppedLocations.ts"

export const make = Effect.fnUntraced(function* (stop: Effect.Effect<unknown>, maxFailures: number) {
  const stopped = yield* Deferred.make<void>()
  const locations = StoppedLocations.make()
  const running = new Map<Fiber.Fiber<unknown, unknown>, string>()
  let failures = 0

  /** Ends the waits of calls. Requests in flight finish. */
  const interrupt = (locationId?: string) => {
    for (const [fiber, id] of running) if (locationId === undefined || id === locationId) fiber.interruptUnsafe()
  }

  const reasonOf = (locationId: string) =>
    failures >= maxFailures ? new Outcome.TooManyFailures({ maxFailures }) : locations.reason(locationId)

  /** Records the outcome of an update. */
  const ended = <Row>(sent: Outcome.Sent<Row>): Outcome.Sent<Row> => {
    if (sent._tag !== "Applied" && ++failures === maxFailures) interrupt()
    if (locations.stops(sent)) interrupt(sent.update.locationId)
    return sent
  }

  yield* Effect.forkScoped(
    Effect.andThen(
      stop,
      Effect.andThen(
        Deferred.succeed(stopped, undefined),
        Effect.sync(() => interrupt())
      )
    )
  )

  return {
    stopped: Deferred.await(stopped),

    ended,

    /** Runs a call, unless it is stopped before its first request. */
    run: Effect.fnUntraced(function* <Row, A, E>(
      { row, update }: Outcome.Base<Row>,
      call: Effect.Effect<A, E>
    ): Effect.fn.Return<A | Outcome.NotSent<Row> | undefined, E> {
      const notSent = () => {
        const reason = reasonOf(update.locationId)
        return reason === undefined ? undefined : ({ _tag: "NotSent", row, update, reason } as const)
      }
      const before = notSent()
      if (before !== undefined || Deferred.isDoneUnsafe(stopped)) return before
      const fiber = yield* Effect.forkChild(call, { uninterruptible: true })
      running.set(fiber, update.locationId)
      fiber.addObserver(() => running.delete(fiber))
      // An interrupted fiber waits for its children.
      const exit = yield* Fiber.await(fiber)
      if (Exit.isSuccess(exit)) return exit.value
      const after = Exit.hasInterrupts(exit) ? notSent() : undefined
      return after !== undefined || (Exit.hasInterrupts(exit) && Deferred.isDoneUnsafe(stopped)) ? after : yield* exit
    })
  }
})
