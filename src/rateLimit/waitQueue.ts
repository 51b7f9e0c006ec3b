/** A FIFO queue of waiting calls. Joining, leaving and handing over take constant time. */
import * as Effect from "effect/Effect"

export interface WaitQueue {
  /** Starts the turns of the calls behind the first one. */
  readonly waiting: Set<() => void>
  /** The same in order. A single iterator: a new one would skip over all deleted entries. */
  readonly order: Iterator<() => void, undefined>
}

export const make = (): WaitQueue => {
  const waiting = new Set<() => void>()
  return { waiting, order: waiting.values() }
}

/** Runs an effect when its turn comes. A queue exists while it has a call. */
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
      // The next turn starts in its own task, so that turns do not nest.
      begin = () => resume(Effect.flatMap(Effect.yieldNow, () => effect(joined)))
      if (known !== undefined) {
        joined.waiting.add(begin)
        return
      }
      queues.set(key, joined)
      resume(effect(joined))
    })
    return Effect.onExit(turn, () => {
      // A call that no longer waits had its turn, even if it was interrupted before it ran.
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
