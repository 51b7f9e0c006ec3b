/** The format of a journal's file, and its reader. */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { ConversationUpdate } from "../wire/updateConversation.ts"
import type * as AppliedFields from "./appliedFields.ts"
import * as FileLock from "./fileLock.ts"
import * as FileProblem from "./fileProblem.ts"

/** The journal cannot be used, and nothing is sent without it. */
export class JournalError extends Data.TaggedError("JournalError")<{
  /**
   * - `Unavailable`: it cannot be read or written
   * - `NotAJournal`: the file is something else; it is unchanged
   * - `OtherServer`: its job ran against another server
   * - `InUse`: another run uses it
   */
  readonly reason: "Unavailable" | "NotAJournal" | "OtherServer" | "InUse"
  readonly description: string
  /** The path of the file; absent for a `KeyValueStore`. */
  readonly path?: string
  /** The line that is not an entry, from 1. */
  readonly line?: number
  readonly cause?: unknown
}> {
  override get message() {
    return this.description
  }
}

const Header = Schema.Struct({ journal: Schema.Literal(1), server: Schema.String })

export const Entry = Schema.Struct({
  outcome: Schema.Literals(["Sending", "Applied", "Failed", "Defect"]),
  at: Schema.String,
  update: ConversationUpdate,
  attempts: Schema.optionalKey(Schema.Int),
  error: Schema.optionalKey(Schema.String)
})
const decodeHeader = Schema.decodeEffect(Schema.fromJsonString(Header))
export const encodeHeader = Schema.encodeSync(Schema.fromJsonString(Header))
const decodeEntry = Schema.decodeEffect(Schema.fromJsonString(Entry))
export const encodeEntry = Schema.encodeEffect(Schema.fromJsonString(Entry))

const newline = 10
/** The prefixes of a journal's lines, to recognize a partial one. */
const beginnings = [`{"journal":`, `{"outcome":`] as const

const isOurs = (text: string) =>
  beginnings.some((beginning) => text.startsWith(beginning) || beginning.startsWith(text)) || /^\0+$/.test(text)

export const errorOf = (path: string, cause: unknown) =>
  cause instanceof FileLock.Locked
    ? new JournalError({ reason: "InUse", description: `The journal ${path} is in use by ${cause.by}`, path })
    : new JournalError({
        reason: "Unavailable",
        description: `The journal ${path} cannot be read or written: ${FileProblem.describe(cause)}`,
        path,
        cause
      })

export const failing = (path: string) => Effect.mapError((cause: unknown) => errorOf(path, cause))

const notAJournal = (path: string, line: number, cause?: unknown) =>
  new JournalError({
    reason: "NotAJournal",
    description: `${path} is not a journal: line ${line} is not a valid entry. Nothing was sent`,
    path,
    line,
    cause
  })

const otherServer = (path: string, journal: string, server: string) =>
  new JournalError({
    reason: "OtherServer",
    description: `The journal ${path} is of ${journal}, and this job is for ${server}. Nothing was sent`,
    path
  })

/** Checks the first bytes before a lock is created beside the file. Returns whether the file exists. */
export const check = Effect.fnUntraced(function* (
  path: string
): Effect.fn.Return<boolean, JournalError, FileSystem.FileSystem> {
  const fileSystem = yield* FileSystem.FileSystem
  if (!(yield* failing(path)(fileSystem.exists(path)))) return false
  const { type } = yield* failing(path)(fileSystem.stat(path))
  if (type !== "File") return yield* errorOf(path, type === "Directory" ? "it is a folder" : "it is not a file")
  const start = fileSystem.stream(path, { bytesToRead: beginnings[0].length })
  if (!isOurs(yield* failing(path)(Stream.mkString(Stream.decodeText(start))))) return yield* notAJournal(path, 1)
  return true
})

/** Reads a journal, and returns how many of its bytes are whole lines. */
export const read = Effect.fnUntraced(function* (
  path: string,
  server: string,
  fields: ReturnType<typeof AppliedFields.make>
): Effect.fn.Return<number, JournalError, FileSystem.FileSystem> {
  const fileSystem = yield* FileSystem.FileSystem
  if (!(yield* check(path))) return 0

  const readLine = Effect.fnUntraced(function* (text: string, line: number) {
    const invalid = Effect.mapError((cause: unknown) => notAJournal(path, line, cause))
    if (line === 1) {
      const header = yield* invalid(decodeHeader(text))
      if (header.server !== server) return yield* otherServer(path, header.server, server)
      return
    }
    const { outcome, update } = yield* invalid(decodeEntry(text))
    if (outcome === "Applied") fields.apply(update)
    else fields.forget(update)
  })

  const decoder = new TextDecoder()
  let [line, seen, whole, pending] = [0, 0, 0, ""]
  yield* fileSystem.stream(path).pipe(
    Stream.mapError((cause) => errorOf(path, cause)),
    Stream.runForEach(
      Effect.fnUntraced(function* (chunk: Uint8Array) {
        const last = chunk.lastIndexOf(newline)
        if (last !== -1) whole = seen + last + 1
        seen += chunk.length
        const lines = (pending + decoder.decode(chunk, { stream: true })).split("\n")
        pending = lines.pop() ?? ""
        for (const text of lines) yield* readLine(text, ++line)
      })
    )
  )
  // A partial last line was being written when the run ended, if it has our format.
  if (!isOurs(`${pending}${decoder.decode()}`)) return yield* notAJournal(path, line + 1)
  if (seen > whole) yield* failing(path)(fileSystem.truncate(path, whole))
  return whole
})
