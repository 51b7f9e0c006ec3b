import * as NodeServices from "@effect/platform-node/NodeServices"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as PlatformError from "effect/PlatformError"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as KeyValueStore from "effect/persistence/KeyValueStore"
import * as TestClock from "effect/testing/TestClock"
import { Bulk, HighLevelClient, Journal, type UpdateConversation } from "effect-highlevel"
import { Sandbox } from "effect-highlevel/testing"
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { inMemory, settle } from "./harness.ts"

const directory = mkdtempSync(join(tmpdir(), "journal-"))
afterAll(() => rmSync(directory, { recursive: true }))
let journals = 0
const newPath = () => join(directory, `journal-${++journals}.ndjson`)

const ids = (id: number) => ({ conversationId: `c${id}`, locationId: "location" })
const read = (id: number, unreadCount = 0) => ({ ...ids(id), unreadCount })

const layer = Layer.mergeAll(
  inMemory({
    conversations: Array.from({ length: 200 }, (_, index) => ({
      id: `c${index}`,
      locationId: "location",
      unreadCount: 9
    })),
    rateLimit: { max: 1_000_000, daily: 10_000_000 }
  }),
  NodeServices.layer
)

const runOver = <E, R>(
  open: Effect.Effect<Journal.Journal, E, R>,
  updates: ReadonlyArray<UpdateConversation.ConversationUpdate>
) =>
  Effect.gen(function* () {
    const journal = yield* open
    const rows = Stream.fromIterable(updates.map((update, index) => ({ ...update, index })))
    const outcomes = yield* Stream.runCollect(Bulk.updateAll(rows, { journal }))
    return outcomes.toSorted((one, other) => one.row.index - other.row.index).map(({ _tag }) => _tag)
  }).pipe(Effect.scoped)

/** What came of each update, in their order. */
const runWith = (path: string, updates: ReadonlyArray<UpdateConversation.ConversationUpdate>) =>
  runOver(Journal.open({ path }), updates)

const counts = (tags: ReadonlyArray<string>) => ({
  sent: tags.filter((tag) => tag === "Applied").length,
  skipped: tags.filter((tag) => tag === "Skipped").length
})

