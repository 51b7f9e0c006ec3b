import { assert, describe, it, vi } from "@effect/vitest"
import * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import * as Timeout from "../src/client/timeout.ts"

/** What is late is returned, whether it failed or not. */
const within = <A, B>(effect: Effect.Effect<A>, millis: number, late: () => B) =>
  Effect.contextWith((context: Context.Context<never>) =>
    Effect.catch(Timeout.within(effect, context, millis, late), Effect.succeed)
  )

/** An effect that never ends by itself, and takes its time to be interrupted. */
const endless = (events: Array<string>, started?: Deferred.Deferred<void>) =>
  Effect.andThen(started === undefined ? Effect.void : Deferred.succeed(started, undefined), Effect.never).pipe(
    Effect.onInterrupt(() => Effect.andThen(Effect.yieldNow, () => Effect.sync(() => void events.push("interrupted"))))
  )

describe("a timeout, by the machine's time", () => {
  it.live("that passes interrupts the effect, and waits for its end", () =>
    Effect.gen(function* () {
      const events: Array<string> = []
      const value = yield* within(endless(events), 1, () => "late")
      assert.deepStrictEqual([...events, value], ["interrupted", "late"])
    })
  )

  it.live("that passes interrupts the effect even where its caller cannot be", () =>
    Effect.gen(function* () {
      const events: Array<string> = []
      const value = yield* Effect.uninterruptible(within(endless(events), 1, () => "late"))
      assert.deepStrictEqual([...events, value], ["interrupted", "late"])
    })
  )

  it.live("that is not reached changes nothing", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* within(Effect.succeed("at once"), 60_000, () => "late"), "at once")
      const later = Effect.andThen(Effect.yieldNow, Effect.succeed("later"))
      assert.strictEqual(yield* within(later, 60_000, () => "late"), "later")
      const died = yield* Effect.exit(within(Effect.die("defect"), 60_000, () => "late"))
      assert.isTrue(Exit.hasDies(died))
    })
  )

  it.live("that is not reached leaves no timer, which would keep the process alive", () =>
    Effect.gen(function* () {
      const [set, clear] = [vi.spyOn(globalThis, "setTimeout"), vi.spyOn(globalThis, "clearTimeout")]
      yield* within(Effect.andThen(Effect.yieldNow, Effect.void), 60_000, () => undefined)
      const timers = set.mock.calls.flatMap(([, millis], index) =>
        millis === 60_000 ? [set.mock.results[index]?.value] : []
      )
      assert.strictEqual(timers.length, 1)
      for (const timer of timers) assert.isTrue(clear.mock.calls.some(([cleared]) => cleared === timer))
    }).pipe(Effect.ensuring(Effect.sync(() => vi.restoreAllMocks())))
  )

  it.live("is no obstacle to the caller's interruption, which waits for the effect's end", () =>
    Effect.gen(function* () {
      const events: Array<string> = []
      const started = yield* Deferred.make<void>()
      const fiber = yield* Effect.forkChild(within(endless(events, started), 60_000, () => "late"))
      yield* Deferred.await(started)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(events, ["interrupted"])
    })
  )

  it.live("sees the services and the clock of its caller", () =>
    Effect.gen(function* () {
      const mine = { ...(yield* Clock.Clock), currentTimeMillis: Effect.succeed(7) }
      const value = yield* within(Clock.currentTimeMillis, 60_000, () => 0).pipe(
        Effect.provideService(Clock.Clock, mine)
      )
      assert.strictEqual(value, 7)
    })
  )
})

describe("a timeout, by another time", () => {
  it.effect("passes when that time has", () =>
    Effect.gen(function* () {
      const events: Array<string> = []
      const fiber = yield* Effect.forkChild(within(endless(events), 60_000, () => "late"))
      yield* TestClock.adjust("59 seconds")
      assert.deepStrictEqual(events, [])
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(fiber), "late")
      assert.deepStrictEqual(events, ["interrupted"])
    })
  )
})
