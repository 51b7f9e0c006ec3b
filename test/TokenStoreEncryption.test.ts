import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Conversations, TokenStore } from "effect-highlevel"
import { inspect } from "node:util"
import { connect, ids, layer as layerOAuth, stored } from "./oauth.ts"
import { build, bytesIn, folder, keyOf, some, text } from "./tokenStores.ts"

type Options = Parameters<typeof TokenStore.layerEncrypted>[0]

const over = (store: TokenStore.Service, options: Options = { key: keyOf(1) }) =>
  build(Layer.provide(TokenStore.layerEncrypted(options), Layer.succeed(TokenStore.TokenStore, store)))

/** A store in memory, and the same one as `layerEncrypted` makes it. */
const pair = Effect.gen(function* () {
  const plain = yield* TokenStore.makeMemory
  return { plain, encrypted: yield* over(plain) }
})

const rawOf = Effect.fnUntraced(function* (store: TokenStore.Service, key: string) {
  return Option.getOrThrow(text(yield* store.get(key)))
})

/** Puts a text there, whatever is there. */
const force = Effect.fnUntraced(function* (store: TokenStore.Service, key: string, raw: string) {
  assert.isTrue(yield* store.replace(key, yield* store.get(key), Redacted.make(raw)))
})

/** The message of a read that fails, and everything that can be seen of it. */
const refused = Effect.fnUntraced(function* (store: TokenStore.Service, key: string) {
  const error = yield* Effect.flip(store.get(key))
  assert.strictEqual(error._tag, "TokenStoreError")
  assert(error.cause instanceof Error)
  return { message: error.cause.message, seen: inspect(error, { depth: Infinity, showHidden: true }) }
})

const secret = JSON.stringify({
  tokens: { accessToken: "secret-access", refreshToken: "secret-refresh", obtainedAt: 0 }
})

