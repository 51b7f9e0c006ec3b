/**
 * A record of a job, so that it can be run again: what was applied is skipped,
 * what failed is retried, and so is what comes after it in the same conversation.
 *
 * The record is a file of JSON lines, one for each update that ended, written and
 * synced to the disk before the outcome is reported. It belongs to one input, one
 * server and one run at a time. Lines of the input may be changed and appended
 * between runs; a line, or a field of one, that was taken out is not undone.
 */
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ConversationUpdate } from "../wire/updateConversation.ts"
import * as JournalState from "./journalState.ts"

/** The journal cannot be read or written. `line` is the line that is not one of a journal. */
export class JournalError extends Data.TaggedError("JournalError")<{
  readonly path: string
  readonly line?: number | undefined
  readonly cause: unknown
}> {
  // Where it is not set, Bun's errors have a `line` of their own: that of the source.
  constructor(props: { readonly path: string; readonly line?: number | undefined; readonly cause: unknown }) {
    super({ line: undefined, ...props })
  }

  override get message() {
    return this.line === undefined
      ? `The journal ${this.path} cannot be read or written: ${String(this.cause)}`
      : `${this.path} is not a journal: line ${this.line} is not a valid entry. Nothing was sent`
  }
}

/** How an update ended. */
export interface Outcome {
  /** The index in the input, the first being 0. */
  readonly index: number
  readonly update: ConversationUpdate
  readonly outcome: "Applied" | "Failed"
  /** The tag of the error. */
  readonly error?: string | undefined
  readonly attempts: number
}

/** What a job knows of its earlier runs. */
export interface Journal {
  /** Whether an earlier run applied an input. Asked once for each, in their order. */
  readonly isApplied: (index: number, update: ConversationUpdate) => boolean

  /** Records that an update is about to be sent again. */
  readonly begin?: (index: number, update: ConversationUpdate) => Effect.Effect<void, JournalError>

  /** Records how an update ended; durable when it returns. */
  readonly append: (ended: Outcome) => Effect.Effect<void, JournalError>
}

const Entry = Schema.Struct({
  index: Schema.Int,
  conversationId: Schema.String,
  locationId: Schema.String,
  /** Tells whether the input at that index is still the same. */
  hash: Schema.Finite,
  /** `Begun` is written before an update is sent again whose line has changed. */
  outcome: Schema.Literals(["Begun", "Applied", "Failed"]),
  error: Schema.optionalKey(Schema.String),
  attempts: Schema.Int,
  at: Schema.String
})
const EntryText = Schema.fromJsonString(Entry)
const decodeEntry = Schema.decodeEffect(EntryText)
const encodeEntry = Schema.encodeSync(EntryText)

const newline = 10
// Of every line that was written here.
const beginning = `{"index":`

/**
 * Opens the journal at a path, or begins it there. A last line that a crash has
 * torn is cut off; any other line that is not one of a journal is an error.
 *
 * **Example** (A job that is run twice)
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
}): Effect.fn.Return<Journal, JournalError, FileSystem.FileSystem | Scope.Scope> {
  const { path } = options
  const fileSystem = yield* FileSystem.FileSystem
  const failing = Effect.mapError((cause: unknown) => new JournalError({ path, cause }))

  const state = JournalState.make()
  if (yield* failing(fileSystem.exists(path))) {
    const { type } = yield* failing(fileSystem.stat(path))
    if (type !== "File") return yield* new JournalError({ path, cause: `a journal is a file, and this is a ${type}` })
    const text = new TextDecoder()
    let pending = ""
    let line = 0
    let whole = 0
    let seen = 0
    const read = Effect.fnUntraced(function* (chunk: Uint8Array) {
      const last = chunk.lastIndexOf(newline)
      if (last !== -1) whole = seen + last + 1
      seen += chunk.length
      const lines = (pending + text.decode(chunk, { stream: true })).split("\n")
      pending = lines.pop() ?? ""
      for (const entry of lines) {
        line++
        state.read(yield* Effect.mapError(decodeEntry(entry), (cause) => new JournalError({ path, line, cause })))
      }
    })
    yield* fileSystem.stream(path).pipe(
      Stream.mapError((cause) => new JournalError({ path, cause })),
      Stream.runForEach(read)
    )
    // What follows the last line break was being written when the run ended, if it is ours.
    if (seen > whole) {
      const isOurs =
        `${pending}${text.decode()}`.startsWith(beginning) || beginning.startsWith(pending) || /^\0+$/.test(pending)
      if (!isOurs) return yield* new JournalError({ path, line: line + 1, cause: "not a line of a journal" })
      yield* failing(fileSystem.truncate(path, whole))
    }
  }

  const file = yield* failing(fileSystem.open(path, { flag: "a", mode: 0o600 }))
  const encoder = new TextEncoder()
  // All that came while the last lines were being synced goes with the next ones.
  let waiting: { lines: Array<string>; readonly written: Deferred.Deferred<void, JournalError> } | undefined
  let isWriting = false
  // After half a line nothing may be written: only the last one can be healed.
  let broken: JournalError | undefined

  const write = Effect.gen(function* () {
    while (waiting !== undefined) {
      const { lines, written } = waiting
      waiting = undefined
      const bytes = encoder.encode(lines.join(""))
      const result = yield* Effect.exit(
        broken === undefined ? failing(Effect.andThen(file.writeAll(bytes), file.sync)) : Effect.fail(broken)
      )
      broken ??= Option.getOrUndefined(Exit.findErrorOption(result))
      Deferred.doneUnsafe(written, result)
    }
    isWriting = false
  })

  const record = (
    index: number,
    update: ConversationUpdate,
    outcome: "Begun" | "Applied" | "Failed",
    attempts: number,
    error?: string
  ) =>
    Effect.uninterruptible(
      Effect.gen(function* () {
        const at = DateTime.formatIso(DateTime.makeUnsafe(yield* Clock.currentTimeMillis))
        // What JavaScript passes may be no strings.
        const [conversationId, locationId] = [String(update.conversationId), String(update.locationId)]
        const hash = JournalState.hashOf(update)
        const entry = { index, conversationId, locationId, hash, outcome, attempts, at }
        const line = encodeEntry({ ...entry, ...(error === undefined ? {} : { error }) })
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

  return {
    isApplied: state.isApplied,
    begin: (index, update) => (state.isBegun(index, update) ? record(index, update, "Begun", 0) : Effect.void),
    append: ({ attempts, error, outcome, index, update }) => record(index, update, outcome, attempts, error)
  }
})
