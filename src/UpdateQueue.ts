/**
 * A job for many machines: updates in a durable queue, made by any number of
 * workers. The queue is Effect's own `PersistedQueue`, over Redis or SQL; the
 * quota and the tokens that workers share are their client's.
 *
 * {@link enqueue} folds the updates of a job to the last value of each field of each
 * conversation; {@link work} takes them. An update is made at least once, and the
 * last one to arrive wins: there is no order between what is enqueued at one time
 * and at another, for which a failed update may come late.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import type * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as PersistedQueue from "effect/persistence/PersistedQueue"
import type { Applied } from "./Bulk.ts"
import { Conversations } from "./Conversations.ts"
import { ConversationUpdate } from "./ConversationUpdate.ts"
import type { InvalidOptions, InvalidRequest, UpdateError } from "./HighLevelError.ts"
import * as JobUpdate from "./internal/jobUpdate.ts"
import * as Ledger from "./internal/ledger.ts"
import * as OptionsCheck from "./internal/options.ts"
import * as Request from "./internal/request.ts"
import * as Retry from "./internal/retry.ts"

/**
 * The name of the queue, where none is given.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultName = "highlevel-updates"

const Element = Schema.Struct({ job: Schema.String, update: ConversationUpdate })

const queueOf = (options: {
  readonly name?: string | undefined
  readonly maxAttempts?: number | undefined
  readonly retrySchedule?: Schedule.Schedule<unknown, number> | undefined
}) =>
  PersistedQueue.make({
    name: options.name ?? defaultName,
    schema: Element,
    maxAttempts: options.maxAttempts,
    retrySchedule: options.retrySchedule
  })

/**
 * What was put into the queue.
 *
 * @category models
 * @since 0.1.0
 */
export interface Enqueued {
  /** How many updates came in. */
  readonly updates: number
  /** How many conversations they are of: one update each is in the queue. */
  readonly conversations: number
}

/**
 * Puts the updates of a job into the queue, folded to one for each conversation. A
 * job that was cut off is enqueued again under its name: what was accepted before,
 * and what is done or has failed for good since, is not accepted twice. So a name is
 * for one input; give the next one another.
 *
 * **Gotchas**
 *
 * The conversations of the job are held in memory while they are folded. An update
 * that is not valid fails the whole job before anything is in the queue.
 *
 * @category constructors
 * @since 0.1.0
 */
export const enqueue = Effect.fnUntraced(function* <E, R>(
  updates: Stream.Stream<ConversationUpdate, E, R>,
  options: {
    /** What the updates have in common: part of their ids in the queue. */
    readonly job: string
    /** @default "highlevel-updates" */
    readonly name?: string | undefined
  }
): Effect.fn.Return<
  Enqueued,
  E | InvalidRequest | PersistedQueue.PersistedQueueError | Schema.SchemaError,
  R | PersistedQueue.PersistedQueueFactory
> {
  const { job } = options
  const queue = yield* queueOf(options)
  const folded = new Map<string, ConversationUpdate>()
  let count = 0
  yield* Stream.runForEach(updates, (input) =>
    Effect.map(Effect.fromResult(Request.update(input)), (update) => {
      count++
      const key = JSON.stringify([update.locationId, update.conversationId])
      folded.set(key, { ...folded.get(key), ...update })
    })
  )
  yield* Effect.forEach(
    folded,
    ([key, update]) => queue.offer({ job, update }, { id: `${job}:${key}:${Ledger.hashOf(update).toString(36)}` }),
    { concurrency: 32, discard: true }
  )
  return { updates: count, conversations: folded.size }
})

/**
 * An update that a worker has made.
 *
 * @category models
 * @since 0.1.0
 */
export interface Made extends Omit<Applied, "position"> {
  readonly job: string
}

/**
 * An update that a worker could not make.
 *
 * @category models
 * @since 0.1.0
 */
export interface Missed {
  readonly _tag: "Failed"
  readonly job: string
  readonly update: ConversationUpdate
  readonly attempts: number
  readonly error: UpdateError
  /** Whether it stays so; else it is back in the queue. */
  readonly isFinal: boolean
}

/**
 * How a worker takes updates from the queue.
 *
 * @category options
 * @since 0.1.0
 */
export interface WorkOptions {
  /** @default "highlevel-updates" */
  readonly name?: string | undefined

