import * as NodeRedis from "@effect/platform-node/NodeRedis"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as KeyValueStore from "effect/persistence/KeyValueStore"
import * as Redis from "effect/persistence/Redis"
import { Bulk, HighLevelError, Journal, type UpdateConversation } from "effect-highlevel"
import { appendFileSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { applied, call as callFields, clientOf } from "./harness.ts"
import { isMissing, startRedis } from "./redis.ts"

// `npm run test:long` makes more of them.
const scale = Number(process.env["SCALE"] ?? 1)

const directory = mkdtempSync(join(tmpdir(), "model-"))
afterAll(() => rmSync(directory, { recursive: true }))
let journals = 0

const between = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

/** A line: of which conversation, what it sets (bits: unread, star), and to what. */
const Line = Schema.Struct({ conversation: between(0, 2), fields: between(1, 3), value: between(0, 1) })
/** What is done to the input between two runs. */
const Edit = Schema.Union([
  Schema.Struct({ edit: Schema.Literal("change"), at: between(0, 5), value: between(0, 1) }),
  Schema.Struct({ edit: Schema.Literals(["sort", "reverse", "duplicate", "take back"]) }),
  Schema.Struct({ edit: Schema.Literals(["cut the top", "cut the end"]), count: between(1, 4) }),
  Schema.Struct({
    edit: Schema.Literals(["extend on top", "extend"]),
    lines: Schema.Array(Line).check(Schema.isMaxLength(3))
  })
])
/** A run: what its input is, which of its calls fail, after how many it is stopped. */
const Run = Schema.Struct({
  edits: Schema.Array(Edit).check(Schema.isMaxLength(2)),
  failing: Schema.Array(between(0, 12)),
  stopAfter: between(1, 14),
  /** Whether the last update before the end is applied, but its outcome comes nowhere. */
  isKilled: Schema.Boolean,
  isTorn: Schema.Boolean
})
const Job = Schema.Struct({
  lines: Schema.Array(Line).check(Schema.isMinLength(1), Schema.isMaxLength(12)),
  runs: Schema.Array(Run).check(Schema.isMaxLength(4)),
  last: Schema.Array(Edit).check(Schema.isMaxLength(2)),
  concurrency: between(1, 4)
})

type Lines = ReadonlyArray<typeof Line.Type>

const keyOf = ({ conversation, fields, value }: typeof Line.Type) => conversation * 100 + fields * 10 + value

const edited = (lines: Lines, edit: typeof Edit.Type, before: Lines): Lines => {
  switch (edit.edit) {
    case "take back":
      return before
    case "change":
      return lines.map((line, at) => (at === edit.at ? { ...line, value: edit.value } : line))
    case "sort":
      return lines.toSorted((one, other) => keyOf(one) - keyOf(other))
    case "reverse":
      return lines.toReversed()
    case "duplicate":
      return [...lines, ...lines]
    case "cut the top":
      return lines.slice(edit.count)
    case "cut the end":
      return lines.slice(0, -edit.count)
    case "extend on top":
      return [...edit.lines, ...lines]
    case "extend":
      return [...lines, ...edit.lines]
  }
}

const updateOf = ({ conversation, fields, value }: typeof Line.Type): UpdateConversation.ConversationUpdate => ({
  conversationId: `c${conversation}`,
  locationId: "location",
  ...((fields & 1) === 0 ? {} : { unreadCount: value }),
  ...((fields & 2) === 0 ? {} : { starred: value % 2 === 0 })
})

type State = Map<string, { unreadCount?: number; starred?: boolean }>

const apply = (state: State, { conversationId, starred, unreadCount }: UpdateConversation.ConversationUpdate) =>
  state.set(conversationId, {
    ...state.get(conversationId),
    ...(unreadCount === undefined ? {} : { unreadCount }),
    ...(starred === undefined ? {} : { starred })
  })

let redis: Awaited<ReturnType<typeof startRedis>> | undefined
beforeAll(async () => {
  if (!isMissing) redis = await startRedis()
})
afterAll(() => redis?.end())

/** A store in Redis that nobody has used. */
const layerInRedis = Layer.effect(
  KeyValueStore.KeyValueStore,
  Effect.gen(function* () {
    const { send } = yield* Redis.Redis
    const prefix = `journal-${journals}:`
    const run = <A>(method: string, command: string, ...args: ReadonlyArray<string>) =>
      Effect.mapError(
        send<A>(command, ...args),
        (cause) => new KeyValueStore.KeyValueStoreError({ message: cause.message, method, cause })
      )
    const keys = run<Array<string>>("keys", "KEYS", `${prefix}*`)
    return KeyValueStore.makeStringOnly({
      get: (key) => Effect.map(run<string | null>("get", "GET", prefix + key), (text) => text ?? undefined),
      set: (key, value) => run("set", "SET", prefix + key, value),
      remove: (key) => run("remove", "DEL", prefix + key),
      clear: run("clear", "FLUSHALL"),
      size: Effect.map(keys, ({ length }) => length),
      keys
    })
  })
).pipe(
  Layer.provide(
    Layer.unwrap(Effect.sync(() => NodeRedis.layer({ socket: { host: "127.0.0.1", port: redis?.port ?? 0 } })))
  )
)

const openFile = (path: string) => Journal.open({ path })
const fromStore = () => Journal.fromKeyValueStore
const inFile = "in a file"

describe.each([
  [inFile, openFile, KeyValueStore.layerMemory],
  ["in a KeyValueStore in memory", fromStore, KeyValueStore.layerMemory],
  ...(isMissing ? [] : [["in a KeyValueStore in Redis", fromStore, layerInRedis] as const])
] as const)("a journal %s", (name, open, layerStore) => {
  it.effect.prop(
    "leaves the last values of the input, whatever failed, was stopped, killed, torn or edited before",
    [Job],
    ([{ concurrency, last, lines: first, runs }]) =>
      Effect.gen(function* () {
        const path = join(directory, String(++journals))
        const state: State = new Map()
        const run = (
          lines: Lines,
          { failing, isKilled, stopAfter }: Pick<typeof Run.Type, "failing" | "isKilled" | "stopAfter">
        ) =>
          Effect.gen(function* () {
            const stop = yield* Deferred.make<void>()
            let calls = 0
            const service = clientOf((update) =>
              Effect.suspend(() => {
                const call = calls++
                if (call >= stopAfter) return Effect.interruptible(Effect.never)
                return Effect.gen(function* () {
                  yield* Effect.yieldNow
                  if (!failing.includes(call)) apply(state, update)
                  if (call === stopAfter - 1) {
                    yield* Deferred.succeed(stop, undefined)
                    if (isKilled) return yield* Effect.interruptible(Effect.never)
                  }
                  if (failing.includes(call)) {
                    return yield* new HighLevelError.TransportFailure({ ...callFields, cause: "no" })
                  }
                  return applied
                })
              })
            )
            yield* Effect.gen(function* () {
              const journal = yield* open(path)
              yield* Stream.runDrain(
                Bulk.updateAll(Stream.fromIterable(lines.map(updateOf)), {
                  journal,
                  concurrency,
                  stop: Deferred.await(stop)
                })
              )
            }).pipe(Effect.scoped, Effect.provide(service))
          })

        let lines: Lines = first
        let before: Lines = first
        const editedBy = (edits: ReadonlyArray<typeof Edit.Type>) => {
          const current = lines
          lines = edits.reduce((all, edit) => edited(all, edit, before), lines)
          before = current
        }
        for (const { edits, isTorn, ...how } of runs) {
          editedBy(edits)
          yield* run(lines, how)
          if (isTorn && name === inFile) appendFileSync(path, `{"outcome":"Applied","upd`)
        }
        editedBy(last)
        yield* run(lines, { failing: [], isKilled: false, stopAfter: Infinity })
        const expected: State = new Map()
        for (const line of lines) apply(expected, updateOf(line))
        // What the input no longer says is not undone.
        for (const [conversation, fields] of expected) assert.deepInclude(state.get(conversation), fields)
      }).pipe(Effect.provide([NodeServices.layer, layerStore])),
    { timeout: 60_000 + 2000 * scale, arbitrary: { runs: 100 * scale } }
  )
})
