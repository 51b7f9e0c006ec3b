/**
 * Marks the inbox of a location as read.
 *
 * HighLevel has no endpoint for this, and updates have no precondition: a message that
 * arrives between search and update would be marked as read unseen. {@link markRead}
 * skips conversations whose last message is newer than a given time. If the response to
 * an update shows such a message, it marks the conversation as unread again.
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

/** The conversation stays unread: its last message is newer than `before`, or has no date. */
export interface Newer {
  readonly _tag: "Newer"
  readonly row: FoundConversation
  /** Whether it was briefly marked as read, until the response showed the newer message. */
  readonly restored: boolean
}

/** Nothing was sent: the conversation no longer has unread messages. */
export interface AlreadyRead {
  readonly _tag: "AlreadyRead"
  readonly row: FoundConversation
}

/** The outcome for a conversation. */
export type Outcome = Bulk.Outcome<FoundConversation> | Newer | AlreadyRead

/** The conversations to mark as read, and how to run the job. */
export interface Options
  extends
    Omit<Search.SearchQuery, "status" | "sort" | "sortBy" | "startAfterDate" | "limit">,
    Pick<Bulk.Options, "stop" | "maxFailures" | "dryRun"> {
  /**
   * Conversations whose last message is newer stay unread.
   *
   * @default {@link newestMessageDate} when the job starts
   */
  readonly before?: DateTime.DateTime | undefined

  /** Whether to star or unstar the conversations, too. @default unchanged */
  readonly starred?: boolean | undefined

  /**
   * Whether to read each conversation right before its update, and skip it if a newer
   * message has arrived. This doubles the requests.
   *
   * **Details**
   *
   * Without `recheck`, a conversation with a new message may be marked as read for some
   * seconds. The search index lags by about 5 seconds, and a conversation that was found
   * waits 10 to 20 seconds for the rate limit (at 100 requests per 10 seconds). If a
   * message arrives in that time, the response to the update shows its date, and the next
   * request marks the conversation as unread again. With `recheck`, the window is one
   * request, or up to 10 seconds more for one conversation in twelve, when the rate limit
   * is exhausted between its two requests.
   *
   * @default false
   */
  readonly recheck?: boolean | undefined

  /** Maximum requests in flight. @default 16 */
  readonly concurrency?: number | undefined
}

// More than a page, so that the search waits behind earlier calls and its results are recent.
const readAhead = 200

// The most conversations that wait between their read and their update.
const recheckedAtOnce = 8

const millisOf = (date: DateTime.DateTime | null | undefined) => (date ? DateTime.toEpochMillis(date) : undefined)

/**
 * Returns the date of the newest message of a location, by HighLevel's clock. Pass it to
 * several runs of {@link markRead} as `before`, so that they have the same cut-off.
 *
 * **Example** (Get a cut-off)
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
 * Marks the unread conversations of a location as read, and emits the outcomes in order
 * of completion.
 *
 * **Details**
 *
 * - It searches and updates concurrently, oldest message first, under the rate limit of
 *   the location and in constant memory.
 * - A conversation that receives a message during the job stays unread, or is marked as
 *   unread again; its outcome is `Newer`. If it was marked as read before the message
 *   arrived, it may be found again and get `Newer` as a second outcome.
 * - To continue after a stop, call it again with the same `before`, such as that of
 *   {@link newestMessageDate}; the default would be later. Conversations that are already
 *   read are not found again, except those of the last seconds, for which an update
 *   changes nothing.
 * - Stopping waits for requests in flight and for marking as unread again. A process that
 *   is killed between these two requests leaves that conversation marked as read.
 * - If a search fails, the stream fails after the outcomes of what was found before.
 *
 * The token requires `conversations.readonly` and `conversations.write`.
 *
 * **Example** (Mark everything as read)
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
      // If no conversation has a date, all stay unread.
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
            // Here it is the code of a channel, in an update a name.
            type: row.type ?? null,
            // Without a date in the response, that of the search counts.
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
          // Without an id the update fails with `InvalidRequest`.
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
      // This job has no journal.
      return Stream.catchTag(outcomes, "JournalError", (error) => Stream.die(error))
    })
  )
}
