import * as NodeServices from "@effect/platform-node/NodeServices"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Bulk, HighLevelError, Journal, type UpdateConversation } from "effect-highlevel"
import { appendFileSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { applied, call as callFields, clientOf } from "./harness.ts"

// `npm run test:long` makes more of them.
const scale = Number(process.env["SCALE"] ?? 1)

const directory = mkdtempSync(join(tmpdir(), "model-"))
afterAll(() => rmSync(directory, { recursive: true }))
let journals = 0

const between = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

/** A line: of which conversation, what it sets (bits: unread, star), and to what. */
const Line = Schema.Struct({ conversation: between(0, 2), fields: between(1, 3), value: between(0, 9) })
/** A run: which of its calls fail, after how many it is stopped, which lines have other values, how many are new. */
const Run = Schema.Struct({
  failing: Schema.Array(between(0, 12)),
  stopAfter: between(1, 14),
  changes: Schema.Array(Schema.Struct({ at: between(0, 11), value: between(0, 9) })).check(Schema.isMaxLength(2)),
  /** Whether the last update before the end is applied, but its outcome comes nowhere. */
  isKilled: Schema.Boolean,
  isTorn: Schema.Boolean
})
const Job = Schema.Struct({
  lines: Schema.Array(Line).check(Schema.isMinLength(1), Schema.isMaxLength(12)),
  runs: Schema.Array(Run).check(Schema.isMaxLength(4)),
  concurrency: between(1, 4)
})

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

describe("a journal", () => {
  it.effect.prop(
    "leaves the last values of the input, whatever failed, was stopped, torn or changed before",
    [Job],
    ([{ concurrency, lines: first, runs }]) =>
      Effect.gen(function* () {
        const path = join(directory, String(++journals))
        const state: State = new Map()
        const run = (
          lines: ReadonlyArray<typeof Line.Type>,
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
            const journal = yield* Journal.open({ path })
            yield* Stream.runDrain(
              Bulk.updateAll(Stream.fromIterable(lines.map(updateOf)), {
                journal,
                concurrency,
                stop: Deferred.await(stop)
              })
            ).pipe(Effect.provide(service))
          }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))

        let lines = first
        for (const { changes, isTorn, ...how } of runs) {
          // Other values of the same fields: what an input no longer says is not undone.
          lines = lines.map((line, at) => {
            const change = changes.find((change) => change.at === at)
            return change === undefined
              ? line
              : { conversation: line.conversation, fields: line.fields, value: change.value }
          })
          yield* run(lines, how)
          if (isTorn) appendFileSync(path, `{"index":3,"conv`)
        }
        yield* run(lines, { failing: [], isKilled: false, stopAfter: Infinity })
        const expected: State = new Map()
        for (const line of lines) apply(expected, updateOf(line))
        assert.deepStrictEqual(Object.fromEntries([...state].toSorted()), Object.fromEntries([...expected].toSorted()))
      }),
    { timeout: 60_000, arbitrary: { runs: 100 * scale } }
  )
})
