import * as NodeRedis from "@effect/platform-node/NodeRedis"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { TokenStore } from "effect-highlevel"
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { isMissing, startRedis } from "./redis.ts"

const some = (text: string) => Option.some(Redacted.make(text))
const text = Option.map<Redacted.Redacted, string>(Redacted.value)

const directory = mkdtempSync(join(tmpdir(), "tokens-"))
afterAll(() => rmSync(directory, { recursive: true }))
const layerFile = Layer.provide(TokenStore.layerFile({ directory: join(directory, "inner") }), NodeServices.layer)

let redis: Awaited<ReturnType<typeof startRedis>> | undefined
const layerRedis = Layer.unwrap(
  Effect.sync(() =>
    Layer.provide(
      TokenStore.layerRedis({ prefix: "test:" }),
      NodeRedis.layer({ socket: { host: "127.0.0.1", port: redis?.port ?? 0 } })
    )
  )
)

let keys = 0

describe.each([
  ["memory", TokenStore.layerMemory, false],
  ["files", layerFile, false],
  ["Redis", layerRedis, isMissing]
] as const)("a token store in %s", (name, layer, isSkipped) => {
  if (name === "Redis" && !isSkipped) {
    beforeAll(async () => {
      redis = await startRedis()
    })
    afterAll(() => redis?.end())
  }

  it.live.skipIf(isSkipped)("replaces only what it is told is there", () =>
    Effect.gen(function* () {
      const store = yield* TokenStore.TokenStore
      const key = `location:${++keys}`
      assert.deepStrictEqual(yield* store.get(key), Option.none())
      assert.isFalse(yield* store.replace(key, some("one"), Redacted.make("two")))
      assert.deepStrictEqual(yield* store.get(key), Option.none())
      assert.isTrue(yield* store.replace(key, Option.none(), Redacted.make("one")))
      assert.isFalse(yield* store.replace(key, Option.none(), Redacted.make("two")))
      assert.isFalse(yield* store.replace(key, some("other"), Redacted.make("two")))
      assert.deepStrictEqual(text(yield* store.get(key)), Option.some("one"))
      assert.isTrue(yield* store.replace(key, some("one"), Redacted.make("ünïcode \n\0 two")))
      assert.deepStrictEqual(text(yield* store.get(key)), Option.some("ünïcode \n\0 two"))
      assert.deepStrictEqual(yield* store.get(`${key}0`), Option.none())
    }).pipe(Effect.provide(layer))
  )

  it.live.skipIf(isSkipped)("lets one of many win, each time", () =>
    Effect.gen(function* () {
      const store = yield* TokenStore.TokenStore
      const key = `location:${++keys}`
      let current = Option.none<Redacted.Redacted>()
      for (let round = 0; round < 20; round++) {
        const candidates = Array.from({ length: 8 }, (_, index) => `round ${round}, ${index}`)
        const wins = yield* Effect.forEach(
          candidates,
          (candidate) => store.replace(key, current, Redacted.make(candidate)),
          { concurrency: "unbounded" }
        )
        const winners = candidates.filter((_, index) => wins[index])
        assert.strictEqual(winners.length, 1, `${winners}`)
        current = yield* store.get(key)
        assert.deepStrictEqual(text(current), Option.some(winners[0]))
      }
    }).pipe(Effect.provide(layer))
  )

  it.live.skipIf(isSkipped)("loses no step of many that go on from what they read", () =>
    Effect.gen(function* () {
      const store = yield* TokenStore.TokenStore
      const key = `location:${++keys}`
      const step = Effect.gen(function* () {
        while (true) {
          const current = yield* store.get(key)
          const next = Number(Option.getOrElse(text(current), () => "0")) + 1
          if (yield* store.replace(key, current, Redacted.make(String(next)))) return
        }
      })
      yield* Effect.all(
        Array.from({ length: 50 }, () => step),
        { concurrency: 5 }
      )
      assert.deepStrictEqual(text(yield* store.get(key)), Option.some("50"))
    }).pipe(Effect.provide(layer))
  )
})

