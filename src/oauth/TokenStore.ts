/**
 * Where OAuth tokens are kept: in memory ({@link layerMemory}), in files
 * ({@link layerFile}), in Redis ({@link layerRedis}), or where you say.
 *
 * A store keeps one text under a key and replaces it in one step, if nobody else
 * did in between. Everything else (who refreshes, until when, and what becomes of
 * it after a crash) is written in that text by `OAuth`.
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as Redis from "effect/persistence/Redis"
import * as TokenFile from "./fileStore.ts"
import * as TokenRedis from "./redisStore.ts"

/** The store cannot be reached, or does not do what it is asked for. */
export class TokenStoreError extends Data.TaggedError("TokenStoreError")<{ readonly cause: unknown }> {}

/** What a store does: get, replace, remove and list the texts of accounts. */
export interface Service<E = TokenStoreError> {
  /** What is kept under a key, such as `location:ve9EPM428h8vShlRW1KT`. */
  readonly get: (key: string) => Effect.Effect<Option.Option<Redacted.Redacted>, E>

  /**
   * Puts `next` in the place of `current`, in one step, or returns `false` if
   * something else is there by now. Durable when it returns `true`: the text holds
   * a refresh token that exists nowhere else. `next` is not empty.
   */
  readonly replace: (
    key: string,
    current: Option.Option<Redacted.Redacted>,
    next: Redacted.Redacted
  ) => Effect.Effect<boolean, E>

  /**
   * Removes what is kept under a key, whatever it is, or does nothing. When it
   * returns, the removal is durable and no earlier text of the key is kept. A
   * `replace` of the removed text returns `false`.
   */
  readonly remove: (key: string) => Effect.Effect<void, E>

  /** The keys that have a text, each once, in any order. */
  readonly list: Stream.Stream<string, E>
}

/**
 * The store of an `OAuth`.
 *
 * **Example** (A store of your own, here over a table that is a Map)
 *
 * ```ts
 * import { TokenStore } from "effect-highlevel"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as Option from "effect/Option"
 * import * as Redacted from "effect/Redacted"
 * import * as Stream from "effect/Stream"
 *
 * const table = new Map<string, string>()
 * // UPDATE tokens SET text = $next WHERE key = $key AND text = $current, and an INSERT where there is none
 * const compareAndSet = async (key: string, current: string | undefined, next: string) =>
 *   table.get(key) === current && table.set(key, next).has(key)
 *
 * const OwnStore = Layer.succeed(TokenStore.TokenStore, {
 *   get: (key) => Effect.sync(() => Option.map(Option.fromNullishOr(table.get(key)), (text) => Redacted.make(text))),
 *   replace: (key, current, next) =>
 *     Effect.tryPromise({
 *       try: () =>
 *         compareAndSet(key, Option.getOrUndefined(Option.map(current, Redacted.value)), Redacted.value(next)),
 *       catch: (cause) => new TokenStore.TokenStoreError({ cause })
 *     }),
 *   remove: (key) => Effect.sync(() => void table.delete(key)),
 *   list: Stream.suspend(() => Stream.fromIterable(table.keys()))
 * })
 *
 * const program = Effect.gen(function* () {
 *   const store = yield* TokenStore.TokenStore
 *   return [
 *     yield* store.replace("location:one", Option.none(), Redacted.make("tokens")),
 *     yield* store.replace("location:one", Option.none(), Redacted.make("too late"))
 *   ]
 * })
 *
 * await Effect.runPromise(program.pipe(Effect.provide(OwnStore))) // => [true, false]
 * ```
 */
export class TokenStore extends Context.Service<TokenStore, Service>()("effect-highlevel/TokenStore/TokenStore") {}

const failing = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.mapError(effect, (cause) => new TokenStoreError({ cause }))

const over = <E>(store: Service<E>): Service => ({
  get: (key) => failing(store.get(key)),
  replace: (key, current, next) => failing(store.replace(key, current, next)),
  remove: (key) => failing(store.remove(key)),
  list: Stream.mapError(store.list, (cause) => new TokenStoreError({ cause }))
})

/** Tokens in the memory of this process. */
export const makeMemory: Effect.Effect<Service> = Effect.sync(() => {
  const texts = new Map<string, Redacted.Redacted>()
  return {
    get: (key) => Effect.sync(() => Option.fromNullishOr(texts.get(key))),
    replace: (key, current, next) =>
      Effect.sync(() => {
        const held = texts.get(key)
        const isCurrent =
          held === undefined
            ? Option.isNone(current)
            : Option.isSome(current) && Redacted.value(held) === Redacted.value(current.value)
        if (isCurrent) texts.set(key, next)
        return isCurrent
      }),
    remove: (key) => Effect.sync(() => void texts.delete(key)),
    list: Stream.suspend(() => Stream.fromIterable([...texts.keys()]))
  }
})

/** Tokens in the memory of this process: for tests. When the process ends, its customers have to reconnect. */
export const layerMemory: Layer.Layer<TokenStore> = Layer.effect(TokenStore, makeMemory)

/**
 * Tokens in a folder of files with mode 0600, each written whole or not at all,
 * for the processes of one machine. With `NodeServices.layer` of
 * `@effect/platform-node` for the file system, which must know hard links.
 */
export const layerFile = (options: {
  /** The folder. It is made, with mode 0700, where it is missing. */
  readonly directory: string
}): Layer.Layer<TokenStore, never, FileSystem.FileSystem | Path.Path> =>
  Layer.effect(
    TokenStore,
    Effect.gen(function* () {
      return over(TokenFile.make(yield* FileSystem.FileSystem, yield* Path.Path, options.directory))
    })
  )

/**
 * Tokens in Redis, for processes on many machines. With `NodeRedis.layer` of
 * `@effect/platform-node` for the connection.
 *
 * **Gotchas**
 *
 * Redis must not forget: give it `appendonly yes` with `appendfsync always`, and
 * no eviction. What Redis loses, a customer has to reconnect. What is removed stays
 * in its append-only file until Redis rewrites it (`BGREWRITEAOF`).
 */
export const layerRedis = (options?: {
  /** What the keys start with. @default "effect-highlevel:tokens:" */
  readonly prefix?: string | undefined
}): Layer.Layer<TokenStore, never, Redis.Redis> =>
  Layer.effect(
    TokenStore,
    Effect.map(Redis.Redis, (redis) => over(TokenRedis.make(redis, options?.prefix ?? "effect-highlevel:tokens:")))
  )
