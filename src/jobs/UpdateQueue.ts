/**
 * Jobs for many machines: updates in a durable queue, sent by any number of workers.
 * The queue is Effect's own `PersistedQueue`, over Redis ({@link layerRedis}), SQL or
 * memory; the rate limit and the tokens that workers share are their client's.
 *
 * {@link enqueue} merges the updates of a job, so that the last value of each field of
 * each conversation wins; {@link work} consumes the queue. An update is sent at least
 * once. There is no order between jobs: a failed update may come late.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as PersistedQueue from "effect/persistence/PersistedQueue"
import type * as Redis from "effect/persistence/Redis"
import type { HighLevelClient } from "../client/HighLevelClient.ts"
import type * as HighLevelError from "../client/HighLevelError.ts"
import * as OptionsCheck from "../client/options.ts"
import * as Request from "../client/request.ts"
import { type ConversationUpdate, updateConversation } from "../wire/updateConversation.ts"
import * as Queued from "./queuedUpdate.ts"
import * as QueueRecords from "./QueueRecords.ts"
import * as QueueWorker from "./queueWorker.ts"

export type { QueueOutcome, Returned } from "./queueWorker.ts"
export { Failure, type QueuedUpdate } from "./queuedUpdate.ts"

/** The name of the queue, where none is given. */
export const defaultName = "highlevel-updates"

/** What a queue needs: {@link layerRedis} or {@link layerMemory}. */
export type Queues = PersistedQueue.PersistedQueueFactory | QueueRecords.QueueRecords

/** Which queue. */
export interface QueueOptions {
  /** @default "highlevel-updates" */
  readonly name?: string | undefined
}

/** What was put into the queue. */
export interface Enqueued {
  /** The name of the job; without one of yours, a new UUID. */
  readonly job: string
  /** How many updates came in. */
  readonly updates: number
  /** How many conversations they are of: one update each. */
  readonly conversations: number
  /** How many of these were added to the queue. */
  readonly added: number
  /** How many the queue knew from before, whether they wait, were applied or failed. They are not sent again. */
  readonly known: number
}

/**
 * Puts the updates of a job into the queue, merged to one for each conversation, and
 * reports how many of them are new.
 *
 * **Details**
 *
 * An update is known by its job, its conversation and its values, until 7 days after a
 * worker took it (`knownFor`). So a job that was cut off is enqueued again under its name,
 * and nothing is added twice. Without a name every call is a job of its own.
 *
 * **Gotchas**
 *
 * The conversations of the job are held in memory while they are merged. An update
 * that is not valid fails the whole job before anything is in the queue. Two calls at
 * once under one name may both count an update as added; it is there once.
 */
export const enqueue = Effect.fnUntraced(function* <E, R>(
  updates: Stream.Stream<ConversationUpdate, E, R>,
  options: QueueOptions & {
    /** The name of the job. @default a new UUID */
    readonly job?: string | undefined
  } = {}
): Effect.fn.Return<Enqueued, E | HighLevelError.InvalidRequest | PersistedQueue.PersistedQueueError, R | Queues> {
  const { job = SecureRandom.uuidV4Unsafe(), name = defaultName } = options
  const records = yield* QueueRecords.QueueRecords
  const queue = yield* Queued.queueOf(name)
  const merged = new Map<string, ConversationUpdate>()
  let count = 0
  yield* Stream.runForEach(updates, (input) =>
    Effect.map(Effect.fromResult(Request.validate(updateConversation, input)), (update) => {
      count++
      const key = JSON.stringify([update.locationId, update.conversationId])
      merged.set(key, { ...merged.get(key), ...update })
    })
  )
  const known = yield* Effect.forEach(
    merged.values(),
    Effect.fnUntraced(function* (update) {
      const id = Queued.idOf({ job, update })
      const isKnown = yield* records.isKnown(name, id)
      if (!isKnown) yield* queue.offer({ job, update, deliveries: 0 }, { id })
      return isKnown
    }),
    { concurrency: 64 }
  )
  const added = known.filter((isKnown) => !isKnown).length
  return { job, updates: count, conversations: merged.size, added, known: merged.size - added }
})

/** How a worker consumes the queue. */
export interface WorkOptions extends QueueOptions {
  /**
   * Maximum requests in flight, of which at most 16 are of one location. Four times as
   * many updates are taken from the queue at once.
   *
   * @default 64
   */
  readonly concurrency?: number | undefined

  /** How often an update is delivered before it has failed permanently. @default 10 */
  readonly maxAttempts?: number | undefined

