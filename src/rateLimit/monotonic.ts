/** Time that nobody sets: a wall clock that steps changes no wait and no deadline. */
import type * as Clock from "effect/Clock"

/** Whole milliseconds since some moment. */
export const millis = (clock: Clock.Clock): number => Math.floor(Number(clock.monotonicTimeNanosUnsafe()) / 1_000_000)
