/** Parses updates: from lines of JSON, from ids with the change on the command line, or from CSV. */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Csv from "effect/encoding/Csv"
import type * as ConversationUpdate from "../wire/updateConversation.ts"
import type { InvalidRequest } from "../client/HighLevelError.ts"
import * as Request from "../client/request.ts"
import { updateConversation } from "../wire/updateConversation.ts"

/** A line of the input. Empty lines are not emitted, but count in line numbers. */
export interface Line {
  readonly number: number
  /** The text, or why there is none. */
  readonly text: Result.Result<string, string>
}

// An update has some hundred bytes. A longer line than this is a mistake, and is dropped.
const maximumBytes = 1024 * 1024
const newline = 10

interface Splitting {
  readonly number: number
  /** The beginning of an unfinished line, unless it is already too long. */
  readonly pieces: ReadonlyArray<Uint8Array>
  readonly length: number
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

const lineOf = ({ length, number, pieces }: Splitting): Line => {
  if (length > maximumBytes) return { number, text: Result.fail(`longer than ${maximumBytes} bytes`) }
  const bytes = new Uint8Array(length)
  let offset = 0
  for (const piece of pieces) {
    bytes.set(piece, offset)
    offset += piece.length
  }
  try {
    const text = decoder.decode(bytes)
    return { number, text: Result.succeed((number === 1 ? text.replace(/^\uFEFF/, "") : text).replace(/\r$/, "")) }
  } catch {
    return { number, text: Result.fail("not UTF-8") }
  }
}

const append = (state: Splitting, piece: Uint8Array): Splitting => {
  const length = state.length + piece.length
  return { ...state, length, pieces: length > maximumBytes ? [] : [...state.pieces, piece] }
}

/** Splits a stream of bytes into lines, buffering at most one. */
export const lines = <E, R>(bytes: Stream.Stream<Uint8Array, E, R>): Stream.Stream<Line, E, R> =>
  bytes.pipe(
    Stream.mapAccum(
      (): Splitting => ({ number: 1, pieces: [], length: 0 }),
      (state, chunk) => {
        const found: Array<Line> = []
        let current = state
        let start = 0
        for (let end = chunk.indexOf(newline); end !== -1; end = chunk.indexOf(newline, start)) {
          found.push(lineOf(append(current, chunk.subarray(start, end))))
          current = { number: current.number + 1, pieces: [], length: 0 }
          start = end + 1
        }
        // Copied, since the source may use its buffer again.
        return [start < chunk.length ? append(current, chunk.slice(start)) : current, found] as const
      },
      { onHalt: (state) => (state.length > 0 ? [lineOf(state)] : []) }
    ),
    Stream.filter(({ text }) => Result.isFailure(text) || text.success.trim() !== "")
  )

/** The values that the flags set for every update. */
export interface Defaults {
  readonly locationId?: string | undefined
  readonly changes: Partial<ConversationUpdate.Changes>
}

/** Why a line is not a valid update. */
export type Invalid = { readonly _tag: "InvalidLine"; readonly message: string } | InvalidRequest

/** The result of parsing a line. */
export interface Read {
  readonly line: number
  /** Whether the whole line was read as a conversation id. */
  readonly isId: boolean
  readonly update: Result.Result<ConversationUpdate.ConversationUpdate, Invalid>
}

const parseJson = Schema.decodeUnknownResult(Schema.fromJsonString(Schema.Unknown))

const problem = (message: string): Result.Result<never, Invalid> => Result.fail({ _tag: "InvalidLine", message })

const fields = ["unreadCount", "starred", "feedback"]

/** Makes an update from a line's fields, which take precedence over the flags. */
const complete = (given: object, { changes, locationId }: Defaults): Read["update"] => {
  const update = { ...(locationId === undefined ? {} : { locationId }), ...changes, ...given }
  if (!Predicate.hasProperty(update, "locationId")) return problem("no locationId: give --location-id")
  if (!fields.some((name) => Object.hasOwn(update, name))) {
    return problem("nothing to update: give --unread-count, --starred or --no-starred")
  }
  return Request.validate(updateConversation, update)
}

const isHeader = (text: string) => /^(?:conversation[ _-]?)?id$/i.test(text)

/** Reads only the ids of a conversation that `search` or `get` printed, since its values are not changes. */
const withoutValues = (given: { readonly [key: string]: unknown }): object => {
  if (Object.hasOwn(given, "conversationId") || !Object.hasOwn(given, "id")) return given
  const { id, locationId } = given
  return { conversationId: id, ...(locationId === undefined ? {} : { locationId }) }
}

/** Parses a line; none for a comment or a header. */
export const parse = ({ number: line, text }: Line, defaults: Defaults): Read | undefined => {
  if (Result.isFailure(text)) return { line, isId: false, update: problem(text.failure) }
  const trimmed = text.success.trim()
  if (trimmed.startsWith("#") || isHeader(trimmed)) return undefined
  if (/^[{["]/.test(trimmed)) {
    const parsed = parseJson(trimmed)
    const update =
      Result.isSuccess(parsed) && Predicate.isReadonlyObject(parsed.success)
        ? complete(withoutValues(parsed.success), defaults)
        : problem("not a JSON object")
    return { line, isId: false, update }
  }
  if (trimmed === "null" || !/^[\w-]+$/.test(trimmed)) {
    return { line, isId: false, update: problem("neither a JSON object nor a conversation id") }
  }
  return { line, isId: true, update: complete({ conversationId: trimmed }, defaults) }
}

const parseCell: Record<string, (text: string) => unknown> = {
  unreadCount: (text) => (/^\d+$/.test(text) ? Number(text) : text),
  starred: (text) => (/^(?:true|false)$/i.test(text) ? text.toLowerCase() === "true" : text),
  feedback: (text) => Result.getOrElse(parseJson(text), () => text)
}

/** Maps column names to fields, ignoring case. Other columns are ignored. */
const columnsOf = (header: ReadonlyArray<string>) =>
  header.map((name) => {
    const plain = name.replaceAll(/[ _-]/g, "").toLowerCase()
    return ["conversationId", "locationId", ...fields].find((field) => field.toLowerCase() === plain)
  })

const linesOf = (cells: ReadonlyArray<string>) => 1 + (cells.join("").match(/\r\n|\r|\n/g)?.length ?? 0)

/** Parses CSV with a header. An empty cell is an omitted field. */
const parseCsv = <E, R>(bytes: Stream.Stream<Uint8Array, E, R>, defaults: Defaults) => {
  interface State {
    readonly line: number
    readonly columns: ReadonlyArray<string | undefined> | undefined
  }
  return bytes.pipe(
    Stream.pipeThroughChannel(Csv.decode<E>({ maxRecordSize: maximumBytes })),
    Stream.mapAccum(
      (): State => ({ line: 1, columns: undefined }),
      ({ columns, line }, cells): readonly [State, ReadonlyArray<Read>] => {
        const next = line + linesOf(cells)
        if (columns === undefined) {
          const found = columnsOf(cells)
          const missing: Read = { line, isId: false, update: problem("no column conversationId in the header") }
          return [{ line: next, columns: found }, found.includes("conversationId") ? [] : [missing]]
        }
        if (!columns.includes("conversationId") || cells.every((cell) => cell === ""))
          return [{ line: next, columns }, []]
        if (cells.length !== columns.length) {
          const update = problem(`${cells.length} cells, and the header has ${columns.length}`)
          return [{ line: next, columns }, [{ line, isId: false, update }]]
        }
        const given = Object.fromEntries(
          columns.flatMap((name, column) => {
            const cell = cells[column]?.trim() ?? ""
            return name === undefined || cell === "" ? [] : [[name, parseCell[name]?.(cell) ?? cell]]
          })
        )
        return [{ line: next, columns }, [{ line, isId: false, update: complete(given, defaults) }]]
      }
    )
  )
}

/** Parses each line of a stream of bytes. */
export const read = <E, R>(
  bytes: Stream.Stream<Uint8Array, E, R>,
  defaults: Defaults,
  isCsv: boolean
): Stream.Stream<Read, E | Csv.CsvError, R> =>
  isCsv
    ? parseCsv(bytes, defaults)
    : Stream.filter(
        Stream.map(lines(bytes), (line) => parse(line, defaults)),
        (found) => found !== undefined
      )

/** A row of a job: a line and its update. */
export interface Row {
  readonly line: number
  readonly update: ConversationUpdate.ConversationUpdate
}

/** Parses the rows of a stream of bytes. Invalid lines are reported and skipped. */
export const rows = <E, R, E2, R2>(
  found: Stream.Stream<Read, E, R>,
  tell: (line: number, error: Invalid) => Effect.Effect<void, E2, R2>
): Stream.Stream<Row, E | E2, R | R2> =>
  found.pipe(
    Stream.mapEffect(({ line, update }) =>
      Result.isSuccess(update)
        ? Effect.succeed({ line, update: update.success })
        : Effect.as(tell(line, update.failure), undefined)
    ),
    Stream.filter((row) => row !== undefined)
  )