  /**
   * How many updates this worker makes at once.
   *
   * @default 16
   */
  readonly concurrency?: number | undefined

  /**
   * How often an update is taken from the queue before it ends in the queue's own
   * list of failures.
   *
   * @default 10
   */
  readonly maxAttempts?: number | undefined

  /**
   * How long an update that failed stays away.
   *
   * @default exponential from 1 second, at most 5 minutes
   */
  readonly retrySchedule?: Schedule.Schedule<unknown, number> | undefined

  /**
   * After how long without an update the worker stops. What is on its way, or was
   * put back for a while, is waited for; 5 minutes, with a `retrySchedule` of yours.
   *
   * @default never
   */
  readonly idle?: Duration.Input | undefined

  /**
   * When it succeeds, the worker stops: it takes nothing more, what it sent comes to
   * its end, and the rest goes back into the queue.
   *
   * @default never
   */
  readonly stop?: Effect.Effect<unknown> | undefined
}

// What is not so now may be so later: HighLevel, the network, the store, the customer's tokens.
const mayPass = (error: UpdateError) =>
  Retry.isTransient(error) ||
  error._tag === "QuotaUnavailable" ||
  error._tag === "TokenUnavailable" ||
  error._tag === "ReconnectRequired" ||
  error._tag === "Unauthorized"

const restMillis = 1000
// The longest that the queue keeps an update away that failed, if it has no schedule of yours.
const maximumAwayMillis = 300_000

