/** The timeout of an attempt, which every update pays for. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"

const liveClock = Context.get(Context.empty(), Clock.Clock)

// What setTimeout takes.
const maximumMillis = 2 ** 31 - 1

/**
 * `Effect.timeoutOrElse`, for an effect that does not fail. Where time is the
 * machine's, its timer does what a fiber that sleeps, and has to be interrupted when
 * the answer comes, would do at a tenth of an update's cost.
 */
export const within = <A>(effect: Effect.Effect<A>, millis: number, late: () => A): Effect.Effect<A> =>
  Effect.withFiber((fiber) => {
    if (fiber.getRef(Clock.Clock) !== liveClock || millis > maximumMillis) {
      return Effect.timeoutOrElse(effect, { duration: millis, orElse: () => Effect.sync(late) })
    }
    return Effect.callback<A>((resume) => {
      let isLate = false
      const attempt = Effect.runForkWith(fiber.context)(effect)
      const timer = setTimeout(() => {
        isLate = true
        attempt.interruptUnsafe()
      }, millis)
      attempt.addObserver((exit) => {
        clearTimeout(timer)
        resume(isLate && Exit.hasInterrupts(exit) ? Effect.sync(late) : exit)
      })
      return Fiber.interrupt(attempt)
    })
  })
