/**
 * What is kept beside a queue: which updates it knows, and which have failed. It is
 * part of `UpdateQueue.layerRedis` and `layerMemory`; over SQL, provide your own.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
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
  /** When the last element that waits is due, in epoch milliseconds; 0 where none waits. */
  readonly delayedUntil: (queue: string) => Effect.Effect<number, PersistedQueue.PersistedQueueError>
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
    const delayedUntil = new Map<string, number>()
    const offer: typeof store.offer = (options) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const { delay = 0, name } = options
        if (options.isCustomId) known.add(JSON.stringify([name, options.id]))
        const dueAt = now + Duration.toMillis(delay)
        delayedUntil.set(name, Math.max(dueAt, delayedUntil.get(name) ?? 0))
        return store.offer(options)
      })
    return Context.make(PersistedQueue.PersistedQueueStore, { ...store, offer }).pipe(
      Context.add(QueueRecords, {
        isKnown: (queue, id) => Effect.sync(() => known.has(JSON.stringify([queue, id]))),
        delayedUntil: (queue) => Effect.sync(() => delayedUntil.get(queue) ?? 0),
        add: (queue, id, failure) =>
          Effect.sync(() => void failures.set(queue, new Map(failures.get(queue)).set(id, failure))),
        remove: (queue, id) => Effect.sync(() => void failures.get(queue)?.delete(id)),
        failures: (queue) => Stream.suspend(() => Stream.fromIterable([...(failures.get(queue)?.values() ?? [])]))
      })
    )
  })
).pipe(Layer.provide(PersistedQueue.layerStoreMemory))

// As a script: versions of the protocol differ in how they return scores.
const lastScoreScript = Redis.script((key: string) => [key], {
  numberOfKeys: 1,
  lua: "return redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')[2] or '0'"
}).withReturnType<string>()

/** Records in Redis, beside Effect's store in Redis with the same prefix. */
export const layerRedis = (prefix: string): Layer.Layer<QueueRecords, never, Redis.Redis> =>
  Layer.effect(
    QueueRecords,
    Effect.map(Redis.Redis, (redis): Service => {
      const failed =
        (command: string) =>
        ({ cause }: Redis.RedisError) =>
          new PersistedQueue.PersistedQueueError({ message: `Redis failed at ${command}`, cause })
      // Effect's store keeps the ids that it has seen, and the elements that wait.
      const send = <A>(command: string, key: `${string}:${"ids" | "failures"}`, ...args: ReadonlyArray<string>) =>
        Effect.mapError(redis.send<A>(command, prefix + key, ...args), failed(command))
      const lastScore = redis.eval(lastScoreScript)
      return {
        isKnown: (queue, id) =>
          Effect.map(send<string | null>("ZSCORE", `${queue}:ids`, id), (score) => score !== null),
        delayedUntil: (queue) =>
          Effect.mapBoth(lastScore(`${prefix}${queue}:delayed`), { onFailure: failed("ZRANGE"), onSuccess: Number }),
        add: (queue, id, failure) => Effect.asVoid(send("HSET", `${queue}:failures`, id, failure)),
        remove: (queue, id) => Effect.asVoid(send("HDEL", `${queue}:failures`, id)),
        failures: (queue) =>
          Stream.paginate("0", (cursor) =>
            Effect.map(
              send<[string, ReadonlyArray<string>]>("HSCAN", `${queue}:failures`, cursor),
              ([next, entries]) => [
                entries.filter((_, index) => index % 2 === 1),
                next === "0" ? Option.none() : Option.some(next)
              ]
            )
          )
      }
    })
  )
