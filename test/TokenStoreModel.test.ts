import * as NodeRedis from "@effect/platform-node/NodeRedis"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Redis from "effect/persistence/Redis"
import { TokenStore } from "effect-highlevel"
import { isMissing, startRedis } from "./redis.ts"
import * as Stores from "./tokenStores.ts"

// `npm run test:long` makes more of them.
const scale = Number(process.env["SCALE"] ?? 1)

let redis: Awaited<ReturnType<typeof startRedis>> | undefined
const port = () => redis?.port ?? 0
beforeAll(async () => {
  if (!isMissing) redis = await startRedis()
})
afterAll(() => redis?.end())

const keys = ["location:abc", "location:ABC", "location:a", "..", "*", "ünï:\\"] as const
const values = ["one", "two", "ünïcode \n\0 three"] as const

const Step = Schema.Struct({
  process: Schema.Literals([0, 1, 2]),
  key: Schema.Literals(keys),
  call: Schema.Literals(["get", "list", "remove", "removeCurrent", "replace", "replace", "replace"]),
  /** What is replaced: what is there, nothing, or a value that may be there or not. */
  current: Schema.Literals(["held", "held", "none", ...values]),
  next: Schema.Literals(values)
})
const Steps = Schema.Array(Step).check(Schema.isMinLength(10), Schema.isMaxLength(40))

/** What the processes ask of one key at the same time. */
const Ask = Schema.Literals(["get", "isListed", "remove", "removeCurrent", "create", "replace", "replace"])
const Asks = Schema.Array(Schema.Array(Ask).check(Schema.isMinLength(2), Schema.isMaxLength(5))).check(
  Schema.isMinLength(3),
  Schema.isMaxLength(3)
)

const stores = [
  ["memory", Stores.memory, false],
  ["files", Stores.files, false],
  ["Redis", Stores.redis(port), isMissing],
  ["memory, encrypted", Stores.encrypted(Stores.memory), false],
  ["files, encrypted", Stores.encrypted(Stores.files), false],
  ["Redis, encrypted", Stores.encrypted(Stores.redis(port)), isMissing]
] as const

for (const [name, open, isSkipped] of stores) {
  describe.skipIf(isSkipped)(`a token store in ${name}`, () => {
    it.effect.prop(
      "does what a Map does, whichever process is asked",
      [Steps],
      ([steps]) =>
        Effect.gen(function* () {
          const stores = yield* open
          const model = new Map<string, string>()
          for (const { call, key, next, process, ...step } of steps) {
            const store = stores[process] ?? assert.fail()
            const held = model.get(key)
            if (call === "get") {
              assert.deepStrictEqual(Stores.text(yield* store.get(key)), Option.fromUndefinedOr(held))
            } else if (call === "list") {
              const listed = yield* Stream.runCollect(store.list)
              assert.deepStrictEqual(listed.toSorted(), [...model.keys()].toSorted())
            } else if (call === "remove") {
              assert.isTrue(yield* store.remove(key))
              model.delete(key)
            } else if (call === "removeCurrent") {
              const current = step.current === "held" ? held : step.current === "none" ? undefined : step.current
              const removed = yield* Stores.perform(store, key, { _tag: "removeCurrent", current })
              assert.strictEqual(removed, current === held)
              if (current === held) model.delete(key)
            } else {
              const current = step.current === "held" ? held : step.current === "none" ? undefined : step.current
              const replaced = yield* store.replace(
                key,
                Option.map(Option.fromUndefinedOr(current), (text) => Redacted.make(text)),
                Redacted.make(next)
              )
              assert.strictEqual(replaced, current === held)
              if (replaced) model.set(key, next)
            }
          }
        }).pipe(Effect.scoped),
      { timeout: 60_000, arbitrary: { runs: 15 * scale } }
    )

    it.effect.prop(
      "does one thing after the other, however many ask at once",
      [Asks],
      ([asks]) =>
        Effect.gen(function* () {
          const stores = yield* open
          const { events, record } = Stores.history()
          let created = 0
          yield* Effect.forEach(
            asks,
            Effect.fnUntraced(function* (asked, process) {
              const store = stores[process] ?? assert.fail()
              // Kept after a removal, too: as if this process had been held up.
              let seen: string | undefined
              for (const ask of asked) {
                if (ask === "create" || ask === "replace") {
                  const next = `text ${++created}`
                  const current = ask === "create" ? undefined : seen
                  if (yield* record(store, "location:one", { _tag: "replace", current, next })) seen = next
                } else {
                  const call: Stores.Call = ask === "removeCurrent" ? { _tag: ask, current: seen } : { _tag: ask }
                  const result = yield* record(store, "location:one", call)
                  if (typeof result === "string") seen = result
                }
              }
            }),
            { concurrency: "unbounded" }
          )
          yield* record(stores[0] ?? assert.fail(), "location:one", { _tag: "get" })
          assert.isTrue(Stores.isSequential(events, undefined), JSON.stringify(events, undefined, 1))
        }).pipe(Effect.scoped),
      { timeout: 60_000, arbitrary: { runs: 30 * scale } }
    )
  })
}

