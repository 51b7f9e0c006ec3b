/**
 * Records the values that a job has set, so that it can be stopped or killed and then
 * continued.
 *
 * The journal holds the last value that was set for each field of each conversation. An
 * update that would change nothing is skipped. So between runs, the input may be sorted,
 * shortened, extended or replaced: its last values win. Removing a row does not undo its
 * update. If an input sets a field to several values, each run sends them all again,
 * because the last one is unknown until the input ends. A journal does not know about
 * changes by others, such as a new message: start a new journal after those.
 */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as KeyValueStore from "effect/persistence/KeyValueStore"
import { HighLevelClient } from "../client/HighLevelClient.ts"
import type { ConversationUpdate } from "../wire/updateConversation.ts"
import * as AppliedFields from "./appliedFields.ts"
import * as FileLock from "./fileLock.ts"
import * as FileProblem from "./fileProblem.ts"
import { JournalError } from "./journalFile.ts"
import * as JournalFile from "./journalFile.ts"
import type { Sent } from "./Outcome.ts"

export { JournalError } from "./journalFile.ts"

/** The journal of a job. A job updates a conversation only once at a time. */
export interface Journal {
  /** Whether every field of an update already has its value. */
  readonly isApplied: (update: ConversationUpdate) => Effect.Effect<boolean, JournalError>

  /** Called before an update is sent: until it has ended, the values of its fields are unknown. */
  readonly begin: (update: ConversationUpdate) => Effect.Effect<void, JournalError>

  /** Records the outcome of an update, durably when it returns. */
  readonly end: (sent: Sent<unknown>) => Effect.Effect<void, JournalError>
}

/**
 * Opens or creates the journal at a path, for the server of the client in the context. A
 * second run with the same file fails with `InUse`. After a kill, the file stays locked
 * for three seconds.
 *
 * **Example** (Run a job twice)
 *
 * ```ts
 * import { Bulk, HighLevelClient, Journal } from "effect-highlevel"
 * import { Sandbox } from "effect-highlevel/testing"
 * import * as NodeServices from "@effect/platform-node/NodeServices"
 * import * as Effect from "effect/Effect"
 * import * as FileSystem from "effect/FileSystem"
 * import * as Layer from "effect/Layer"
 * import * as Redacted from "effect/Redacted"
 * import * as Stream from "effect/Stream"
 *
 * const ids = { conversationId: "tDtDnQdgm2LXpyiqYvZ6", locationId: "tDtDnQdgm2LXpyiqYvZ6" }
 *
 * const run = (path: string) =>
 *   Effect.gen(function* () {
 *     const journal = yield* Journal.open({ path })
 *     const outcomes = Bulk.updateAll(Stream.make({ ...ids, unreadCount: 0 }), { journal })
 *     return yield* Stream.runCollect(Stream.map(outcomes, ({ _tag }) => _tag))
 *   }).pipe(Effect.scoped)
 *
 * const program = Effect.gen(function* () {
 *   const fileSystem = yield* FileSystem.FileSystem
 *   const path = `${yield* fileSystem.makeTempDirectoryScoped()}/journal.ndjson`
 *   return [...(yield* run(path)), ...(yield* run(path))]
 * }).pipe(Effect.scoped)
 *
 * const layer = HighLevelClient.layer({ token: Redacted.make("sandbox-token") }).pipe(
 *   Layer.provide(Sandbox.layer()),
 *   Layer.merge(NodeServices.layer)
 * )
 *
 * await Effect.runPromise(program.pipe(Effect.provide(layer))) // => ["Applied", "Skipped"]
 * ```
 */
