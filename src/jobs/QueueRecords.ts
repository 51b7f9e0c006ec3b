/**
 * Records beside a queue: which updates it knows, how many wait, and which failed.
 * `UpdateQueue.layerRedis` and `layerMemory` include it; for SQL, provide your own.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as PersistedQueue from "effect/persistence/PersistedQueue"
import * as Redis from "effect/persistence/Redis"

/** The records of the queues in a store, by the queue's name. */
export interface Service {
  /** Whether the store knows an element with this id: waiting, or ended and not yet expired. */
  readonly isKnown: (queue: string, id: string) => Effect.Effect<boolean, PersistedQueue.PersistedQueueError>
  /** The number of elements that workers have taken, or can take before a time (epoch milliseconds). */
  readonly waiting: (queue: string, before: number) => Effect.Effect<number, PersistedQueue.PersistedQueueError>
  /** Adds a failure, replacing one with the same id. Durable when the effect succeeds. */
  readonly add: (queue: string, id: string, failure: string) => Effect.Effect<void, PersistedQueue.PersistedQueueError>
  /** Removes a failure, if present. */
  readonly remove: (queue: string, id: string) => Effect.Effect<void, PersistedQueue.PersistedQueueError>
  /** The failures, in any order. One that is added while streaming may be missing. */
  readonly failures: (queue: string) => Stream.Stream<string, PersistedQueue.PersistedQueueError>
}

/** The records of the queues in a store. */
export class QueueRecords extends Context.Service<QueueRecords, Service>()(
  "effect-highlevel/QueueRecords/QueueRecords"
) {}

/** Records in memory, with their store. Its ids are known until the process ends. */
export const layerMemory: Layer.Layer<QueueRecords | PersistedQueue.PersistedQueueStore> = Layer.effectContext(
  Effect.gen(function* () {
    const store = yield* PersistedQueue.PersistedQueueStore
    const clock = yield* Clock.Clock
    /** When each element is due, or Infinity once it has ended; and the failures. */
    const queues = new Map<string, { readonly due: Map<string, number>; readonly failures: Map<string, string> }>()
    const of = (name: string) => {
      const queue = queues.get(name) ?? { due: new Map<string, number>(), failures: new Map<string, string>() }
      queues.set(name, queue)
      return queue
    }
    return Context.make(PersistedQueue.PersistedQueueStore, {
      ...store,
      offer: (options) =>
        Effect.suspend(() => {
          const { due } = of(options.name)
          const dueAt = clock.currentTimeMillisUnsafe() + Duration.toMillis(options.delay ?? 0)
          if (!due.has(options.id)) due.set(options.id, dueAt)
          return store.offer(options)
        }),
      take: (options) =>
        Effect.tap(store.take(options), ({ id }) =>
          Effect.addFinalizer((exit) =>
            Effect.sync(() => void (Exit.isSuccess(exit) && of(options.name).due.set(id, Infinity)))
          )
        )
    }).pipe(
      Context.add(QueueRecords, {
        isKnown: (queue, id) => Effect.sync(() => of(queue).due.has(id)),
        waiting: (queue, before) =>
          Effect.sync(() => [...of(queue).due.values()].filter((dueAt) => dueAt < before).length),
        add: (queue, id, failure) => Effect.sync(() => void of(queue).failures.set(id, failure)),
        remove: (queue, id) => Effect.sync(() => void of(queue).failures.delete(id)),
        failures: (queue) => Stream.suspend(() => Stream.fromIterable([...of(queue).failures.values()]))
      })
    )
  })
).pipe(Layer.provide(PersistedQueue.layerStoreMemory))

// The keys of Effect's store. One command, so that no element moves between two reads.
const waiting = Redis.script((...args: [queue: string, pending: string, delayed: string, before: string]) => args, {
  lua: `return redis.call("LLEN", KEYS[1]) + redis.call("HLEN", KEYS[2]) + redis.call("ZCOUNT", KEYS[3], "-inf", ARGV[1])`,
  numberOfKeys: 3
}).withReturnType<number>()

/** Records in Redis, beside Effect's store with the same prefix. */
export const layerRedis = (prefix: string): Layer.Layer<QueueRecords, never, Redis.Redis> =>
  Layer.effect(
    QueueRecords,
    Effect.map(Redis.Redis, (redis): Service => {
      const count = redis.eval(waiting)
      const failing = (command: string) =>
        Effect.mapError(
          ({ cause }: Redis.RedisError) =>
            new PersistedQueue.PersistedQueueError({ message: `Redis failed at ${command}`, cause })
        )
      const send = <A>(command: string, queue: string, ...args: ReadonlyArray<string>) =>
        // Effect's store keeps the ids it has seen under this key.
        redis
          .send<A>(command, `${prefix}${queue}:${command === "ZSCORE" ? "ids" : "failures"}`, ...args)
          .pipe(failing(command))
      return {
        isKnown: (queue, id) => Effect.map(send<string | null>("ZSCORE", queue, id), (score) => score !== null),
        waiting: (queue, before) => {
          const key = `${prefix}${queue}`
          return count(key, `${key}:pending`, `${key}:delayed`, `(${before}`).pipe(failing("EVAL"))
        },
        add: (queue, id, failure) => Effect.asVoid(send("HSET", queue, id, failure)),
        remove: (queue, id) => Effect.asVoid(send("HDEL", queue, id)),
        failures: (queue) =>
          Stream.paginate("0", (cursor) =>
            Effect.map(send<[string, ReadonlyArray<string>]>("HSCAN", queue, cursor), ([next, entries]) => [
              entries.filter((_, index) => index % 2 === 1),
              next === "0" ? Option.none() : Option.some(next)
            ])
          )
      }
    })
  )
