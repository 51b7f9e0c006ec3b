/**
 * A job for many machines: updates in a durable queue, sent by any number of
 * workers. The queue is Effect's own `PersistedQueue`, over Redis or SQL; the
 * rate limit and the tokens that workers share are their client's.
 *
 * {@link enqueue} merges the updates of a job, so that the last value of each field of
 * each conversation wins; {@link work} consumes the queue. An update is sent at least
 * once. There is no order between jobs: a failed update may come late.
 */
import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import type * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as PersistedQueue from "effect/persistence/PersistedQueue"
import { HighLevelClient } from "../client/HighLevelClient.ts"
import * as HighLevelError from "../client/HighLevelError.ts"
import * as OptionsCheck from "../client/options.ts"
import * as Request from "../client/request.ts"
import { ConversationUpdate, updateConversation } from "../wire/updateConversation.ts"
import * as JournalState from "./journalState.ts"
import * as SendUpdate from "./sendUpdate.ts"

/** The name of the queue, where none is given. */
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

/** What was put into the queue. */
export interface Enqueued {
  /** How many updates came in. */
  readonly updates: number
  /** How many conversations they are of: one update each is in the queue. */
  readonly conversations: number
}

/**
 * Puts the updates of a job into the queue, merged to one for each conversation. A
 * job that was cut off is enqueued again under its name: what was accepted before,
 * and what is done or has failed for good since, is not accepted twice. So a name is
 * for one input; give the next one another.
 *
 * **Gotchas**
 *
 * The conversations of the job are held in memory while they are merged. An update
 * that is not valid fails the whole job before anything is in the queue.
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
  E | HighLevelError.InvalidRequest | PersistedQueue.PersistedQueueError | Schema.SchemaError,
  R | PersistedQueue.PersistedQueueFactory
> {
  const { job } = options
  const queue = yield* queueOf(options)
  const merged = new Map<string, ConversationUpdate>()
  let count = 0
  yield* Stream.runForEach(updates, (input) =>
    Effect.map(Effect.fromResult(Request.validate(updateConversation, input)), (update) => {
      count++
      const key = JSON.stringify([update.locationId, update.conversationId])
      merged.set(key, { ...merged.get(key), ...update })
    })
  )
  yield* Effect.forEach(
    merged,
    ([key, update]) =>
      queue.offer({ job, update }, { id: `${job}:${key}:${JournalState.hashOf(update).toString(36)}` }),
    { concurrency: 32, discard: true }
  )
  return { updates: count, conversations: merged.size }
})

export type { SendResult } from "./sendUpdate.ts"

/**
 * An update that a worker sent, and how it ended. `isFinal` is false for a failure
 * whose update is back in the queue.
 */
export type Outcome = SendUpdate.SendResult & {
  readonly job: string
  readonly update: ConversationUpdate
  readonly isFinal: boolean
}

/** How a worker consumes the queue. */
export interface WorkOptions {
  /** @default "highlevel-updates" */
  readonly name?: string | undefined

  /** Maximum concurrent updates of this worker. @default 16 */
  readonly concurrency?: number | undefined

  /** How often an update is delivered before it ends in the queue's own list of failures. @default 10 */
  readonly maxAttempts?: number | undefined

  /**
   * How long the redelivery of an update that failed is delayed.
   *
   * @default exponential from 1 second, at most 5 minutes
   */
  readonly retrySchedule?: Schedule.Schedule<unknown, number> | undefined

  /**
   * After how long without an update the worker stops. What is in flight, or delayed,
   * is waited for; 5 minutes, with a `retrySchedule` of yours.
   *
   * @default never
   */
  readonly idle?: Duration.Input | undefined

  /**
   * When it succeeds, the worker stops: it takes nothing more, requests in flight
   * finish, and the rest goes back into the queue.
   *
   * @default never
   */
  readonly stop?: Effect.Effect<unknown> | undefined
}

/** The update of a failure goes back into the queue. */
class Returned extends Data.TaggedError("Returned")<{ readonly outcome: Outcome }> {}

const restMillis = 1000
// The longest delay of a redelivery, if there is no schedule of yours.
const maximumDelayMillis = 300_000

/**
 * Consumes the queue: sends each update and emits its outcome once the queue has
 * acknowledged it.
 *
 * **Details**
 *
 * - Transient failures, and those of a token or its scope, go back into the queue and
 *   are redelivered later to any worker; permanent ones do not.
 * - When the daily limit of a location is reached, its updates wait in the queue for
 *   the next day, and others pass.
 * - What a worker that died had taken is redelivered when its lock expires.
 * - An interruption stops as `stop` does, and waits for it.
 *
 * **Example** (A queue in memory, against the sandbox)
 *
 * ```ts
 * import { HighLevelClient, UpdateQueue } from "effect-highlevel"
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
 *   const outcomes = yield* UpdateQueue.work().pipe(Stream.take(conversations), Stream.runCollect)
 *   return outcomes.map(({ _tag, update }) => [_tag, update.unreadCount, update.starred])
 * })
 *
 * const layer = Layer.mergeAll(
 *   HighLevelClient.layer({ token: Redacted.make("sandbox-token") }).pipe(Layer.provide(Sandbox.layer())),
 *   PersistedQueue.layer.pipe(Layer.provide(PersistedQueue.layerStoreMemory))
 * )
 *
 * await Effect.runPromise(program.pipe(Effect.provide(layer))) // => [["Applied", 0, true]]
 * ```
 */
