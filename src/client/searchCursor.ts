/**
 * The pages of a search, without a gap. HighLevel continues a search after a date,
 * exclusively: of conversations that share a date across the end of a page, a plain
 * loop loses the rest. Here pages overlap, and what was read before is dropped.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { FoundConversation } from "../wire/searchConversations.ts"
import { describeCause } from "./errorFields.ts"

/**
 * A search cannot go on without leaving conversations out: as many as HighLevel
 * returns at once have the same `date`, or have no date at all. Divide the search by a
 * filter, such as `assignedTo` or `lastMessageType`.
 */
export class SearchIncomplete extends Schema.TaggedError<SearchIncomplete>()("SearchIncomplete", {
  locationId: Schema.String,
  /** The date that so many have, or missing where they have none. */
  date: Schema.optionalKey(Schema.DateTimeUtc),
  /** How many were asked for. */
  limit: Schema.Int,
  /** What HighLevel responded, where it refused the limit. */
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

/** What of a conversation the cursor reads. */
export type Item = Pick<FoundConversation, "id" | "sort" | "lastMessageDate">

export interface Page<A> {
  readonly conversations: ReadonlyArray<A>
  /** How many the search finds, at least from the cursor on. */
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
  /** Whether it is sorted by the date of the last message, which stands in for a missing `sort`. */
  readonly byLastMessage: boolean
  /** Whether a conversation that comes again with another date is left out, too: a `Set` of all ids. */
  readonly once: boolean
}

interface State {
  readonly cursor: number | undefined
  readonly limit: number
  /** The length of the longest page so far: HighLevel returns that many at once. */
  readonly longest: number
  /** What the next page brings again. */
  readonly overlap: ReadonlySet<unknown>
}

/** The conversations of all pages; each chunk is a page. */
export const stream = <A extends Item, E, R>(options: Options<A, E, R>): Stream.Stream<A, E | SearchIncomplete, R> => {
  const { byLastMessage, fetchPage, isRefusal, limit: base, locationId, once, startAfterDate } = options
  const direction = options.sort === "asc" ? 1 : -1

  // Where a date is missing, search engines sort by the largest number there is.
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
      // A short page is the last one, unless the server returns no more than that at once.
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
        // Whether the page is short because of its end or because of the server's maximum.
        const all = yield* Effect.catchIf(fetchPage(undefined, limit), isRefusal, (cause) =>
          Effect.fail(incomplete(cursor, limit, cause))
        )
        const found = all.conversations.length
        if (found > length) return last
        if (typeof all.total === "number" && all.total <= found) {
          // What moved since the page was fetched is there, too.
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
