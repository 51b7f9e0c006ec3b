/** Calls that take turns, first come first served. To join, to leave and to hand over cost the same however many wait. */
import * as Effect from "effect/Effect"

interface Waiter {
  resume: ((turn: Effect.Effect<void>) => void) | undefined
}

export interface WaitQueue {
  /** The calls behind the one whose turn it is. */
  readonly waiting: Set<Waiter>
  /** The same in order. One iterator for good: a new one would pass all that left before. */
  readonly order: Iterator<Waiter, undefined>
}

export const make = (): WaitQueue => {
  const waiting = new Set<Waiter>()
  return { waiting, order: waiting.values() }
}

const turn = (queue: WaitQueue, waiter: Waiter) =>
  Effect.callback<void>((resume) => {
    if (queue.waiting.has(waiter)) waiter.resume = resume
    else resume(Effect.void)
  })

/** Runs an effect when its turn comes. A queue exists for as long as it is some call's turn. */
export const inTurn = <Queue extends WaitQueue, A, E>(
  queues: Map<string, Queue>,
  key: string,
  join: (known: Queue | undefined) => Queue,
  effect: (queue: Queue) => Effect.Effect<A, E>
): Effect.Effect<A, E> =>
  Effect.uninterruptibleMask((restore) => {
    const known = queues.get(key)
    const queue = join(known)
    const waiter: Waiter = { resume: undefined }
    if (known === undefined) queues.set(key, queue)
    else queue.waiting.add(waiter)
    const whole = known === undefined ? effect(queue) : Effect.flatMap(turn(queue, waiter), () => effect(queue))
    return Effect.onExit(restore(whole), () => {
      // One that no longer waits had its turn, even if it was interrupted before it noticed.
      if (!queue.waiting.delete(waiter)) handOver(queues, key, queue)
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
  // The next one begins in a task of its own, so that a row of them does not nest.
  next.value.resume?.(Effect.yieldNow)
}
