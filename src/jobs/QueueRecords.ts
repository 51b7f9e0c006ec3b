/**
 * What is kept beside a queue: which updates it knows, and which have failed. It is
 * part of `UpdateQueue.layerRedis` and `layerMemory`; over SQL, provide your own.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as PersistedQueue from "effect/persistence/PersistedQueue"
import * as Redis from "effect/persistence/Redis"

/** The records of the queues in a store, each queue by its name. */
export interface Service {
  /** Whether the store has an element with this id: one that waits, or one that ended and has not expired. */
  readonly isKnown: (queue: string, id: string) => Effect.Effect<boolean, PersistedQueue.PersistedQueueError>
  /** Lists a failure, in place of the one with its id. It is durable when the effect succeeds. */
  readonly add: (queue: string, id: string, failure: string) => Effect.Effect<void, PersistedQueue.PersistedQueueError>
  /** Removes a failure from the list, if it is there. */
  readonly remove: (queue: string, id: string) => Effect.Effect<void, PersistedQueue.PersistedQueueError>
  /** The failures, in any order; one that is added meanwhile may be missing. */
  readonly failures: (queue: string) => Stream.Stream<string, PersistedQueue.PersistedQueueError>
}

/** The records of the queues in a store. */
export class QueueRecords extends Context.Service<QueueRecords, Service>()(
  "effect-highlevel/QueueRecords/QueueRecords"
) {}

/** Records in the memory of this process, with the store that they are of. Its ids are known until the process ends. */
export const layerMemory: Layer.Layer<QueueRecords | PersistedQueue.PersistedQueueStore> = Layer.effectContext(
  Effect.gen(function* () {
    const store = yield* PersistedQueue.PersistedQueueStore
    const known = new Set<string>()
    const failures = new Map<string, Map<string, string>>()
    const offer: typeof store.offer = (options) => {
      if (options.isCustomId) known.add(JSON.stringify([options.name, options.id]))
      return store.offer(options)
    }
    return Context.make(PersistedQueue.PersistedQueueStore, { ...store, offer }).pipe(
      Context.add(QueueRecords, {
        isKnown: (queue, id) => Effect.sync(() => known.has(JSON.stringify([queue, id]))),
        add: (queue, id, failure) =>
          Effect.sync(() => void failures.set(queue, new Map(failures.get(queue)).set(id, failure))),
        remove: (queue, id) => Effect.sync(() => void failures.get(queue)?.delete(id)),
        failures: (queue) => Stream.suspend(() => Stream.fromIterable([...(failures.get(queue)?.values() ?? [])]))
      })
    )
  })
).pipe(Layer.provide(PersistedQueue.layerStoreMemory))

/** Records in Redis, beside Effect's store in Redis with the same prefix. */
export const layerRedis = (prefix: string): Layer.Layer<QueueRecords, never, Redis.Redis> =>
  Layer.effect(
    QueueRecords,
    Effect.map(Redis.Redis, (redis): Service => {
      const send = <A>(command: string, queue: string, ...args: ReadonlyArray<string>) =>
        Effect.mapError(
          // Effect's store keeps the ids that it has seen under this key.
          redis.send<A>(command, `${prefix}${queue}:${command === "ZSCORE" ? "ids" : "failures"}`, ...args),
          ({ cause }) => new PersistedQueue.PersistedQueueError({ message: `Redis failed at ${command}`, cause })
        )
      return {
        isKnown: (queue, id) => Effect.map(send<string | null>("ZSCORE", queue, id), (score) => score !== null),
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