export const open = Effect.fnUntraced(function* (options: {
  readonly path: string
  /** The name of this run in the error of a second one, such as a process id and a host. @default "another run" */
  readonly owner?: string | undefined
}): Effect.fn.Return<Journal, JournalError, FileSystem.FileSystem | HighLevelClient | Scope.Scope> {
  const { path } = options
  const fileSystem = yield* FileSystem.FileSystem
  const { baseUrl: server } = yield* HighLevelClient
  // After a partial line nothing more may be written: only the last line can be repaired.
  let broken: JournalError | undefined
  const lock = FileLock.acquire(`${path}.lock`, options.owner ?? "another run", (error) => {
    broken ??= JournalFile.errorOf(path, error)
  })
  yield* JournalFile.check(path)
  yield* JournalFile.failing(path)(lock)

  const fields = AppliedFields.make()
  const size = yield* JournalFile.read(path, server, fields)
  const file = yield* JournalFile.failing(path)(fileSystem.open(path, { flag: "a", mode: 0o600 }))
  const encoder = new TextEncoder()
  // Lines that arrive during a sync are written together.
  let waiting: { lines: Array<string>; readonly written: Deferred.Deferred<void, JournalError> } | undefined
  let isWriting = false

  const write = Effect.gen(function* () {
    while (waiting !== undefined) {
      const { lines, written } = waiting
      waiting = undefined
      const bytes = encoder.encode(lines.join(""))
      const result = yield* Effect.exit(
        broken === undefined
          ? JournalFile.failing(path)(Effect.andThen(file.writeAll(bytes), file.sync))
          : Effect.fail(broken)
      )
      broken ??= Option.getOrUndefined(Exit.findErrorOption(result))
      Deferred.doneUnsafe(written, result)
    }
    isWriting = false
  })

  const append = (line: string) =>
    Effect.uninterruptible(
      Effect.gen(function* () {
        waiting ??= { lines: [], written: Deferred.makeUnsafe() }
        waiting.lines.push(`${line}\n`)
        const { written } = waiting
        if (!isWriting) {
          isWriting = true
          yield* write
        }
        yield* Deferred.await(written)
      })
    )

  const record = (entry: Omit<typeof JournalFile.Entry.Type, "at">) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const at = DateTime.formatIso(DateTime.makeUnsafe(now))
      return Effect.flatMap(JournalFile.failing(path)(JournalFile.encodeEntry({ ...entry, at })), append)
    })

  if (size === 0) yield* append(JournalFile.encodeHeader({ journal: 1, server }))
  return {
    isApplied: (update) => Effect.sync(() => fields.matches(update)),
    begin: (update) =>
      Effect.suspend(() => {
        if (broken !== undefined) return Effect.fail(broken)
        if (!fields.isKnown(update)) return Effect.void
        fields.forget(update)
        // Only the keys are decoded: feedback may be too deep for JSON, which the client reports.
        const { feedback, ...written } = update
        return record({ outcome: "Sending", update: feedback === undefined ? written : { ...written, feedback: {} } })
      }),
    end: (sent) => {
      const { _tag: outcome, update } = sent
      if (outcome === "Failed" && sent.error._tag === "InvalidRequest") return Effect.void
      const attempts = outcome === "Defect" ? {} : { attempts: sent.attempts }
      const error = outcome === "Failed" ? { error: sent.error._tag } : {}
      return Effect.tap(record({ outcome, update, ...attempts, ...error }), () => {
        if (outcome === "Applied") fields.apply(update)
        return Effect.void
      })
    }
  }
})

const Stored = Schema.fromJsonString(Schema.Record(Schema.String, Schema.String))

/**
 * Makes a journal in a `KeyValueStore`, such as a database, with one key for each
 * conversation, prefixed by the server. It does not lock: a second run with the same
 * store is not detected.
 */
export const fromKeyValueStore: Effect.Effect<Journal, never, KeyValueStore.KeyValueStore | HighLevelClient> =
  Effect.gen(function* () {
    const { baseUrl: server } = yield* HighLevelClient
    const store = KeyValueStore.toSchemaStore(yield* KeyValueStore.KeyValueStore, Stored)
    const inStore = Effect.mapError(
      (cause: unknown) =>
        new JournalError({
          reason: "Unavailable",
          description: `The journal in the KeyValueStore cannot be read or written: ${FileProblem.describe(cause)}`,
          cause
        })
    )
    const keyOf = ({ conversationId, locationId }: ConversationUpdate) => `${server} ${locationId} ${conversationId}`
    const get = (update: ConversationUpdate) =>
      Effect.map(
        inStore(store.get(keyOf(update))),
        Option.getOrElse((): typeof Stored.Type => ({}))
      )
    const set = (update: ConversationUpdate, fields: typeof Stored.Type) => inStore(store.set(keyOf(update), fields))

    return {
      isApplied: (update) =>
        Effect.map(get(update), (stored) =>
          Object.entries(AppliedFields.fieldsOf(update)).every(([name, text]) => stored[name] === text)
        ),
      begin: (update) =>
        Effect.flatMap(get(update), (stored) => {
          const known = Object.entries(stored).filter(([name]) => !(name in AppliedFields.fieldsOf(update)))
          return known.length === Object.keys(stored).length ? Effect.void : set(update, Object.fromEntries(known))
        }),
      end: (sent) =>
        sent._tag === "Applied"
          ? Effect.flatMap(get(sent.update), (stored) =>
              set(sent.update, { ...stored, ...AppliedFields.fieldsOf(sent.update) })
            )
          : Effect.void
    }
  })