describe("a token store in files", () => {
  /** A store of which one call of the file system, counted from 0, comes after something else. */
  const interrupted = Effect.fnUntraced(function* (directory: string, at: number, before: Effect.Effect<unknown>) {
    const inner = yield* FileSystem.FileSystem
    let calls = 0
    const hooked =
      <Args extends ReadonlyArray<unknown>, A, E, R>(method: (...args: Args) => Effect.Effect<A, E, R>) =>
      (...args: Args) =>
        Effect.suspend(() => (calls++ === at ? Effect.andThen(before, method(...args)) : method(...args)))
    const store = yield* Stores.build(
      TokenStore.layerFile({ directory }).pipe(
        Layer.provide(
          Layer.succeed(FileSystem.FileSystem, {
            ...inner,
            readDirectory: hooked(inner.readDirectory),
            readFileString: hooked(inner.readFileString),
            makeDirectory: hooked(inner.makeDirectory),
            open: hooked(inner.open),
            link: hooked(inner.link),
            rename: hooked(inner.rename),
            remove: hooked(inner.remove),
            stat: hooked(inner.stat)
          })
        ),
        Layer.provide(NodeServices.layer)
      )
    )
    return { store, isOver: () => calls <= at }
  })

  const started = Effect.gen(function* () {
    const directory = yield* Stores.folder
    const store = yield* Stores.build(Layer.provide(TokenStore.layerFile({ directory }), NodeServices.layer))
    yield* store.replace("key", Option.none(), Redacted.make("secret zero"))
    yield* store.replace("key", Stores.some("secret zero"), Redacted.make("secret one"))
    return { directory, store }
  })

  const replaceOne: Stores.Call = { _tag: "replace", current: "secret one", next: "secret two" }
  const calls: ReadonlyArray<Stores.Call> = [
    { _tag: "get" },
    { _tag: "isListed" },
    { _tag: "remove" },
    { _tag: "removeCurrent", current: "secret one" },
    { _tag: "replace", current: undefined, next: "secret three" },
    replaceOne
  ]
  const meanwhile: ReadonlyArray<ReadonlyArray<Stores.Call>> = [
    [{ _tag: "remove" }],
    [{ _tag: "removeCurrent", current: "secret one" }],
    [{ _tag: "replace", current: "secret one", next: "secret four" }],
    [{ _tag: "remove" }, { _tag: "replace", current: undefined, next: "secret five" }],
    [{ _tag: "remove" }, { _tag: "replace", current: undefined, next: "secret one" }],
    [
      { _tag: "replace", current: undefined, next: "secret six" },
      { _tag: "remove" },
      { _tag: "replace", current: undefined, next: "secret seven" },
      { _tag: "remove" }
    ]
  ]

  it.effect(
    "is right whenever a process is held up, and keeps no text but the last one",
    () =>
      Effect.gen(function* () {
        let places = 0
        for (const call of calls) {
          for (const others of meanwhile) {
            for (let at = 0; ; at++) {
              const isOver = yield* Effect.scoped(
                Effect.gen(function* () {
                  const { directory, store } = yield* started
                  const { events, record } = Stores.history()
                  const held = yield* interrupted(
                    directory,
                    at,
                    Effect.forEach(others, (other) => record(store, "key", other))
                  )
                  yield* record(held.store, "key", call)
                  const last = yield* record(store, "key", { _tag: "get" })
                  assert.isTrue(Stores.isSequential(events, "secret one"), JSON.stringify({ at, events }, undefined, 1))
                  const kept = Stores.bytesIn(directory).match(/secret \w+/g) ?? []
                  assert.deepStrictEqual(
                    [...kept],
                    last === undefined ? [] : [String(last)],
                    JSON.stringify({ at, call })
                  )
                  return held.isOver()
                })
              )
              if (isOver) break
              places++
            }
          }
        }
        assert.isAbove(places, 100)
      }).pipe(Effect.provide(NodeServices.layer)),
    60_000
  )

  it.effect(
    "keeps no text after a removal, wherever another process died before it",
    () =>
      Effect.gen(function* () {
        for (const call of [
          replaceOne,
          { _tag: "remove" } as const,
          { _tag: "removeCurrent", current: "secret one" } as const
        ]) {
          for (let at = 0; ; at++) {
            const isOver = yield* Effect.scoped(
              Effect.gen(function* () {
                const { directory, store } = yield* started
                const died = Latch.makeUnsafe()
                const dies = yield* interrupted(directory, at, Effect.andThen(died.open, Effect.never))
                const dying = yield* Effect.forkDetach(Stores.perform(dies.store, "key", call))
                yield* Effect.raceFirst(died.await, Fiber.await(dying))
                const left = yield* Stores.perform(store, "key", { _tag: "get" })
                assert.include(["secret one", "secret two", undefined], left)
                yield* store.remove("key")
                assert.isUndefined(yield* Stores.perform(store, "key", { _tag: "get" }))
                assert.notInclude(Stores.bytesIn(directory), "secret", JSON.stringify({ at, call }))
                return dies.isOver()
              })
            )
            if (isOver) break
          }
        }
      }).pipe(Effect.provide(NodeServices.layer)),
    60_000
  )

  it.effect("has a removal on the disk when it returns", () =>
    Effect.gen(function* () {
      const { directory } = yield* started
      const inner = yield* FileSystem.FileSystem
      const steps: Array<string> = []
      const kindOf = (name: string) => name.slice(directory.length).replace(/^\/6b6579|[0-9a-f]{16}(?=\.new$)/g, "")
      const store = yield* Stores.build(
        TokenStore.layerFile({ directory }).pipe(
          Layer.provide(
            Layer.succeed(FileSystem.FileSystem, {
              ...inner,
              open: (name, options) =>
                Effect.map(inner.open(name, options), (file): FileSystem.File =>
                  Object.create(file, {
                    sync: { value: Effect.tap(file.sync, () => Effect.sync(() => steps.push(`sync ${kindOf(name)}`))) }
                  })
                ),
              link: (from, to) => Effect.tap(inner.link(from, to), () => Effect.sync(() => steps.push("link"))),
              rename: (from, to) => Effect.tap(inner.rename(from, to), () => Effect.sync(() => steps.push("rename")))
            })
          ),
          Layer.provide(NodeServices.layer)
        )
      )
      yield* store.remove("key")
      const removed = ["sync /.new", "link", "sync ", "sync /2.empty", "rename", "sync "]
      assert.deepStrictEqual(
        steps.map((step) => step.replace("//", "/")),
        removed
      )
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.effect("lists no folder that is not its own", () =>
    Effect.gen(function* () {
      const { directory, store } = yield* started
      const fileSystem = yield* FileSystem.FileSystem
      for (const name of ["lost+found", "6B6579", "6b657", "ff"])
        yield* fileSystem.makeDirectory(`${directory}/${name}`)
      yield* fileSystem.writeFileString(`${directory}/.DS_Store`, "")
      assert.deepStrictEqual(yield* Stream.runCollect(store.list), ["key"])
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})

describe.skipIf(isMissing)("a token store in Redis", () => {
  it.live("lists all of many keys, each once, and none of another prefix", () =>
    Effect.gen(function* () {
      const layer = NodeRedis.layer({ socket: { host: "127.0.0.1", port: port() } })
      const prefix = "[ab]*?\\:"
      const store = yield* Stores.build(Layer.provide(TokenStore.layerRedis({ prefix }), layer))
      const written = Array.from({ length: 2500 }, (_, index) => `location:${index}`)
      yield* Effect.forEach(written, (key) => store.replace(key, Option.none(), Redacted.make("text")), {
        concurrency: "unbounded"
      })
      const connection = Context.get(yield* Layer.build(layer), Redis.Redis)
      for (const key of ["a*?\\:other", "[ab]xyz\\:other", "axy\\:other", "[ab]*?:other"]) {
        yield* connection.send("SET", key, "text")
      }
      assert.deepStrictEqual((yield* Stream.runCollect(store.list)).toSorted(), written.toSorted())
    }).pipe(Effect.scoped)
  )

  it.live("has removed what it says it has, also after it was killed", () =>
    Effect.gen(function* () {
      const durable = yield* Effect.acquireRelease(
        Effect.promise(() => startRedis({ isDurable: true })),
        (redis) => Effect.promise(() => redis.end())
      )
      const layer = Layer.provide(
        TokenStore.layerRedis(),
        NodeRedis.layer({ socket: { host: "127.0.0.1", port: durable.port, reconnectStrategy: false } })
      )
      yield* Effect.provide(
        TokenStore.TokenStore.use((store) =>
          Effect.andThen(
            Effect.forEach(["kept", "removed"], (key) => store.replace(key, Option.none(), Redacted.make("text"))),
            store.remove("removed")
          )
        ),
        layer
      )
      yield* Effect.promise(() => durable.stop())
      yield* Effect.promise(() => durable.start())
      const listed = Effect.provide(
        TokenStore.TokenStore.use((store) => Stream.runCollect(store.list)),
        Layer.fresh(layer)
      )
      assert.deepStrictEqual(yield* listed, ["kept"])
    }).pipe(Effect.scoped)
  )
})