describe("a token store in files", () => {
  const folder = (key: string) => join(directory, "inner", Buffer.from(key).toString("hex"))

  it.live("is for its owner alone, and tells keys apart that differ in case or in dots", () =>
    Effect.gen(function* () {
      const store = yield* TokenStore.TokenStore
      for (const key of ["location:abc", "location:ABC", "..", "a/../b", "."]) {
        yield* store.replace(key, Option.none(), Redacted.make(key))
        yield* store.replace(key, some(key), Redacted.make(`${key} again`))
        assert.strictEqual(statSync(folder(key)).mode & 0o777, 0o700)
        assert.deepStrictEqual(readdirSync(folder(key)).toSorted(), ["1", "2"])
        for (const file of ["1", "2"]) assert.strictEqual(statSync(join(folder(key), file)).mode & 0o777, 0o600)
        assert.strictEqual(readFileSync(join(folder(key), "2"), "utf8"), `${key} again`)
      }
      assert.strictEqual(statSync(join(directory, "inner")).mode & 0o777, 0o700)
    }).pipe(Effect.provide(layerFile))
  )

  it.live("is not confused by what a crash left, and clears it away in time", () =>
    Effect.gen(function* () {
      const store = yield* TokenStore.TokenStore
      const key = "location:crashed"
      yield* store.replace(key, Option.none(), Redacted.make("one"))
      yield* store.replace(key, some("one"), Redacted.make("two"))
      const old = join(folder(key), "0123456789abcdef.new")
      const young = join(folder(key), "fedcba9876543210.new")
      writeFileSync(old, "half a fi")
      writeFileSync(young, "somebody is writing this")
      utimesSync(old, 1, 1)
      assert.deepStrictEqual(text(yield* store.get(key)), Option.some("two"))
      assert.isFalse(yield* store.replace(key, some("one"), Redacted.make("three")))
      assert.isTrue(yield* store.replace(key, some("two"), Redacted.make("three")))
      assert.deepStrictEqual(readdirSync(folder(key)).toSorted(), ["1", "2", "3", "fedcba9876543210.new"])
    }).pipe(Effect.provide(layerFile))
  )

  it.live("keeps the last values for those who are held up, and no more", () =>
    Effect.gen(function* () {
      const store = yield* TokenStore.TokenStore
      const key = "location:many"
      let current = Option.none<Redacted.Redacted>()
      for (let number = 1; number <= 40; number++) {
        assert.isTrue(yield* store.replace(key, current, Redacted.make(String(number))))
        current = some(String(number))
      }
      assert.strictEqual(readdirSync(folder(key)).length, 16)
      assert.deepStrictEqual(text(yield* store.get(key)), Option.some("40"))
    }).pipe(Effect.provide(layerFile))
  )

  it.live("does not take a number that is long gone for the next one", () =>
    Effect.gen(function* () {
      const store = yield* TokenStore.TokenStore
      const key = "location:behind"
      const inner = yield* FileSystem.FileSystem
      yield* store.replace(key, Option.none(), Redacted.make("1"))
      // Held up between reading and linking, for as long as others need to write twenty values.
      let isFirst = true
      const slow = FileSystem.FileSystem.of({
        ...inner,
        link: (from, to) =>
          Effect.gen(function* () {
            if (isFirst) {
              isFirst = false
              for (let number = 1; number <= 20; number++) {
                assert.isTrue(
                  yield* Effect.orDie(store.replace(key, some(String(number)), Redacted.make(String(number + 1))))
                )
              }
            }
            return yield* inner.link(from, to)
          })
      })
      const behind = yield* Layer.build(
        TokenStore.layerFile({ directory: join(directory, "inner") }).pipe(
          Layer.provide(Layer.succeed(FileSystem.FileSystem, slow)),
          Layer.provide(NodeServices.layer)
        )
      )
      const late = Context.get(behind, TokenStore.TokenStore)
      assert.isFalse(yield* late.replace(key, some("1"), Redacted.make("late")))
      assert.deepStrictEqual(text(yield* store.get(key)), Option.some("21"))
      assert.notInclude(readdirSync(folder(key)), "2")
    }).pipe(Effect.scoped, Effect.provide(Layer.merge(layerFile, NodeServices.layer)))
  )

  it.live("that cannot be read is an error, and not a store without tokens", () =>
    Effect.gen(function* () {
      const store = yield* TokenStore.TokenStore
      yield* store.replace("location:readable", Option.none(), Redacted.make("one"))
      // A file in the place of a folder: any other error than a missing one.
      writeFileSync(folder("location:unreadable"), "")
      assert.strictEqual((yield* Effect.flip(store.get("location:unreadable")))._tag, "TokenStoreError")
      assert.strictEqual((yield* Effect.flip(store.remove("location:unreadable")))._tag, "TokenStoreError")
      rmSync(folder("location:unreadable"))
    }).pipe(Effect.provide(layerFile))
  )

  it.live("that cannot be written says so", () =>
    Effect.gen(function* () {
      writeFileSync(join(directory, "file"), "")
      const error = yield* Effect.flip(
        TokenStore.TokenStore.use((store) => store.replace("key", Option.none(), Redacted.make("secret"))).pipe(
          Effect.provide(
            Layer.provide(TokenStore.layerFile({ directory: join(directory, "file") }), NodeServices.layer)
          )
        )
      )
      assert.strictEqual(error._tag, "TokenStoreError")
      assert.notInclude(String(error.cause), "secret")
    })
  )
})
