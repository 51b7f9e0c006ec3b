import * as NodeRedis from "@effect/platform-node/NodeRedis"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
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

  it.live("is for its owner alone, one file a key, and tells keys apart that differ in case or in dots", () =>
    Effect.gen(function* () {
      const store = yield* TokenStore.TokenStore
      for (const key of ["location:abc", "location:ABC", "..", "a/../b", "."]) {
        yield* store.replace(key, Option.none(), Redacted.make(key))
        yield* store.replace(key, some(key), Redacted.make(`${key} again`))
        assert.strictEqual(statSync(folder(key)).mode & 0o777, 0o700)
        const [file = "", ...others] = readdirSync(folder(key))
        assert.deepStrictEqual(others, [])
        assert.strictEqual(statSync(join(folder(key), file)).mode & 0o777, 0o600)
        assert.strictEqual(readFileSync(join(folder(key), file), "utf8"), `${key} again`)
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
      writeFileSync(join(folder(key), "1"), "one, not removed in time")
      utimesSync(old, 1, 1)
      assert.deepStrictEqual(text(yield* store.get(key)), Option.some("two"))
      assert.isFalse(yield* store.replace(key, some("one, not removed in time"), Redacted.make("three")))
      assert.isTrue(yield* store.replace(key, some("two"), Redacted.make("three")))
      assert.deepStrictEqual(readdirSync(folder(key)).toSorted(), ["3", "fedcba9876543210.new"])
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
