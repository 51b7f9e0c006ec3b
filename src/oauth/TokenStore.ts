/**
 * Stores OAuth tokens: in memory ({@link layerMemory}), in files ({@link layerFile}), in
 * Redis ({@link layerRedis}), or in your own store. {@link layerEncrypted} encrypts any of
 * them.
 *
 * A store keeps one text for each key and replaces it atomically, by compare-and-set.
 * `OAuth` writes everything else into that text, such as the process that refreshes.
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

/** The store is unavailable, or an operation failed. */
export class TokenStoreError extends Data.TaggedError("TokenStoreError")<{ readonly cause: unknown }> {}

/** The interface of a token store. */
export interface Service<E = TokenStoreError> {
  /** Returns the text of a key, such as `location:ve9EPM428h8vShlRW1KT`. */
  readonly get: (key: string) => Effect.Effect<Option.Option<Redacted.Redacted>, E>

  /**
   * Replaces `current` by `next` atomically, or returns `false` if the stored text is
   * another one. It must be durable when it returns `true`, since the refresh token in it
   * exists nowhere else. `next` is not empty.
   */
  readonly replace: (
    key: string,
    current: Option.Option<Redacted.Redacted>,
    next: Redacted.Redacted
  ) => Effect.Effect<boolean, E>

  /**
   * Removes `current` atomically, or returns `false` if the stored text is another one.
   * Without `current`, it removes any text. When it returns `true`, the removal is durable
   * and no earlier text of the key remains. A later `replace` of the removed text returns
   * `false`.
   */
  readonly remove: (key: string, current?: Option.Option<Redacted.Redacted>) => Effect.Effect<boolean, E>

  /** Streams the keys that have a text, each once, in any order. */
  readonly list: Stream.Stream<string, E>
}

/**
 * The token store of `OAuth`.
 *
 * **Example** (Implement a store, here over a Map)
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
 * // UPDATE tokens SET text = $next WHERE key = $key AND text = $current, or an INSERT if there is none
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

/** Makes a store in memory. */
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

/** Stores tokens in memory, for tests. When the process ends, customers must reconnect. */
export const layerMemory: Layer.Layer<TokenStore> = Layer.effect(TokenStore, makeMemory)

/**
 * Stores tokens in a folder of files with mode 0600, written atomically, for the processes
 * of one machine. Provide the file system with `NodeServices.layer` of
 * `@effect/platform-node`. It must support hard links.
 */
export const layerFile = (options: {
  /** The folder. It is created with mode 0700 if it does not exist. */
  readonly directory: string
}): Layer.Layer<TokenStore, never, FileSystem.FileSystem | Path.Path> =>
  Layer.effect(
    TokenStore,
    Effect.gen(function* () {
      return over(TokenFile.make(yield* FileSystem.FileSystem, yield* Path.Path, options.directory))
    })
  )

/**
 * Stores tokens in Redis, for processes on many machines. Provide the connection with
 * `NodeRedis.layer` of `@effect/platform-node`.
 *
 * **Gotchas**
 *
 * Redis must be durable: set `appendonly yes` and `appendfsync always`, and disable
 * eviction. If Redis loses tokens, customers must reconnect. Removed tokens stay in its
 * append-only file until Redis rewrites it (`BGREWRITEAOF`).
 */
export const layerRedis = (options?: {
  /** The prefix of the keys. @default "effect-highlevel:tokens:" */
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

  /** Returns `false` if the stored text is another one. */
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
        // Another process may have re-encrypted the same tokens.
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
 * Encrypts the tokens of another store with AES-256-GCM. The key is 32 random bytes in
 * base64, as printed by `openssl rand -base64 32`. Keep it with your other secrets, apart
 * from the tokens. An invalid key fails with `InvalidOptions`.
 *
 * Tokens that are encrypted with a previous key, or not at all, are re-encrypted with the
 * current key when they are read. Tokens that no key decrypts, or that belong to another
 * account, fail with `TokenStoreError`.
 *
 * **Gotchas**
 *
 * A process cannot read tokens whose key it lacks. In a rolling deployment, first add the
 * new key to `previousKeys` everywhere, then make it the `key`.
 *
 * Encryption protects tokens from those who can read the store. Those who can write to it
 * can still restore earlier tokens, or store their own unencrypted ones.
 *
 * **Example** (Encrypt tokens and rotate the key)
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
 * // In an application, `TokenStore.layerRedis()` or `TokenStore.layerFile({ directory: "tokens" })`.
 * const memory = Layer.succeed(TokenStore.TokenStore, await Effect.runPromise(TokenStore.makeMemory))
 * const before = TokenStore.layerEncrypted({ key }).pipe(Layer.provide(memory))
 * const during = TokenStore.layerEncrypted({ key: newKey, previousKeys: [key] }).pipe(Layer.provide(memory))
 * const after = TokenStore.layerEncrypted({ key: newKey }).pipe(Layer.provide(memory))
 *
 * const write = TokenStore.TokenStore.use((store) => store.replace("location:one", Option.none(), Redacted.make("tokens")))
 * // Reading re-encrypts with the new key. If this logs no warning, the previous key is no longer needed.
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
  /** The key that tokens are written with: 32 random bytes in base64. */
  readonly key: Redacted.Redacted
  /** Further keys that tokens are read with. @default [] */
  readonly previousKeys?: ReadonlyArray<Redacted.Redacted> | undefined
}): Layer.Layer<TokenStore, InvalidOptions, TokenStore> =>
  Layer.effect(
    TokenStore,
    Effect.gen(function* () {
      return encrypted(yield* TokenStore, yield* TokenEncryption.make(options))
    })
  )
