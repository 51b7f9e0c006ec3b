/** Calls that take turns, first come first served. To join, to leave and to hand over cost the same however many wait. */
import * as Effect from "effect/Effect"

export interface WaitQueue {
  /** What begins the turns of the calls behind the one whose turn it is. */
  readonly waiting: Set<() => void>
  /** The same in order. One iterator for all time: a new one would pass all that left before. */
  readonly order: Iterator<() => void, undefined>
}

export const make = (): WaitQueue => {
  const waiting = new Set<() => void>()
  return { waiting, order: waiting.values() }
}

/** Runs an effect when its turn comes. A queue exists for as long as it is some call's turn. */
export const inTurn = <Queue extends WaitQueue, A, E>(
  queues: Map<string, Queue>,
  key: string,
  join: (known: Queue | undefined) => Queue,
  effect: (queue: Queue) => Effect.Effect<A, E>
): Effect.Effect<A, E> =>
  Effect.suspend(() => {
    let queue: Queue | undefined
    let begin = () => {}
    const turn = Effect.callback<A, E>((resume) => {
      const known = queues.get(key)
      const joined = join(known)
      queue = joined
      // The next one begins in a task of its own, so that a row of them does not nest.
      begin = () => resume(Effect.flatMap(Effect.yieldNow, () => effect(joined)))
      if (known !== undefined) {
        joined.waiting.add(begin)
        return
      }
      queues.set(key, joined)
      resume(effect(joined))
    })
    return Effect.onExit(turn, () => {
      // One that no longer waits had its turn, even if it was interrupted before it noticed.
      if (queue !== undefined && !queue.waiting.delete(begin)) handOver(queues, key, queue)
      return Effect.void
    })
  })

const handOver = <Queue extends WaitQueue>(queues: Map<string, Queue>, key: string, queue: Queue) => {
  const next = queue.order.next()
  if (next.done === true) {
    queues.delete(key)
    return
  }
  queue.waiting.delete(next.value)
  next.value()
}
