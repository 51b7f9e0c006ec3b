/** Monotonic time: a change of the system clock does not affect waits and timeouts. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** Whole milliseconds since an arbitrary moment. */
export const millis = (clock: Clock.Clock): number => Math.floor(Number(clock.monotonicTimeNanosUnsafe()) / 1_000_000)

export const now = Effect.map(Clock.Clock, millis)