/**
 * Takes updates from the queue and makes them, and tells what became of each, once
 * the queue knows it.
 *
 * **Details**
 *
 * - What may pass (the network, an outage, a token) goes back into the queue, to be
 *   taken again later by any worker; what HighLevel refuses for good does not.
 * - When the day's requests of a location are spent, its updates wait in the queue
 *   for the next day, and others pass.
 * - What a worker that died had taken is taken by others when its lock expires.
 * - An interruption stops as `stop` does, and waits for it.
 *
 * **Example** (A queue in memory, against the sandbox)
 *
 * ```ts
 * import { Conversations, UpdateQueue } from "effect-highlevel"
 * import { Sandbox } from "effect-highlevel/testing"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as Redacted from "effect/Redacted"
 * import * as Stream from "effect/Stream"
 * import * as PersistedQueue from "effect/persistence/PersistedQueue"
 *
 * const ids = { conversationId: "tDtDnQdgm2LXpyiqYvZ6", locationId: "tDtDnQdgm2LXpyiqYvZ6" }
 * const updates = Stream.make({ ...ids, unreadCount: 5 }, { ...ids, unreadCount: 0, starred: true })
 *
 * const program = Effect.gen(function* () {
 *   const { conversations } = yield* UpdateQueue.enqueue(updates, { job: "inbox hygiene, Monday" })
 *   const made = yield* UpdateQueue.work().pipe(Stream.take(conversations), Stream.runCollect)
 *   return made.map(({ _tag, update }) => [_tag, update.unreadCount, update.starred])
 * })
 *
 * const layer = Layer.mergeAll(
 *   Conversations.layer({ token: Redacted.make("sandbox-token") }).pipe(Layer.provide(Sandbox.layer())),
 *   PersistedQueue.layer.pipe(Layer.provide(PersistedQueue.layerStoreMemory))
 * )
 *
 * await Effect.runPromise(program.pipe(Effect.provide(layer))) // => [["Applied", 0, true]]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const work = (
  options: WorkOptions = {}
): Stream.Stream<Made | Missed, InvalidOptions, Conversations | PersistedQueue.PersistedQueueFactory> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const concurrency = yield* OptionsCheck.count(options.concurrency ?? 16, "concurrency")
      const maxAttempts = yield* OptionsCheck.count(options.maxAttempts ?? 10, "maxAttempts")
      const conversations = yield* Conversations
      const queue = yield* queueOf({ ...options, maxAttempts })
      const outcomes = yield* Queue.bounded<Made | Missed, Cause.Done>(concurrency)
      /** Takers for which there is nothing to do, and updates under way. */
      const idle = new Set<Fiber.Fiber<unknown, unknown>>()
      const running = new Set<Fiber.Fiber<unknown, unknown>>()
      const state = { isStopped: false, busy: 0, lastAt: yield* Clock.currentTimeMillis, returnsAt: 0 }

      const handle = Effect.fnUntraced(function* (
        { job, update }: typeof Element.Type,
        deliveries: number,
        report: (outcome: Made | Missed) => void
      ) {
        let ended: JobUpdate.Ended | undefined
        const making = yield* Effect.forkChild(
          Effect.uninterruptible(
            Effect.map(JobUpdate.make(conversations, update), (value) => {
              ended = value
            })
          )
        )
        running.add(making)
        if (state.isStopped) yield* Fiber.interrupt(making)
        const exit = yield* Effect.onInterrupt(Fiber.await(making), () => Fiber.interrupt(making))
        running.delete(making)
        // Stopped before it was sent: it goes back as if it had not been taken.
        if (ended === undefined) return yield* Exit.isFailure(exit) ? exit : Effect.interrupt
        if (ended._tag === "Applied") return report({ job, update, ...ended })
        const { error } = ended
        if (error._tag === "DailyQuotaExceeded") {
          // It waits in the queue, where it is in nobody's way, and nothing is counted against it.
          const now = yield* Clock.currentTimeMillis
          const delay = Math.max(restMillis, DateTime.toEpochMillis(error.resetsAt) - now)
          yield* queue.offer({ job, update }, { delay })
          state.returnsAt = Math.max(state.returnsAt, now + delay)
          return report({ job, update, ...ended, isFinal: false })
        }
        const isFinal = !mayPass(error) || deliveries >= maxAttempts
        if (!isFinal) {
          const away =
            options.retrySchedule === undefined
              ? Math.min(maximumAwayMillis, 1000 * 2 ** (deliveries - 1))
              : maximumAwayMillis
          state.returnsAt = Math.max(state.returnsAt, (yield* Clock.currentTimeMillis) + away)
        }
        report({ job, update, ...ended, isFinal })
        if (mayPass(error)) return yield* error
      })

      const taker = Effect.gen(function* () {
        while (!state.isStopped) {
          let outcome: Made | Missed | undefined
          let isTaken = false
          let self: Fiber.Fiber<unknown, unknown> | undefined
          const taking = yield* Effect.forkChild(
            queue.take((element, { attempts }) =>
              Effect.suspend(() => {
                isTaken = true
                state.busy++
                if (self !== undefined) idle.delete(self)
                return handle(element, attempts, (value) => {
                  outcome = value
                })
              })
            )
          )
          self = taking
          idle.add(taking)
          const exit = yield* Fiber.await(taking)
          idle.delete(taking)
          if (outcome !== undefined) yield* Queue.offer(outcomes, outcome)
          else if (Exit.isFailure(exit) && !state.isStopped) {
            // A defect, which no error of an update is: the queue has it back.
            yield* Effect.logError(
              isTaken ? "An update ended in a defect, and is back in the queue" : "The queue could not be asked",
              exit.cause
            )
            yield* Effect.sleep(restMillis)
          }
          // Until its outcome is taken: whoever reads slowly is not idle.
          if (isTaken) {
            state.busy--
            state.lastAt = yield* Clock.currentTimeMillis
          }
        }
      })

      const stop = Effect.suspend(() => {
        state.isStopped = true
        return Effect.andThen(Fiber.interruptAll(idle), Fiber.interruptAll(running))
      })
      yield* Effect.forkScoped(Effect.andThen(options.stop ?? Effect.never, stop))
      if (options.idle !== undefined) {
        const idleMillis = Duration.toMillis(yield* OptionsCheck.timeout(options.idle, "idle"))
        const isIdle = Effect.map(
          Clock.currentTimeMillis,
          (now) => state.busy === 0 && now - Math.max(state.lastAt, state.returnsAt) >= idleMillis
        )
        const untilIdle = Effect.gen(function* () {
          while (!(yield* isIdle)) yield* Effect.sleep(Math.min(idleMillis, restMillis))
        })
        yield* Effect.forkScoped(Effect.andThen(untilIdle, stop))
      }
      const takers = yield* Effect.forkScoped(
        Effect.all(
          Array.from({ length: concurrency }, () => taker),
          { concurrency: "unbounded", discard: true }
        ).pipe(Effect.ensuring(Queue.end(outcomes)))
      )
      yield* Effect.addFinalizer(() =>
        stop.pipe(
          // Nobody takes outcomes any more; what is being made is still recorded in the queue.
          Effect.andThen(Queue.shutdown(outcomes)),
          Effect.andThen(Fiber.await(takers))
        )
      )
      return Stream.fromQueue(outcomes)
    })
  )
