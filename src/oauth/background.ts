/**
 * Runs work that continues after its callers are interrupted, and that a closing layer
 * waits for: the tokens in HighLevel's response exist nowhere else.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import { AccessTokenError } from "../client/AccessToken.ts"

export const unreachable = (message: string) => new AccessTokenError({ reason: "Unreachable", messages: [message] })

export const make = Effect.fnUntraced(function* (maxWaitMillis: number) {
  let isClosed = false
  /** The work in progress. */
  const inProgress = new Set<Effect.Effect<unknown>>()

  yield* Effect.addFinalizer(() => {
    isClosed = true
    const ended = Effect.gen(function* () {
      while (inProgress.size > 0) yield* Effect.all(inProgress)
    })
    return Effect.timeoutOrElse(ended, {
      duration: maxWaitMillis,
      orElse: () =>
        Effect.logError(`${inProgress.size} refreshes of tokens did not end, or their tokens could not be stored`)
    })
  })

  /** Waits for a result, up to `maxWaitMillis`. */
  const wait = <A>(result: Deferred.Deferred<A, AccessTokenError>) =>
    Effect.timeoutOrElse(Deferred.await(result), {
      duration: maxWaitMillis,
      orElse: () => Effect.fail(unreachable(`no tokens within ${maxWaitMillis} ms`))
    })

  /** Completes a result with an effect that continues without its callers, after calling back with its exit. */
  const start = <A>(
    result: Deferred.Deferred<A, AccessTokenError>,
    effect: Effect.Effect<A, AccessTokenError>,
    onEnd: (exit: Exit.Exit<A, AccessTokenError>) => Effect.Effect<void> = () => Effect.void
  ) =>
    Effect.suspend(() => {
      const ended = Effect.exit(Deferred.await(result))
      inProgress.add(ended)
      return effect.pipe(
        Effect.onExit((exit) =>
          Effect.map(onEnd(exit), () => {
            inProgress.delete(ended)
            Deferred.doneUnsafe(result, exit)
          })
        ),
        Effect.interruptible,
        Effect.forkDetach
      )
    })

  /** Runs an effect that continues when its caller is interrupted. */
  const run = <A>(effect: Effect.Effect<A, AccessTokenError>): Effect.Effect<A, AccessTokenError> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.suspend(() => {
        const result = Deferred.makeUnsafe<A, AccessTokenError>()
        return Effect.andThen(start(result, effect), restore(wait(result)))
      })
    )

  return { isClosed: () => isClosed, wait, start, run }
})