export const work = (
  options: WorkOptions = {}
): Stream.Stream<Outcome, HighLevelError.InvalidOptions, HighLevelClient | PersistedQueue.PersistedQueueFactory> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const concurrency = yield* OptionsCheck.count(options.concurrency ?? 16, "concurrency")
      const maxAttempts = yield* OptionsCheck.count(options.maxAttempts ?? 10, "maxAttempts")
      const client = yield* HighLevelClient
      const queue = yield* queueOf({ ...options, maxAttempts })
      const outcomes = yield* Queue.bounded<Outcome, Cause.Done>(concurrency)
      /** Consumers that wait for the queue, those that do not, and their updates. */
      const idle = new Set<Fiber.Fiber<unknown, unknown>>()
      const busy = new Set<Fiber.Fiber<unknown, unknown>>()
      const sending = new Set<Fiber.Fiber<unknown, unknown>>()
      const stopped = yield* Deferred.make<void>()
      let lastAt = yield* Clock.currentTimeMillis
      let redeliveredAt = 0

      const send = Effect.fnUntraced(function* ({ job, update }: typeof Element.Type, deliveries: number) {
        const fiber = yield* Effect.forkChild(SendUpdate.make(client, update), { uninterruptible: true })
        sending.add(fiber)
        fiber.addObserver(() => sending.delete(fiber))
        if (Deferred.isDoneUnsafe(stopped)) fiber.interruptUnsafe()
        // Stopped before it was sent, it goes back as if it had not been taken.
        const ended = yield* Effect.onInterrupt(Fiber.join(fiber), () => Fiber.interrupt(fiber))
        if (ended._tag === "Applied") return { job, update, ...ended, isFinal: true }
        const { error } = ended
        const now = yield* Clock.currentTimeMillis
        if (error._tag === "DailyLimitExceeded") {
          // It waits in the queue, where it delays nobody, and nothing is counted against it.
          const delay = Math.max(restMillis, DateTime.toEpochMillis(error.resetsAt) - now)
          yield* queue.offer({ job, update }, { delay })
          redeliveredAt = Math.max(redeliveredAt, now + delay)
          return { job, update, ...ended, isFinal: false }
        }
        const isTemporary = HighLevelError.isTransient(error) || HighLevelError.isConfiguration(error)
        const isFinal = !isTemporary || deliveries >= maxAttempts
        if (!isFinal) {
          const exponential = Math.min(maximumDelayMillis, 1000 * 2 ** (deliveries - 1))
          redeliveredAt = Math.max(
            redeliveredAt,
            now + (options.retrySchedule === undefined ? exponential : maximumDelayMillis)
          )
        }
        const outcome = { job, update, ...ended, isFinal }
        return isTemporary ? yield* new Returned({ outcome }) : outcome
      })

      const consumer = Effect.gen(function* () {
        while (!Deferred.isDoneUnsafe(stopped)) {
          const taking = yield* Effect.forkChild(
            queue.take((element, { attempts }) =>
              Effect.withFiber((fiber) => {
                idle.delete(fiber)
                busy.add(fiber)
                return send(element, attempts)
              })
            )
          )
          if (!busy.has(taking)) idle.add(taking)
          const exit = yield* Fiber.await(taking)
          idle.delete(taking)
          const error = Option.getOrUndefined(Exit.findErrorOption(exit))
          const outcome = Exit.isSuccess(exit) ? exit.value : error?._tag === "Returned" ? error.outcome : undefined
          if (outcome !== undefined) yield* Queue.offer(outcomes, outcome)
          else if (Exit.isFailure(exit) && !Deferred.isDoneUnsafe(stopped)) {
            // A defect, which no error of an update is: the queue has it back.
            yield* Effect.logError(
              busy.has(taking) ? "An update ended in a defect, and is back in the queue" : "The queue cannot be read",
              exit.cause
            )
            yield* Effect.sleep(restMillis)
          }
          // Until its outcome is taken: a slow reader does not make a worker idle.
          if (busy.delete(taking)) lastAt = yield* Clock.currentTimeMillis
        }
      })

      const stop = Effect.andThen(
        Deferred.succeed(stopped, undefined),
        Effect.suspend(() => Fiber.interruptAll([...idle, ...sending]))
      )
      yield* Effect.forkScoped(Effect.andThen(options.stop ?? Effect.never, stop))
      if (options.idle !== undefined) {
        const idleMillis = yield* OptionsCheck.millis(options.idle, "idle")
        const isIdle = Effect.map(
          Clock.currentTimeMillis,
          (now) => busy.size === 0 && now - Math.max(lastAt, redeliveredAt) >= idleMillis
        )
        const untilIdle = Effect.gen(function* () {
          while (!(yield* isIdle)) yield* Effect.sleep(Math.min(idleMillis, restMillis))
        })
        yield* Effect.forkScoped(Effect.andThen(untilIdle, stop))
      }
      const consumers = yield* Effect.forkScoped(
        Effect.all(
          Array.from({ length: concurrency }, () => consumer),
          { concurrency: "unbounded", discard: true }
        ).pipe(Effect.ensuring(Queue.end(outcomes)))
      )
      yield* Effect.addFinalizer(() =>
        stop.pipe(
          // Nobody reads outcomes any more; what is in flight is still recorded in the queue.
          Effect.andThen(Queue.shutdown(outcomes)),
          Effect.andThen(Fiber.await(consumers))
        )
      )
      return Stream.fromQueue(outcomes)
    })
  )