  /**
   * The worker stops when nothing is left in the queue, and its last update ended so long
   * ago. It waits for what is with other workers and for what is due within 10 minutes,
   * but not for the updates of a location that it found stopped itself.
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

/**
 * Consumes the queue: sends each update and emits its outcome once the queue has
 * acknowledged it.
 *
 * **Details**
 *
 * - A transient failure or a defect is `Returned`: redelivered to any worker after a
 *   second, then twice as long each time, at most 5 minutes.
 * - `Failed` and `Defect` are final. They are listed by {@link failures}.
 * - A token that is refused twice in a row, or a reached daily limit, stops its location:
 *   its updates are `NotSent`, and wait in the queue for 5 minutes or until the limit
 *   resets. Then one of them is sent as a probe.
 * - An update that cannot be sent within a second, because its location is busy, lets
 *   those of others pass.
 * - What a worker that died had taken is redelivered when its lease expires.
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
 *
 * const ids = { conversationId: "tDtDnQdgm2LXpyiqYvZ6", locationId: "tDtDnQdgm2LXpyiqYvZ6" }
 * const updates = Stream.make({ ...ids, unreadCount: 5 }, { ...ids, unreadCount: 0, starred: true })
 *
 * const program = Effect.gen(function* () {
 *   const { added } = yield* UpdateQueue.enqueue(updates, { job: "inbox hygiene, Monday" })
 *   const outcomes = yield* UpdateQueue.work().pipe(Stream.take(added), Stream.runCollect)
 *   return outcomes.map(({ _tag, update }) => [_tag, update.unreadCount, update.starred])
 * })
 *
 * const layer = Layer.mergeAll(
 *   HighLevelClient.layer({ token: Redacted.make("sandbox-token") }).pipe(Layer.provide(Sandbox.layer())),
 *   UpdateQueue.layerMemory
 * )
 *
 * await Effect.runPromise(program.pipe(Effect.provide(layer))) // => [["Applied", 0, true]]
 * ```
 */
export const work = (
  options: WorkOptions = {}
): Stream.Stream<QueueWorker.QueueOutcome, HighLevelError.InvalidOptions, HighLevelClient | Queues> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const { name = defaultName, stop = Effect.never } = options
      const concurrency = yield* OptionsCheck.count(options.concurrency ?? 64, "concurrency")
      const maxAttempts = yield* OptionsCheck.count(options.maxAttempts ?? 10, "maxAttempts")
      const idleMillis = yield* OptionsCheck.millis(options.idle ?? "Infinity", "idle")
      return Stream.fromQueue(yield* QueueWorker.make({ concurrency, idleMillis, maxAttempts, name, stop }))
    })
  )

/** The updates that have failed permanently, in any order. */
export const failures = ({ name = defaultName }: QueueOptions = {}): Stream.Stream<
  Queued.Failure,
  PersistedQueue.PersistedQueueError,
  QueueRecords.QueueRecords
> =>
  Stream.unwrap(Effect.map(QueueRecords.QueueRecords, (records) => records.failures(name))).pipe(
    Stream.mapEffect((text) =>
      Effect.mapError(
        Queued.decodeFailure(text),
        (cause) => new PersistedQueue.PersistedQueueError({ message: "A failure in the list cannot be read", cause })
      )
    )
  )

/**
 * Puts failures back into the queue, and emits each that is there: all of
 * `UpdateQueue.failures()`, or those that a `Stream.filter` leaves.
 */
export const retry = <E, R>(
  failed: Stream.Stream<Queued.Failure, E, R>,
  { name = defaultName }: QueueOptions = {}
): Stream.Stream<Queued.Failure, E | PersistedQueue.PersistedQueueError, R | Queues> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const records = yield* QueueRecords.QueueRecords
      const queue = yield* Queued.queueOf(name)
      return Stream.tap(failed, ({ failedAt, job, update }) => {
        const id = Queued.idOf({ job, update })
        // Put back twice under one id, it is sent once.
        const offered = queue.offer({ job, update, deliveries: 0 }, { id: `${id}@${failedAt.epochMilliseconds}` })
        return Effect.andThen(offered, records.remove(name, id))
      })
    })
  )

/** How long a queue remembers. */
export interface LayerOptions {
  /** For how long an update is known after a worker took it. @default "7 days" */
  readonly knownFor?: Duration.Input | undefined
}

/** Queues over any store of Effect's `PersistedQueue`, such as `layerStoreSql`, beside `QueueRecords` of your own. */
export const layer = ({ knownFor = "7 days" }: LayerOptions = {}): Layer.Layer<
  PersistedQueue.PersistedQueueFactory,
  never,
  PersistedQueue.PersistedQueueStore
> => Layer.merge(PersistedQueue.layer, PersistedQueue.layerCleanup({ timeToLive: knownFor }))

/** Queues in the memory of this process: for tests, and for what may be lost. Their ids are known until it ends. */
export const layerMemory: Layer.Layer<Queues> = Layer.provideMerge(PersistedQueue.layer, QueueRecords.layerMemory)

/**
 * Queues in Redis, for workers on many machines. With `NodeRedis.layer` of
 * `@effect/platform-node` for the connection.
 *
 * **Gotchas**
 *
 * Redis must not forget: give it `appendonly yes` with `appendfsync always`, and no
 * eviction. The clocks of the machines must agree to about a second.
 */
export const layerRedis = (
  options: LayerOptions & {
    /** What the keys start with. @default "effect-highlevel:queue:" */
    readonly prefix?: string | undefined
    /** After how long others take over from a worker that died. @default "90 seconds" */
    readonly lease?: Duration.Input | undefined
  } = {}
): Layer.Layer<Queues, never, Redis.Redis> => {
  const { lease = "90 seconds", prefix = "effect-highlevel:queue:" } = options
  const lockRefreshInterval = Duration.toMillis(lease) / 3
  const store = PersistedQueue.layerStoreRedis({ prefix, lockExpiration: lease, lockRefreshInterval })
  return Layer.merge(Layer.provide(layer(options), store), QueueRecords.layerRedis(prefix))
}
