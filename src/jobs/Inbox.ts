/**
 * The inbox of a location, marked as read.
 *
 * HighLevel has no call for it, and an update has no precondition: a message that
 * arrives between search and update is marked as read unseen. {@link markRead} leaves
 * conversations alone whose last message is newer than a given time, and marks one as
 * unread again if the response to its update shows such a message.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { type CallOptions, HighLevelClient } from "../client/HighLevelClient.ts"
import type { HighLevelError, InvalidOptions } from "../client/HighLevelError.ts"
import * as Search from "../client/search.ts"
import type { SearchIncomplete } from "../client/searchCursor.ts"
import { getConversation } from "../wire/getConversation.ts"
import { type FoundConversation, searchConversations } from "../wire/searchConversations.ts"
import type * as Bulk from "./Bulk.ts"
import * as RunUpdates from "./runUpdates.ts"

/** The conversation is left unread: its last message is newer than `before`, or has no date. */
export interface Newer {
  readonly _tag: "Newer"
  readonly row: FoundConversation
  /** Whether it was marked as read first, and as unread again once the response showed the newer message. */
  readonly restored: boolean
}

/** Nothing was sent: the conversation has no unread messages any more. */
export interface AlreadyRead {
  readonly _tag: "AlreadyRead"
  readonly row: FoundConversation
}

/** The outcome of a conversation. */
export type Outcome = Bulk.Outcome<FoundConversation> | Newer | AlreadyRead

/** Which conversations, and how the job is run. */
export interface Options
  extends
    Omit<Search.SearchQuery, "status" | "sort" | "sortBy" | "startAfterDate" | "limit">,
    Pick<Bulk.Options, "stop" | "maxFailures" | "dryRun"> {
  /**
   * Conversations whose last message is newer are left unread.
   *
   * @default {@link newestMessageDate} when the job starts
   */
  readonly before?: DateTime.DateTime | undefined

  /** Whether to set or remove the star as well. @default it stays as it is */
  readonly starred?: boolean | undefined

  /**
   * Whether each conversation is read right before its update, which doubles the requests,
   * and left alone if a newer message has arrived.
   *
   * **Details**
   *
   * Without it, a conversation may be marked as read for some seconds: a search shows
   * messages about 5 seconds late, and what it found waits for the rate limit, 10 to 20
   * seconds at 100 requests per 10 seconds. If a message arrives in this time, the response
   * to the update shows its date, and the next request marks the conversation as unread
   * again. With `recheck` this time is that of one request, or, for one conversation in
   * twelve, up to 10 seconds more, if the rate limit is exhausted between its two requests.
   *
   * @default false
   */
  readonly recheck?: boolean | undefined

  /** Maximum requests in flight. @default 16 */
  readonly concurrency?: number | undefined
}

// More than a page: a search waits for the rate limit behind the calls before it, so that what it finds is recent.
const readAhead = 200

// So many at most are read with the last requests of the rate limit, and wait before their update.
const recheckedAtOnce = 8

const millisOf = (date: DateTime.DateTime | null | undefined) => (date ? DateTime.toEpochMillis(date) : undefined)

/**
 * The date of the newest message of a location, by HighLevel's clock. As the `before` of
 * {@link markRead} it is the same cut-off in every run.
 *
 * **Example** (A cut-off to keep)
 *
 * ```ts
 * import { HighLevelClient, Inbox } from "effect-highlevel"
 * import { Sandbox } from "effect-highlevel/testing"
 * import * as DateTime from "effect/DateTime"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as Option from "effect/Option"
 * import * as Redacted from "effect/Redacted"
 *
 * const program = Inbox.newestMessageDate("tDtDnQdgm2LXpyiqYvZ6").pipe(Effect.map(Option.map(DateTime.formatIso)))
 *
 * const layer = HighLevelClient.layer({ token: Redacted.make("sandbox-token") }).pipe(Layer.provide(Sandbox.layer()))
 *
 * Option.getOrThrow(await Effect.runPromise(program.pipe(Effect.provide(layer)))) // => "2021-08-03T16:27:33.263Z"
 * ```
 */
export const newestMessageDate = Effect.fnUntraced(function* (
  locationId: string
): Effect.fn.Return<Option.Option<DateTime.Utc>, HighLevelError, HighLevelClient> {
  const client = yield* HighLevelClient
  const query = { locationId, sort: "desc", sortBy: "last_message_date", limit: 1 } as const
  const { output } = yield* client.execute(searchConversations, query)
  const date = output.conversations.map(Search.messageMillis)[0]
  return date === undefined ? Option.none() : DateTime.make(date)
})