describe("a journal", () => {
  const first = Array.from({ length: 200 }, (_, index) => read(index))
  it.effect.each([
    ["the same", first, { sent: 0, skipped: 200 }],
    ["sorted the other way round", first.toReversed(), { sent: 0, skipped: 200 }],
    ["cut on top and at its end", first.slice(20, 150), { sent: 0, skipped: 130 }],
    ["extended on top", [{ ...ids(0), starred: true }, ...first], { sent: 1, skipped: 200 }],
    ["extended", [...first, { ...ids(7), starred: true }], { sent: 1, skipped: 200 }],
    ["duplicated", [...first, ...first], { sent: 0, skipped: 400 }],
    ["changed in one line", first.with(5, read(5, 3)), { sent: 1, skipped: 199 }],
    ["of another query", [read(3), read(900), read(4)], { sent: 0, skipped: 2 }],
    ["of one conversation, to and fro", [read(1), read(1, 5), read(1)], { sent: 2, skipped: 1 }]
  ] as const)("of a finished job, run with an input that is %s", ([, second, expected]) =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const path = newPath()
      yield* runWith(path, first)
      assert.deepStrictEqual(counts(yield* runWith(path, second)), expected)
      const last = new Map(
        second.map((update: UpdateConversation.ConversationUpdate) => [update.conversationId, update])
      )
      for (const { conversationId, unreadCount } of last.values()) {
        const stored = yield* sandbox.conversation(conversationId)
        if (Option.isSome(stored) && unreadCount !== undefined) {
          assert.strictEqual(stored.value.unreadCount, unreadCount)
        }
      }
    }).pipe(Effect.provide(layer))
  )

  it.effect("knows within a run what it has set", () =>
    Effect.gen(function* () {
      const inputs = [read(0), read(1), read(0), read(0, 3), read(0)]
      const expected = ["Applied", "Applied", "Skipped", "Applied", "Applied"]
      assert.deepStrictEqual(yield* runWith(newPath(), inputs), expected)
    }).pipe(Effect.provide(layer))
  )

  it.effect("is for its owner alone, and has a line for each outcome before it is reported", () =>
    Effect.gen(function* () {
      const path = newPath()
      const journal = yield* Journal.open({ path })
      yield* Stream.runForEach(
        Bulk.updateAll(Stream.fromIterable([read(0), { ...read(1), starred: true }, read(900)]), { journal }),
        ({ _tag, update }) =>
          Effect.sync(() => {
            const lines = readFileSync(path, "utf8").split("\n").slice(1, -1)
            const entry = lines
              .map((text) => JSON.parse(text))
              .find((one) => one.update.conversationId === update.conversationId)
            assert.deepInclude(entry, { outcome: _tag, update, attempts: 1 })
            assert.strictEqual(entry.error, _tag === "Failed" ? "BadRequest" : undefined)
          })
      )
      assert.strictEqual(statSync(path).mode & 0o777, 0o600)
      assert.deepStrictEqual(JSON.parse(readFileSync(path, "utf8").split("\n")[0] ?? ""), {
        journal: 1,
        server: HighLevelClient.defaultBaseUrl
      })
    }).pipe(Effect.scoped, Effect.provide(layer))
  )

  it.effect("has what failed sent again, and what comes after it in the conversation", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const path = newPath()
      const inputs = [read(0, 5), { ...ids(0), starred: true }, read(1)]
      yield* sandbox.refuse({ status: 422, conversationId: "c0" })
      assert.deepStrictEqual(yield* runWith(path, inputs), ["Failed", "Applied", "Applied"])
      assert.deepStrictEqual(yield* runWith(path, inputs), ["Applied", "Skipped", "Skipped"])
      assert.deepStrictEqual(yield* runWith(path, inputs), ["Skipped", "Skipped", "Skipped"])
    }).pipe(Effect.provide(layer))
  )

  it.effect("does not trust a value that was being changed when the process died", () =>
    Effect.gen(function* () {
      const path = newPath()
      yield* runWith(path, [read(0)])
      const journal = yield* Journal.open({ path })
      yield* journal.begin(read(0, 7))
      // Killed here: whether it is 7 now is not known.
      const copy = newPath()
      writeFileSync(copy, readFileSync(path))
      assert.deepStrictEqual(yield* runWith(copy, [read(0)]), ["Applied"])
    }).pipe(Effect.scoped, Effect.provide(layer))
  )

  it.effect("repairs a last line that was torn anywhere, its first one too", () =>
    Effect.gen(function* () {
      const path = newPath()
      const inputs = [read(0), { ...read(1), feedback: { note: "zwölf €" } }]
      yield* runWith(path, inputs.slice(0, 1))
      const whole = readFileSync(path)
      yield* runWith(path, inputs)
      const all = readFileSync(path)
      for (const cut of [whole.length + 1, whole.length + 20, all.length - 2, all.length - 1]) {
        writeFileSync(path, all.subarray(0, cut))
        assert.deepStrictEqual(yield* runWith(path, inputs), ["Skipped", "Applied"])
        const lines = readFileSync(path, "utf8").split("\n")
        assert.strictEqual(lines.length, 4)
        lines.slice(0, -1).forEach((line) => JSON.parse(line))
      }
      for (const cut of [0, 1, 15]) {
        writeFileSync(path, all.subarray(0, cut))
        assert.deepStrictEqual(yield* runWith(path, inputs), ["Applied", "Applied"])
        assert.strictEqual(readFileSync(path, "utf8").split("\n").length, 4)
      }
    }).pipe(Effect.provide(layer))
  )

  it.effect("that is something else is not written to, and the line is named", () =>
    Effect.gen(function* () {
      const path = newPath()
      yield* runWith(path, [read(0)])
      const written = readFileSync(path, "utf8")
      for (const [foreign, line] of [
        [`${written}id,unread\n1,2\n`, 3],
        [`{"my":"config"}`, 1],
        ["an id", 1],
        ["[", 1],
        ["id\n", 1]
      ] as const) {
        writeFileSync(path, foreign)
        const error = yield* Effect.flip(runWith(path, [read(0)]))
        assert(error._tag === "JournalError")
        assert.deepInclude(error, { reason: "NotAJournal", path, line })
        assert.strictEqual(
          error.message,
          `${path} is not a journal: line ${line} is not a valid entry. Nothing was sent`
        )
        assert.strictEqual(readFileSync(path, "utf8"), foreign)
      }
    }).pipe(Effect.provide(layer))
  )

  it.effect("is not begun, and no file is left, where a file cannot be", () =>
    Effect.gen(function* () {
      for (const [path, problem] of [
        [directory, "it is a folder"],
        ["/dev/null", "it is not a file"],
        [join(directory, "missing", "journal"), "there is no such file or folder"]
      ] as const) {
        const error = yield* Effect.flip(runWith(path, []))
        assert.deepInclude(error, { _tag: "JournalError", reason: "Unavailable", path })
        assert.strictEqual(error.message, `The journal ${path} cannot be read or written: ${problem}`)
      }
    }).pipe(Effect.provide(layer))
  )

  it.effect("creates no lock beside what is something else by its first bytes", () =>
    Effect.gen(function* () {
      const fileSystem = yield* FileSystem.FileSystem
      const written: Array<string> = []
      const recording = Layer.succeed(FileSystem.FileSystem, {
        ...fileSystem,
        writeFileString: (path, ...rest) => {
          written.push(path)
          return fileSystem.writeFileString(path, ...rest)
        }
      })
      const foreign = newPath()
      writeFileSync(foreign, "id,unread\n1,2\n")
      for (const path of [foreign, directory, "/dev/null"]) {
        yield* Effect.flip(Effect.provide(runWith(path, []), recording))
      }
      assert.deepStrictEqual(written, [])
      const path = newPath()
      yield* Effect.provide(runWith(path, []), recording)
      assert.deepStrictEqual(written, [`${path}.lock`])
    }).pipe(Effect.provide(layer))
  )

  it.effect("leaves it to the client to refuse feedback that is too deep for JSON", () =>
    Effect.gen(function* () {
      let feedback: Schema.JsonObject = {}
      for (let depth = 0; depth < 20_000; depth++) feedback = { feedback }
      // Node 26 and Deno can write it.
      const isWritable = Result.isSuccess(Result.try(() => JSON.stringify(feedback)))
      const expected = ["Applied", isWritable ? "Applied" : "Failed", "Applied"]
      const inputs = [{ ...ids(0), feedback: { rating: "good" } }, { ...ids(0), feedback }, read(0)]
      assert.deepStrictEqual(yield* runWith(newPath(), inputs), expected)
      assert.deepStrictEqual(
        yield* Effect.provide(runOver(Journal.fromKeyValueStore, inputs), KeyValueStore.layerMemory),
        expected
      )
    }).pipe(Effect.provide(layer))
  )

  it.effect("ends with an error that names the field if it is given what JSON cannot write", () =>
    Effect.gen(function* () {
      const journal = yield* Journal.open({ path: newPath() })
      const update = { ...ids(0), feedback: { stars: 5n } as never }
      const error = yield* Effect.flip(
        journal.end({ _tag: "Applied", row: 1, update, attempts: 1, response: Option.none() })
      )
      assert.deepInclude(error, { _tag: "JournalError", reason: "Unavailable" })
      assert.include(error.message, `Expected JSON value\n  at ["update"]["feedback"]["stars"]`)
      // It is not half a line: the journal is still used.
      yield* journal.end({ _tag: "Applied", row: 1, update: read(0), attempts: 1, response: Option.none() })
      assert.isTrue(yield* journal.isApplied(read(0)))
    }).pipe(Effect.scoped, Effect.provide(layer))
  )

  it.effect("of another server is refused", () =>
    Effect.gen(function* () {
      const path = newPath()
      yield* runWith(path, [read(0)])
      writeFileSync(path, readFileSync(path, "utf8").replace("services.leadconnectorhq.com", "sandbox.example"))
      const error = yield* Effect.flip(runWith(path, [read(0)]))
      assert(error._tag === "JournalError")
      assert.deepInclude(error, { reason: "OtherServer", path })
      assert.strictEqual(
        error.message,
        `The journal ${path} is of https://sandbox.example, and this job is for ${HighLevelClient.defaultBaseUrl}. Nothing was sent`
      )
    }).pipe(Effect.provide(layer))
  )

  it.effect("that another run uses is refused, and the run is named; one that was killed lets go", () =>
    Effect.gen(function* () {
      const path = newPath()
      const journal = yield* Effect.forkChild(
        Effect.scoped(Effect.andThen(Journal.open({ path, owner: "process 7 on web-1" }), Effect.never))
      )
      yield* Effect.promise(async () => {
        while (!existsSync(`${path}.lock`)) await new Promise((resolve) => setImmediate(resolve))
      })
      const second = yield* Effect.forkChild(Effect.flip(runWith(path, [])))
      while (second.pollUnsafe() === undefined) {
        yield* TestClock.withLive(Effect.sleep("2 millis"))
        yield* TestClock.adjust("100 millis")
      }
      const error = yield* Fiber.join(second)
      assert(error._tag === "JournalError")
      assert.deepInclude(error, { reason: "InUse", path })
      assert.match(error.message, / is in use by process 7 on web-1, since 1970-01-01T[\d:.]+Z$/)
      // As a kill leaves it.
      const lock = readFileSync(`${path}.lock`)
      yield* Fiber.interrupt(journal)
      assert.isFalse(existsSync(`${path}.lock`))
      writeFileSync(`${path}.lock`, lock)
      const third = yield* Effect.forkChild(runWith(path, [read(0)]))
      while (third.pollUnsafe() === undefined) {
        yield* TestClock.withLive(Effect.sleep("2 millis"))
        yield* TestClock.adjust("100 millis")
      }
      assert.deepStrictEqual(yield* Fiber.join(third), ["Applied"])
      assert.isFalse(existsSync(`${path}.lock`))
    }).pipe(Effect.provide(layer))
  )

  it.effect("that is taken over by another run is not written to any more", () =>
    Effect.gen(function* () {
      const path = newPath()
      const journal = yield* Journal.open({ path })
      writeFileSync(`${path}.lock`, "process 8 on web-2\n")
      yield* TestClock.adjust("1 second")
      yield* TestClock.withLive(Effect.sleep("20 millis"))
      const error = yield* Effect.flip(
        journal.end({ _tag: "Applied", row: 1, update: read(0), attempts: 1, response: Option.none() })
      )
      assert.deepStrictEqual([error.reason, error.message.includes("process 8 on web-2")], ["InUse", true])
      // Nothing more is sent.
      assert.strictEqual(yield* Effect.flip(journal.begin(read(1))), error)
      rmSync(`${path}.lock`)
    }).pipe(Effect.scoped, Effect.provide(layer))
  )

  it.effect("that cannot be written ends the job with its error, in words", () =>
    Effect.gen(function* () {
      const full = PlatformError.systemError({
        _tag: "Unknown",
        module: "FileSystem",
        method: "write",
        cause: Object.assign(new Error("ENOSPC"), { code: "ENOSPC" })
      })
      const fileSystem = yield* FileSystem.FileSystem
      let writes = 0
      const failing = Layer.succeed(FileSystem.FileSystem, {
        ...fileSystem,
        open: (...args) =>
          Effect.map(fileSystem.open(...args), (file) => ({
            ...file,
            sync: file.sync,
            writeAll: (bytes: Uint8Array) => (++writes > 2 ? Effect.fail(full) : file.writeAll(bytes))
          }))
      })
      const path = newPath()
      const error = yield* Effect.flip(Effect.provide(runWith(path, [read(0), read(1), read(2)]), failing))
      assert(error._tag === "JournalError")
      assert.include(error.message, "no space is left on the disk")
    }).pipe(Effect.provide(layer))
  )

  it.effect("takes many lines with few syncs, none of them torn", () =>
    Effect.gen(function* () {
      const path = newPath()
      const updates = Array.from({ length: 3000 }, (_, index) => ({ ...read(index), starred: index % 2 === 0 }))
      yield* Effect.scoped(
        Effect.gen(function* () {
          const journal = yield* Journal.open({ path })
          yield* Effect.forEach(
            updates,
            (update) => journal.end({ _tag: "Applied", row: update, update, attempts: 1, response: Option.none() }),
            { concurrency: "unbounded", discard: true }
          )
        })
      )
      const again = yield* Journal.open({ path })
      for (const update of updates) {
        assert.isTrue(yield* again.isApplied(update))
        assert.isFalse(yield* again.isApplied({ ...update, starred: !update.starred }))
      }
      assert.isFalse(yield* again.isApplied(read(9000)))
    }).pipe(Effect.scoped, Effect.provide(layer))
  )

  it.effect("in a KeyValueStore that fails ends the job with its error, in words", () =>
    Effect.gen(function* () {
      const store = yield* KeyValueStore.KeyValueStore
      const cause = new KeyValueStore.KeyValueStoreError({ message: "connection lost", method: "get" })
      const failing = Layer.succeed(KeyValueStore.KeyValueStore, { ...store, get: () => Effect.fail(cause) })
      const error = yield* Effect.flip(Effect.provide(runOver(Journal.fromKeyValueStore, [read(0)]), failing))
      assert(error._tag === "JournalError")
      assert.deepInclude(error, { reason: "Unavailable", cause })
      assert.isUndefined(error.path)
      assert.strictEqual(error.message, "The journal in the KeyValueStore cannot be read or written: connection lost")
    }).pipe(Effect.provide([layer, KeyValueStore.layerMemory]))
  )

  it.effect("in a KeyValueStore forgets the fields of an update that begins, and no others", () =>
    Effect.gen(function* () {
      const journal = yield* Journal.fromKeyValueStore
      const both = { ...read(0), starred: true }
      yield* journal.end({ _tag: "Applied", row: both, update: both, attempts: 1, response: Option.none() })
      assert.isTrue(yield* journal.isApplied(both))
      // It may be applied from now on, or not.
      const { unreadCount: _, ...starred } = both
      yield* journal.begin({ ...starred, starred: false })
      assert.isFalse(yield* journal.isApplied(starred))
      assert.isTrue(yield* journal.isApplied(read(0)))
    }).pipe(Effect.scoped, Effect.provide([layer, KeyValueStore.layerMemory]))
  )

  it.effect("in a KeyValueStore keeps two servers apart", () =>
    Effect.gen(function* () {
      const inputs = [read(0), read(1)]
      assert.deepStrictEqual(yield* runOver(Journal.fromKeyValueStore, inputs), ["Applied", "Applied"])
      assert.deepStrictEqual(yield* runOver(Journal.fromKeyValueStore, inputs), ["Skipped", "Skipped"])
      const client = yield* HighLevelClient.HighLevelClient
      const other = Layer.succeed(HighLevelClient.HighLevelClient, { ...client, baseUrl: "https://other.example" })
      assert.deepStrictEqual(yield* Effect.provide(runOver(Journal.fromKeyValueStore, inputs), other), [
        "Applied",
        "Applied"
      ])
      yield* settle
    }).pipe(Effect.provide([layer, KeyValueStore.layerMemory]))
  )
})
