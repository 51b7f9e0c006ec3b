/** Time that no step of the wall clock changes. */
import type * as Clock from "effect/Clock"

/** Milliseconds since some moment in the past. Only differences mean something. */
export const millis = (clock: Clock.Clock): number => Number(clock.monotonicTimeNanosUnsafe()) / 1_000_000
