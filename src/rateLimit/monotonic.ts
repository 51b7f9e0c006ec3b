/** Time that nobody sets: a wall clock that steps changes no wait and no deadline. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** Whole milliseconds since some moment. */
export const millis = (clock: Clock.Clock): number => Math.floor(Number(clock.monotonicTimeNanosUnsafe()) / 1_000_000)

export const now = Effect.map(Clock.Clock, millis)