/**
 * Marks the unread conversations of a location as read, and emits the outcome of each, in
 * the order in which they end.
 *
 * **Details**
 *
 * - It searches and updates at the same time, from the oldest message on, under the rate
 *   limit of the location and in constant memory.
 * - A conversation that gets a message during the job stays unread, or is marked as unread
 *   again, and is `Newer`. One that was marked as read before the message arrived may be
 *   found again: then `Newer` is its second outcome.
 * - To continue after a stop, call it again with the same `before`, such as that of
 *   {@link newestMessageDate}: the default is a later one by then. What was read is not found
 *   any more, except for the last seconds; reading it again changes nothing.
 * - Stopping waits for requests in flight, and for marking as unread again. A process that is
 *   killed between these two requests leaves that conversation marked as read.
 * - When a search fails, so does the stream, after the outcomes of what was found before.
 *
 * The token needs `conversations.readonly` and `conversations.write`.
 *
 * **Example** (Inbox to zero)
 *
 * ```ts
 * import { HighLevelClient, Inbox } from "effect-highlevel"
 * import { Sandbox } from "effect-highlevel/testing"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as Redacted from "effect/Redacted"
 * import * as Stream from "effect/Stream"
 *
 * const program = Inbox.markRead({ locationId: "tDtDnQdgm2LXpyiqYvZ6" }).pipe(
 *   Stream.map(({ _tag, row }) => [row.id, _tag]),
 *   Stream.runCollect
 * )
 *
 * const layer = HighLevelClient.layer({ token: Redacted.make("sandbox-token") }).pipe(Layer.provide(Sandbox.layer()))
 *
 * await Effect.runPromise(program.pipe(Effect.provide(layer))) // => [["tDtDnQdgm2LXpyiqYvZ6", "Applied"]]
 * ```
 */
export const markRead = (
  options: Options
): Stream.Stream<Outcome, HighLevelError | SearchIncomplete | InvalidOptions, HighLevelClient> => {
  const { before, concurrency = 16, dryRun, maxFailures, recheck, starred, stop, ...filters } = options
  const { locationId } = filters
  const query = { ...filters, status: "unread", sort: "asc", sortBy: "last_message_date" } as const
  return Stream.unwrap(
    Effect.gen(function* () {
      const client = yield* HighLevelClient
      const cutOff = before ?? Option.getOrUndefined(yield* newestMessageDate(locationId))
      // Where no conversation has a date, all are left alone.
      const latest = millisOf(cutOff) ?? -Infinity

      const leaveAlone = (row: FoundConversation): Newer | AlreadyRead | undefined => {
        if ((Search.messageMillis(row) ?? Infinity) > latest) return { _tag: "Newer", row, restored: false }
        return row.unreadCount === 0 && starred === undefined ? { _tag: "AlreadyRead", row } : undefined
      }
      const reread = (row: FoundConversation, callOptions: CallOptions) =>
        Effect.map(
          client.execute(getConversation, { conversationId: row.id ?? "", locationId }, callOptions),
          ({ output }): FoundConversation => ({
            ...row,
            ...output,
            // A channel here, and a name there.
            type: row.type ?? null,
            // Where it comes without a date, that of the search counts.
            ...(output.lastMessageDate ? { sort: null } : { lastMessageDate: row.lastMessageDate ?? null })
          })
        )
      const undo = ({ response, row, update }: Bulk.Applied<FoundConversation>) => {
        const date = Option.match(response, {
          onNone: () => undefined,
          onSome: ({ conversation }) => millisOf(conversation.lastMessageDate)
        })
        if (date === undefined || date <= latest) return undefined
        return {
          update: { conversationId: update.conversationId, locationId, unreadCount: (row.unreadCount ?? 0) + 1 },
          left: { _tag: "Newer", row, restored: true } as const
        }
      }
      const outcomes = RunUpdates.run(
        Search.stream(query, { once: false }),
        ({ id }) => ({
          // Without an id it is an `InvalidRequest`.
          conversationId: id ?? "",
          locationId,
          unreadCount: 0,
          ...(starred === undefined ? {} : { starred })
        }),
        {
          concurrency,
          concurrencyPerLocation: concurrency,
          dryRun,
          maxFailures,
          readAhead,
          stop,
          leaveAlone,
          undo,
          ...(recheck === true ? { reread, begunPerLocation: recheckedAtOnce } : {})
        }
      )
      // There is no journal.
      return Stream.catchTag(outcomes, "JournalError", (error) => Stream.die(error))
    })
  )
}
