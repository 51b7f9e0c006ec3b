/**
 * Reads the pages of a search without gaps. HighLevel continues a search after a date,
 * exclusively, so a plain loop skips conversations that share the date at the end of a
 * page. Here pages overlap, and duplicates are dropped.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { FoundConversation } from "../wire/searchConversations.ts"
import { describeCause } from "./errorFields.ts"

/**
 * The search cannot continue without skipping conversations: more conversations than
 * HighLevel returns in one page have the same `date`, or no date. Split the search with
 * a filter, such as `assignedTo` or `lastMessageType`.
 */
export class SearchIncomplete extends Schema.TaggedError<SearchIncomplete>()("SearchIncomplete", {
  locationId: Schema.String,
  /** The date that they share; missing if they have none. */
  date: Schema.optionalKey(Schema.DateTimeUtc),
  /** The page size that was requested. */
  limit: Schema.Int,
  /** HighLevel's response, if it refused that page size. */
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message() {
    const date = this.date === undefined ? "no date" : `the date ${DateTime.formatIso(this.date)}`
    const cause = this.cause === undefined ? "" : `: ${describeCause(this.cause)}`
    return (
      `search in location ${this.locationId} is incomplete: too many conversations have ${date} ` +
      `(limit ${this.limit})${cause}. Divide the search by a filter.`
    )
  }
}

/** The fields of a conversation that the cursor needs. */
export type Item = Pick<FoundConversation, "id" | "sort" | "lastMessageDate">

export interface Page<A> {
  readonly conversations: ReadonlyArray<A>
  /** How many conversations the search finds, at least from the cursor on. */
  readonly total?: number | null | undefined
}

export interface Options<A extends Item, E, R> {
  readonly locationId: string
  readonly fetchPage: (startAfterDate: number | undefined, limit: number) => Effect.Effect<Page<A>, E, R>
  /** Whether an error may mean that the limit is too large. */
  readonly isRefusal: (error: E) => boolean
  readonly sort: "asc" | "desc"
  readonly startAfterDate: number | undefined
  readonly limit: number
  /** Whether it is sorted by the date of the last message, which replaces a missing `sort`. */
  readonly byLastMessage: boolean
  /** Whether to drop a conversation that comes again with another date. Keeps a `Set` of all ids. */
  readonly once: boolean
}

interface State {
  readonly cursor: number | undefined
  readonly limit: number
  /** The length of the longest page so far, which HighLevel is known to return. */
  readonly longest: number
  /** The conversations that the next page repeats. */
  readonly overlap: ReadonlySet<unknown>
}

/** The conversations of all pages; each chunk is a page. */
export const stream = <A extends Item, E, R>(options: Options<A, E, R>): Stream.Stream<A, E | SearchIncomplete, R> => {
  const { byLastMessage, fetchPage, isRefusal, limit: base, locationId, once, startAfterDate } = options
  const direction = options.sort === "asc" ? 1 : -1

  // Search engines sort a missing date as the largest number.
  const valueOf = ({ lastMessageDate, sort }: A) => {
    const value = sort?.[0] ?? (byLastMessage && lastMessageDate ? DateTime.toEpochMillis(lastMessageDate) : undefined)
    return value !== undefined && Math.abs(value) < Number.MAX_SAFE_INTEGER ? value : undefined
  }

  const incomplete = (cursor: number | undefined, limit: number, cause?: E) =>
    new SearchIncomplete({
      locationId,
      limit,
      ...Option.match(
        Option.flatMap(Option.fromUndefinedOr(cursor), (cursor) => DateTime.make(cursor + direction)),
        { onNone: () => ({}), onSome: (date) => ({ date: DateTime.toUtc(date) }) }
      ),
      ...(cause === undefined ? {} : { cause })
    })

  const pageAfter = (ids: Set<unknown>) =>
    Effect.fnUntraced(function* ({ cursor, limit, longest, overlap }: State) {
      const fetched = fetchPage(cursor, limit)
      const { conversations, total } = yield* limit === base
        ? fetched
        : Effect.catchIf(fetched, isRefusal, (cause) => Effect.fail(incomplete(cursor, limit, cause)))
      const { length } = conversations
      const fresh = conversations.filter(({ id }) => id == null || !(once ? ids : overlap).has(id))
      if (once) for (const { id } of fresh) ids.add(id)
      const last = [fresh, Option.none<State>()] as const

      const isShort = length < limit
      const isAll = typeof total === "number" && total <= length
      // A short page is the last one, unless it is as long as the server's maximum.
      if (length === 0 || (isShort && (isAll || length < longest))) return last

      const values = conversations.map(valueOf)
      const value = values.findLast((value) => value !== undefined)
      const known = { longest: Math.max(longest, length) }
      if (value !== undefined) {
        const next = value - direction
        if (cursor === undefined || (next - cursor) * direction > 0) {
          const again = conversations.filter((_, index) => ((values[index] ?? value) - next) * direction >= 0)
          return [fresh, Option.some({ ...known, cursor: next, limit: base, overlap: idsOf(again) })] as const
        }
        if (!isShort) {
          const again = new Set([...overlap, ...idsOf(conversations)])
          return [fresh, Option.some({ ...known, cursor, limit: limit * 2, overlap: again })] as const
        }
      }
      if (isShort) {
        if (total == null && limit === base) return last
        // Tell the end of the search from a maximum of the server.
        const all = yield* Effect.catchIf(fetchPage(undefined, limit), isRefusal, (cause) =>
          Effect.fail(incomplete(cursor, limit, cause))
        )
        const found = all.conversations.length
        if (found > length) return last
        if (typeof all.total === "number" && all.total <= found) {
          // This also finds what moved since the page was fetched.
          const listed = new Set([...(once ? ids : overlap), ...idsOf(conversations)])
          const moved = all.conversations.filter(
            (conversation) =>
              !listed.has(conversation.id) &&
              (cursor === undefined || ((valueOf(conversation) ?? Infinity * direction) - cursor) * direction > 0)
          )
          return [[...fresh, ...moved], Option.none<State>()] as const
        }
      }
      return yield* Effect.fail(incomplete(value === undefined ? undefined : cursor, limit))
    })

  const start: State = { cursor: startAfterDate, limit: base, longest: 0, overlap: new Set() }
  // The next page is fetched while one is read, and waits there.
  return Stream.bufferArray(
    Stream.suspend(() => Stream.paginate(start, pageAfter(new Set()))),
    { capacity: 0 }
  )
}

const idsOf = (conversations: ReadonlyArray<Item>): ReadonlySet<unknown> => new Set(conversations.map(({ id }) => id))
