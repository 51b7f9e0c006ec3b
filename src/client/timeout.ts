/** A cheap timeout for attempts. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"

const liveClock = Context.get(Context.empty(), Clock.Clock)

// What setTimeout takes.
const maximumMillis = 2 ** 31 - 1

/**
 * `Effect.timeoutOrElse` in a context. With the live clock it uses a plain timer: the
 * sleeping fiber of Effect's own would cost a tenth of a call.
 */
export const within = <A, E, E2>(
  effect: Effect.Effect<A, E>,
  context: Context.Context<never>,
  millis: number,
  late: () => E2
): Effect.Effect<A, E | E2> =>
  Context.get(context, Clock.Clock) !== liveClock || millis > maximumMillis
    ? Effect.timeoutOrElse(Effect.provideContext(effect, context), {
        duration: millis,
        orElse: () => Effect.failSync(late)
      })
    : Effect.callback((resume) => {
        let isLate = false
        const fiber = Effect.runForkWith(context)(effect)
        const timer = setTimeout(() => {
          isLate = true
          fiber.interruptUnsafe()
        }, millis)
        fiber.addObserver((exit) => {
          clearTimeout(timer)
          resume(isLate && Exit.hasInterrupts(exit) ? Effect.failSync(late) : exit)
        })
        return Fiber.interrupt(fiber)
      })