describe("an encrypted token store", () => {
  it.effect.prop(
    "reads what was written, and shows nothing of it",
    [Schema.String.check(Schema.isMinLength(1)), Schema.String.check(Schema.isMinLength(8))],
    ([key, value]) =>
      Effect.gen(function* () {
        const { encrypted, plain } = yield* pair
        // Half of a surrogate pair has no encoding in UTF-8.
        const written = Buffer.from(value).toString()
        assert.isTrue(yield* encrypted.replace(key, Option.none(), Redacted.make(written)))
        assert.deepStrictEqual(text(yield* encrypted.get(key)), Option.some(written))
        const first = yield* rawOf(plain, key)
        assert.match(first, /^encrypted:1:[0-9a-f]{16}:[\w-]+$/)
        assert.notInclude(first, written)
        assert.notInclude(Buffer.from(first.split(":")[3] ?? "", "base64url").toString(), written)
        assert.isTrue(yield* encrypted.replace(key, Option.some(Redacted.make(written)), Redacted.make(written)))
        assert.notStrictEqual(yield* rawOf(plain, key), first)
      }).pipe(Effect.scoped)
  )

  it.effect("keeps a byte order mark", () =>
    Effect.gen(function* () {
      const { encrypted } = yield* pair
      yield* encrypted.replace("key", Option.none(), Redacted.make("\uFEFFtext"))
      assert.deepStrictEqual(text(yield* encrypted.get("key")), Option.some("\uFEFFtext"))
    }).pipe(Effect.scoped)
  )

  it.effect("refuses the tokens of another account", () =>
    Effect.gen(function* () {
      const { encrypted, plain } = yield* pair
      yield* encrypted.replace("location:one", Option.none(), Redacted.make(secret))
      yield* force(plain, "location:other", yield* rawOf(plain, "location:one"))
      const { message, seen } = yield* refused(encrypted, "location:other")
      assert.strictEqual(
        message,
        "The tokens stored for location:other cannot be decrypted: they were changed, or stored for another account"
      )
      assert.notInclude(seen, "secret-")
      assert.deepStrictEqual(text(yield* encrypted.get("location:one")), Option.some(secret))
    }).pipe(Effect.scoped)
  )

  it.effect("refuses what was changed or cut off, wherever", () =>
    Effect.gen(function* () {
      const { encrypted, plain } = yield* pair
      yield* encrypted.replace("key", Option.none(), Redacted.make(secret))
      const raw = yield* rawOf(plain, "key")
      const [format, version, id, sealed = ""] = raw.split(":")
      const bytes = Buffer.from(sealed, "base64url")
      const changed = Array.from(bytes, (byte, at) => {
        const copy = Buffer.from(bytes)
        copy[at] = byte ^ 1
        return [format, version, id, copy.toString("base64url")].join(":")
      })
      const cut = Array.from(raw, (_, length) => raw.slice(0, length)).filter((start) => start.startsWith("encrypted:"))
      const others = [`encrypted:2:${id}:${sealed}`, `encrypted:1:${"0".repeat(16)}:${sealed}`, `${raw}!`]
      for (const text of [...changed, ...cut, ...others]) {
        yield* force(plain, "key", text)
        const { message, seen } = yield* refused(encrypted, "key")
        assert.include(message, "The tokens stored for key cannot be decrypted: ")
        assert.notInclude(seen, "secret-")
        assert.notInclude(seen, Redacted.value(keyOf(1)))
        assert.strictEqual(
          (yield* Effect.flip(encrypted.replace("key", some(secret), Redacted.make("next"))))._tag,
          "TokenStoreError"
        )
        assert.strictEqual(yield* rawOf(plain, "key"), text)
      }
      assert.isAbove(changed.length + cut.length, 200)
      // What nobody can read can still be removed.
      yield* encrypted.remove("key")
      assert.isTrue(yield* encrypted.replace("key", Option.none(), Redacted.make("tokens")))
    }).pipe(Effect.scoped)
  )

  it.effect("goes on under a new key, and needs the old one no longer when all was read", () =>
    Effect.gen(function* () {
      const plain = yield* TokenStore.makeMemory
      const before = yield* over(plain, { key: keyOf(1) })
      const during = yield* over(plain, { key: keyOf(2), previousKeys: [keyOf(3), keyOf(1)] })
      const after = yield* over(plain, { key: keyOf(2) })
      const keys = ["location:one", "location:two", "location:three"]
      yield* Effect.forEach(keys, (key) => before.replace(key, Option.none(), Redacted.make(`${secret} of ${key}`)))
      const { message, seen } = yield* refused(after, "location:one")
      assert.match(
        message,
        /^The tokens stored for location:one cannot be decrypted: no given key has the id [0-9a-f]{16}$/
      )
      assert.notInclude(seen, "secret-")

      // Replaced before it was read.
      assert.isFalse(yield* during.replace("location:one", some("other"), Redacted.make("next")))
      assert.isTrue(yield* during.replace("location:one", some(`${secret} of location:one`), Redacted.make("next")))
      yield* Stream.runForEach(during.list, during.get)
      assert.deepStrictEqual(text(yield* after.get("location:one")), Option.some("next"))
      for (const key of keys.slice(1)) {
        assert.deepStrictEqual(text(yield* after.get(key)), Option.some(`${secret} of ${key}`))
      }
      yield* refused(before, "location:one")

      // What is under the current key is left as it is.
      const raw = yield* rawOf(plain, "location:two")
      yield* during.get("location:two")
      assert.strictEqual(yield* rawOf(plain, "location:two"), raw)
    }).pipe(Effect.scoped)
  )

  it.effect("encrypts what was stored without it, and leaves none of it on the disk", () =>
    Effect.gen(function* () {
      const directory = yield* folder
      const files = yield* build(Layer.provide(TokenStore.layerFile({ directory }), NodeServices.layer))
      yield* files.replace("key", Option.none(), Redacted.make("{ secret-first }"))
      yield* files.replace("key", some("{ secret-first }"), Redacted.make(secret))
      yield* files.replace("other", Option.none(), Redacted.make(secret))
      const encrypted = yield* over(files)
      assert.deepStrictEqual(text(yield* encrypted.get("key")), Option.some(secret))
      assert.isTrue(yield* encrypted.replace("other", some(secret), Redacted.make(`${secret} again`)))
      assert.deepStrictEqual(text(yield* encrypted.get("other")), Option.some(`${secret} again`))
      const bytes = bytesIn(directory)
      assert.include(bytes, "encrypted:1:")
      assert.notInclude(bytes, "secret")
      assert.deepStrictEqual(text(yield* encrypted.get("key")), Option.some(secret))
    }).pipe(Effect.scoped)
  )

  it.effect("reads also where it cannot encrypt what it read, and says so without it", () =>
    Effect.gen(function* () {
      const plain = yield* TokenStore.makeMemory
      yield* plain.replace("key", Option.none(), Redacted.make(secret))
      const lines: Array<string> = []
      const encrypted = yield* over({
        ...plain,
        replace: () => Effect.fail(new TokenStore.TokenStoreError({ cause: new Error(`read-only: ${secret}`) }))
      })
      const read = yield* encrypted
        .get("key")
        .pipe(
          Effect.provide(
            Logger.layer([Logger.make(({ message }) => void lines.push(inspect(message, { depth: Infinity })))])
          )
        )
      assert.deepStrictEqual(text(read), Option.some(secret))
      assert.include(lines.join("\n"), "The tokens of key could not be encrypted under the current key")
      assert.include(lines.join("\n"), "read-only")
      assert.notInclude(lines.join("\n"), "secret-")
    }).pipe(Effect.scoped)
  )

  it.effect("replaces tokens that another process encrypts again in between", () =>
    Effect.gen(function* () {
      const plain = yield* TokenStore.makeMemory
      const previous = yield* over(plain, { key: keyOf(1) })
      yield* previous.replace("key", Option.none(), Redacted.make("one"))
      const options = { key: keyOf(2), previousKeys: [keyOf(1)] }
      const other = yield* over(plain, options)
      let isFirst = true
      const held = yield* over(
        {
          ...plain,
          replace: (key, current, next) =>
            Effect.andThen(
              Effect.when(
                other.get("key"),
                Effect.sync(() => isFirst && !(isFirst = false))
              ),
              plain.replace(key, current, next)
            )
        },
        options
      )
      assert.isTrue(yield* held.replace("key", some("one"), Redacted.make("two")))
      assert.isFalse(isFirst)
      assert.deepStrictEqual(text(yield* other.get("key")), Option.some("two"))
    }).pipe(Effect.scoped)
  )

  it.effect("is refused without a key of 32 bytes, which it does not repeat", () =>
    Effect.gen(function* () {
      const fails = (options: Options) =>
        Effect.flip(
          Effect.scoped(Layer.build(Layer.provide(TokenStore.layerEncrypted(options), TokenStore.layerMemory)))
        )
      const short = Buffer.alloc(16, 7).toString("base64")
      for (const key of [short, "not base64!", `${Redacted.value(keyOf(1))}AAAA`]) {
        const error = yield* fails({ key: Redacted.make(key) })
        assert.strictEqual(error.message, "option key: expected 32 random bytes in base64: openssl rand -base64 32")
        assert.notInclude(inspect(error, { depth: Infinity, showHidden: true }), key)
      }
      assert.strictEqual((yield* fails({ key: Redacted.make("\n") })).option, "key")
      const previousKeys = [keyOf(2), Redacted.make(short)]
      assert.strictEqual((yield* fails({ key: keyOf(1), previousKeys })).option, "previousKeys[1]")
      // As it is pasted, or as a file has it that `openssl` wrote.
      const plain = yield* TokenStore.makeMemory
      const encrypted = yield* over(plain, { key: Redacted.make(` ${Redacted.value(keyOf(1))} \n`) })
      assert.isTrue(yield* encrypted.replace("key", Option.none(), Redacted.make("text")))
      assert.deepStrictEqual(text(yield* (yield* over(plain)).get("key")), Option.some("text"))
    }).pipe(Effect.scoped)
  )

  it.live("keeps the tokens of OAuth", () =>
    Effect.gen(function* () {
      const plain = yield* TokenStore.makeMemory
      const store = TokenStore.layerEncrypted({ key: keyOf(1) }).pipe(
        Layer.provide(Layer.succeed(TokenStore.TokenStore, plain))
      )
      yield* Effect.gen(function* () {
        yield* connect()
        yield* Conversations.update({ ...ids, starred: true })
        assert.include(yield* stored(), "sandbox-refresh")
      }).pipe(Effect.provide(layerOAuth({ store: Layer.orDie(store) })))
      const raw = yield* rawOf(plain, `sandbox-app:location:${ids.locationId}`)
      assert.match(raw, /^encrypted:1:/)
      assert.notInclude(raw, "sandbox")
    })
  )
})
