/**
 * Where OAuth tokens are kept: in memory ({@link layerMemory}), in files
 * ({@link layerFile}), in Redis ({@link layerRedis}), or where you say; and in each
 * of them encrypted ({@link layerEncrypted}).
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
import type { InvalidOptions } from "../client/HighLevelError.ts"
import * as Redaction from "../client/redaction.ts"
import * as SafeCause from "../client/safeCause.ts"
import * as TokenEncryption from "./encryption.ts"
import * as TokenFile from "./fileStore.ts"
import * as TokenRedis from "./redisStore.ts"
import { secretsIn } from "./storedTokens.ts"

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
   * Removes `current`, in one step, or returns `false` if something else is there by
   * now; without `current`, removes whatever is there. When it returns `true`, the
   * removal is durable and no earlier text of the key is kept. A `replace` of the
   * removed text returns `false`.
   */
  readonly remove: (key: string, current?: Option.Option<Redacted.Redacted>) => Effect.Effect<boolean, E>

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
 *   remove: (key, current) =>
 *     Effect.sync(() => {
 *       const isCurrent =
 *         current === undefined || table.get(key) === Option.getOrUndefined(Option.map(current, Redacted.value))
 *       if (isCurrent) table.delete(key)
 *       return isCurrent
 *     }),
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
  remove: (key, current) => failing(store.remove(key, current)),
  list: Stream.mapError(store.list, (cause) => new TokenStoreError({ cause }))
})

const textOf = (text: Option.Option<Redacted.Redacted>) => Option.getOrUndefined(Option.map(text, Redacted.value))

/** Tokens in the memory of this process. */
export const makeMemory: Effect.Effect<Service> = Effect.sync(() => {
  const texts = new Map<string, Redacted.Redacted>()
  const get = (key: string) => Option.fromNullishOr(texts.get(key))
  return {
    get: (key) => Effect.sync(() => get(key)),
    replace: (key, current, next) =>
      Effect.sync(() => {
        const isCurrent = textOf(get(key)) === textOf(current)
        if (isCurrent) texts.set(key, next)
        return isCurrent
      }),
    remove: (key, current) =>
      Effect.sync(() => {
        const isCurrent = current === undefined || textOf(get(key)) === textOf(current)
        if (isCurrent) texts.delete(key)
        return isCurrent
      }),
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

const encrypted = (store: Service, { decrypt, encrypt }: TokenEncryption.Encryption): Service => {
  const load = Effect.fnUntraced(function* (key: string) {
    const stored = yield* store.get(key)
    if (Option.isNone(stored)) return { stored, plain: stored, isOutdated: false }
    const { isOutdated, plain } = yield* failing(decrypt(key, stored.value))
    return { stored, plain: Option.some(plain), isOutdated }
  })

  /** `false` if another text is stored by now. */
  const replaceStored = (key: string, stored: Option.Option<Redacted.Redacted>, plain: Redacted.Redacted) =>
    Effect.flatMap(failing(encrypt(key, plain)), (next) => store.replace(key, stored, next))

  return {
    get: Effect.fnUntraced(function* (key) {
      const { isOutdated, plain, stored } = yield* load(key)
      if (isOutdated && Option.isSome(plain)) {
        yield* Effect.catch(replaceStored(key, stored, plain.value), ({ cause }) => {
          const redact = Redaction.make(...secretsIn(plain.value))
          return Effect.logWarning(
            `The tokens of ${key} could not be encrypted under the current key`,
            SafeCause.make(cause, redact)
          )
        })
      }
      return plain
    }),
    replace: Effect.fnUntraced(function* (key, current, next) {
      while (true) {
        const { plain, stored } = yield* load(key)
        if (textOf(plain) !== textOf(current)) return false
        // Somebody may have encrypted the same tokens again in between.
        if (yield* replaceStored(key, stored, next)) return true
      }
    }),
    remove: Effect.fnUntraced(function* (key, current) {
      if (current === undefined) return yield* store.remove(key)
      while (true) {
        const { plain, stored } = yield* load(key)
        if (textOf(plain) !== textOf(current)) return false
        if (yield* store.remove(key, stored)) return true
      }
    }),
    list: store.list
  }
}

/**
 * Encrypts the tokens of the store that it is provided with, by AES-256-GCM. The key
 * is 32 random bytes in base64, as `openssl rand -base64 32` prints them; keep it
 * where your other secrets are, and not beside the tokens. Fails with
 * `InvalidOptions` where a key is something else.
 *
 * Tokens under a previous key, and those that were stored without encryption, are
 * read, and encrypted under the current key when they are read. Tokens that none of
 * the keys decrypts, and those of another account, fail with `TokenStoreError`.
 *
 * **Gotchas**
 *
 * A process that lacks a key cannot read what is encrypted under it. Where the
 * processes are not all replaced at once, give them the new key as one of
 * `previousKeys` first, and as `key` when all of them have it.
 *
 * It keeps tokens from those who can read the store. Those who can write to it can
 * still put back what was there before, or tokens of their own that are not encrypted.
 *
 * **Example** (Encrypted tokens, and a new key for them)
 *
 * ```ts
 * import { TokenStore } from "effect-highlevel"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as Option from "effect/Option"
 * import * as Redacted from "effect/Redacted"
 * import * as Stream from "effect/Stream"
 *
 * // openssl rand -base64 32
 * const key = Redacted.make("Ws0mv7Pj3wwvGpRWRsWwUqJvsGoUd5Bm2yYB6hSFKl4=")
 * const newKey = Redacted.make("0oXl2ubDnJj2nPqYwXTEhVq7v7jkYyhCkJBrlFCXoUo=")
 *
 * // In its place `TokenStore.layerRedis()`, or `TokenStore.layerFile({ directory: "tokens" })`.
 * const memory = Layer.succeed(TokenStore.TokenStore, await Effect.runPromise(TokenStore.makeMemory))
 * const before = TokenStore.layerEncrypted({ key }).pipe(Layer.provide(memory))
 * const during = TokenStore.layerEncrypted({ key: newKey, previousKeys: [key] }).pipe(Layer.provide(memory))
 * const after = TokenStore.layerEncrypted({ key: newKey }).pipe(Layer.provide(memory))
 *
 * const write = TokenStore.TokenStore.use((store) => store.replace("location:one", Option.none(), Redacted.make("tokens")))
 * // What is read is encrypted under the new key. Unless a warning is logged, the previous one is no longer needed.
 * const rotate = TokenStore.TokenStore.use((store) => Stream.runForEach(store.list, store.get))
 * const read = TokenStore.TokenStore.use((store) => store.get("location:one"))
 *
 * await Effect.runPromise(Effect.provide(write, before)) // => true
 * await Effect.runPromise(Effect.provide(rotate, during))
 * const tokens = await Effect.runPromise(Effect.provide(read, after))
 * Option.map(tokens, Redacted.value) // => Option.some("tokens")
 * ```
 */
export const layerEncrypted = (options: {
  /** 32 random bytes in base64. Under it tokens are written. */
  readonly key: Redacted.Redacted
  /** Keys under which tokens are read, too. @default [] */
  readonly previousKeys?: ReadonlyArray<Redacted.Redacted> | undefined
}): Layer.Layer<TokenStore, InvalidOptions, TokenStore> =>
  Layer.effect(
    TokenStore,
    Effect.gen(function* () {
      return encrypted(yield* TokenStore, yield* TokenEncryption.make(options))
    })
  )
