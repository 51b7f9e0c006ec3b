/**
 * Distributes jobs over many machines: updates wait in a durable queue, and any number of
 * workers send them. The queue is Effect's `PersistedQueue`, over Redis
 * ({@link layerRedis}), SQL or memory. Workers share the rate limit and the tokens of
 * their client.
 *
 * {@link enqueue} merges the updates of a job, so that the last value of each field of a
 * conversation wins. {@link work} consumes the queue. Each update is sent at least once.
 * Jobs are not ordered: a failed update may be sent after a later job's.
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

/** The default name of a queue. */
export const defaultName = "highlevel-updates"

/** The services of a queue: {@link layerRedis} or {@link layerMemory}. */
export type Queues = PersistedQueue.PersistedQueueFactory | QueueRecords.QueueRecords

/** The queue to use. */
export interface QueueOptions {
  /** @default "highlevel-updates" */
  readonly name?: string | undefined
}

/** The result of {@link enqueue}. */
export interface Enqueued {
  /** The name of the job: the given one, or a new UUID. */
  readonly job: string
  /** The number of given updates. */
  readonly updates: number
  /** The number of merged updates, one for each conversation. */
  readonly conversations: number
  /** The number of these that are new in the queue. */
  readonly added: number
  /** The number of these that the queue already knew: waiting, applied or failed. They are not sent again. */
  readonly known: number
}

/**
 * Merges the updates of a job to one for each conversation, adds them to the queue, and
 * reports how many are new.
 *
 * **Details**
 *
 * The queue identifies an update by its job, conversation and values, until 7 days after
 * a worker took it (`knownFor`). If enqueueing was interrupted, enqueue the job again
 * under the same name: nothing is added twice. Without a name, each call is a new job.
 *
 * **Gotchas**
 *
 * Merging keeps the conversations of the job in memory. An invalid update fails the whole
 * job before anything is added. Two concurrent calls with the same name may both count an
 * update as added, although the queue has it once.
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

/** The options of a worker. */
export interface WorkOptions extends QueueOptions {
  /**
   * Maximum requests in flight, and at most 16 of one location. The worker takes up to
   * four times as many updates from the queue.
   *
   * @default 64
   */
  readonly concurrency?: number | undefined

  /** Maximum deliveries of an update, after which it has failed permanently. @default 10 */
  readonly maxAttempts?: number | undefined

  /**
   * Stops the worker when the queue is empty and this much time has passed since its last
   * update. It waits for updates that other workers have taken and for those due within 10
   * minutes, but not for those of a location that it has stopped itself.
   *
   * @default never
   */
  readonly idle?: Duration.Input | undefined

  /**
   * Stops the worker when this effect succeeds: requests in flight finish, and the other
   * updates it has taken return to the queue.
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
 * - After a transient failure or a defect, the update is `Returned`: it is redelivered to
 *   any worker after a second, and after twice as long each time, up to 5 minutes.
 * - `Failed` and `Defect` are final. {@link failures} lists them.
 * - If HighLevel rejects a token twice in a row, or the daily limit is reached, the
 *   location stops. Its updates are `NotSent` and stay in the queue for 5 minutes, or
 *   until the limit resets. Then one of them is sent as a probe.
 * - If an update cannot be sent within a second because its location is busy, updates of
 *   other locations overtake it.
 * - Updates of a worker that died are redelivered when its lease expires.
 * - An interruption stops the worker like `stop`, and waits for it.
 *
 * **Example** (Use a queue in memory with the sandbox)
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

/** Streams the updates that failed permanently, in any order. */
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
 * Returns failures to the queue and emits each one: all of `UpdateQueue.failures()`, or
 * some of them with a `Stream.filter`.
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
        // The id makes sure that it is sent once, even if it is returned twice.
        const offered = queue.offer({ job, update, deliveries: 0 }, { id: `${id}@${failedAt.epochMilliseconds}` })
        return Effect.andThen(offered, records.remove(name, id))
      })
    })
  )

/** The options of a queue's store. */
export interface LayerOptions {
  /** How long the queue knows an update after a worker took it. @default "7 days" */
  readonly knownFor?: Duration.Input | undefined
}

/** Provides queues over any store of Effect's `PersistedQueue`, such as `layerStoreSql`, with your own `QueueRecords`. */
export const layer = ({ knownFor = "7 days" }: LayerOptions = {}): Layer.Layer<
  PersistedQueue.PersistedQueueFactory,
  never,
  PersistedQueue.PersistedQueueStore
> => Layer.merge(PersistedQueue.layer, PersistedQueue.layerCleanup({ timeToLive: knownFor }))

/** Provides queues in memory, for tests and for updates that may be lost. */
export const layerMemory: Layer.Layer<Queues> = Layer.provideMerge(PersistedQueue.layer, QueueRecords.layerMemory)

/**
 * Provides queues in Redis, for workers on many machines. Provide the connection with
 * `NodeRedis.layer` of `@effect/platform-node`.
 *
 * **Gotchas**
 *
 * Redis must be durable: set `appendonly yes` and `appendfsync always`, and disable
 * eviction. The clocks of the machines must agree to about a second.
 */
export const layerRedis = (
  options: LayerOptions & {
    /** The prefix of the keys. @default "effect-highlevel:queue:" */
    readonly prefix?: string | undefined
    /** How long after its death other workers take over the updates of a worker. @default "90 seconds" */
    readonly lease?: Duration.Input | undefined
  } = {}
): Layer.Layer<Queues, never, Redis.Redis> => {
  const { lease = "90 seconds", prefix = "effect-highlevel:queue:" } = options
  const lockRefreshInterval = Duration.toMillis(lease) / 3
  const store = PersistedQueue.layerStoreRedis({ prefix, lockExpiration: lease, lockRefreshInterval })
  return Layer.merge(Layer.provide(layer(options), store), QueueRecords.layerRedis(prefix))
}
