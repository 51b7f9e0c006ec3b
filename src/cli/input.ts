/** Updates from lines: JSON objects, or bare ids with the change on the command line. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type * as ConversationUpdate from "../wire/updateConversation.ts"
import * as Request from "../client/request.ts"
import { updateConversation } from "../wire/updateConversation.ts"

/** A line of the input; empty ones are not counted out, but they are counted. */
export interface Line {
  readonly number: number
  /** Its text, or why there is none. */
  readonly text: Result.Result<string, string>
}

// An update is some hundred bytes; what is longer than this is a mistake, and is not kept.
const maximumBytes = 1024 * 1024
const newline = 10

interface Splitting {
  readonly number: number
  /** What came of a line that has not ended, unless it is too long already. */
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

/** The lines of a stream of bytes, of which no more than one is held. */
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

/** What the flags set for every update. */
export interface Defaults {
  readonly locationId?: string | undefined
  readonly changes: Partial<ConversationUpdate.Changes>
}

const parseJson = Schema.decodeUnknownResult(Schema.fromJsonString(Schema.Unknown))

const problem = (message: string) => Effect.fail({ _tag: "InvalidLine" as const, message })

/** The update of a line; its fields take precedence over the flags. */
export const parse = Effect.fnUntraced(function* ({ text }: Line, { changes, locationId }: Defaults) {
  if (Result.isFailure(text)) return yield* problem(text.failure)
  const trimmed = text.success.trim()
  const location = locationId === undefined ? {} : { locationId }
  // No id begins like this; what does is JSON, if not always an object.
  const isJson = /^[{["]/.test(trimmed)
  const parsed = isJson ? parseJson(trimmed) : Result.succeed<unknown>({ conversationId: trimmed })
  if (trimmed === "null") return yield* problem("no id, but null")
  if (Result.isFailure(parsed) || !Predicate.isReadonlyObject(parsed.success))
    return yield* problem("not a JSON object")
  const update = { ...location, ...changes, ...parsed.success }
  if (!Predicate.hasProperty(update, "locationId")) return yield* problem("no locationId: give --location-id")
  if (!["unreadCount", "starred", "feedback"].some((name) => Object.hasOwn(update, name))) {
    return yield* problem("nothing to update: give --unread-count, --starred or --no-starred")
  }
  return yield* Effect.fromResult(Request.validate(updateConversation, update))
})

/** Why a line is not an update. */
export type Invalid = Effect.Error<ReturnType<typeof parse>>

/** The updates of a stream of bytes, with their lines; a line that is not one is reported and skipped. */
export const updates = <E, R, E2, R2>(
  bytes: Stream.Stream<Uint8Array, E, R>,
  defaults: Defaults,
  tell: (line: number, error: Invalid) => Effect.Effect<void, E2, R2>
) =>
  lines(bytes).pipe(
    Stream.mapEffect((line) =>
      parse(line, defaults).pipe(
        Effect.map((update) => Option.some({ line: line.number, update })),
        Effect.catch((error) => Effect.as(tell(line.number, error), Option.none()))
      )
    ),
    Stream.filterMap((found) => Result.fromOption(found, () => undefined))
  )
