/**
 * The inbox of a location, marked as read.
 *
 * HighLevel has no call for it, and an update has no precondition: a message that
 * arrives between search and update would be marked as read unseen, and a lead be lost.
 * {@link markRead} leaves every conversation alone whose last message is newer than a
 * given time.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { type CallOptions, HighLevelClient } from "../client/HighLevelClient.ts"
import type { HighLevelError, InvalidOptions } from "../client/HighLevelError.ts"
import * as Search from "../client/search.ts"
import type { SearchIncomplete } from "../client/searchCursor.ts"
import { getConversation } from "../wire/getConversation.ts"
import { type FoundConversation, searchConversations } from "../wire/searchConversations.ts"
import type * as Bulk from "./Bulk.ts"
import * as RunUpdates from "./runUpdates.ts"

/** Nothing was sent: its last message is newer than `before`, or has no date. */
export interface Newer {
  readonly _tag: "Newer"
  readonly row: FoundConversation
}

/** Nothing was sent: it has no unread message, although the search found it. */
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
    Pick<Bulk.Options, "concurrency" | "concurrencyPerLocation" | "stop" | "maxFailures" | "dryRun"> {
  /**
   * Conversations whose last message came later are left alone.
   *
   * @default the time of the location's newest message when the job starts, by HighLevel's clock
   */
  readonly before?: DateTime.DateTime | undefined

  /** Whether to set or remove the star as well. @default it stays as it is */
  readonly starred?: boolean | undefined

  /**
   * Whether each conversation is read right before its update, which costs a second
   * request, and left alone if it has changed. Without it a message is missed that arrives
   * while the update waits, or that the search does not show yet: it lags some seconds.
   *
   * @default false
   */
  readonly recheck?: boolean | undefined
}

// Found, and not sent yet: the fewer, the less time for a message to arrive.
const readAhead = 200

const dateOf = ({ lastMessageDate, sort }: FoundConversation): number | undefined =>
  sort?.[0] ?? (lastMessageDate ? DateTime.toEpochMillis(lastMessageDate) : undefined)

/** The date of the newest message of a location; none where there is no conversation. */
const newestIn = Effect.fnUntraced(function* (locationId: string) {
  const client = yield* HighLevelClient
  const query = { locationId, sort: "desc", sortBy: "last_message_date", limit: 1 } as const
  const { output } = yield* client.execute(searchConversations, query)
  return output.conversations.map(dateOf)[0]
})

/**
 * Marks the unread conversations of a location as read, and emits the outcome of each.
 *
 * **Details**
 *
 * It searches and updates at once, under the rate limit of the location and in constant
 * memory, from the conversation that has waited longest. What was stopped is continued by
 * the same call: what was read is not found any more, but for the last seconds.
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
  const {
    before,
    concurrency,
    concurrencyPerLocation = 16,
    dryRun,
    maxFailures,
    recheck,
    starred,
    stop,
    ...filters
  } = options
  const { locationId } = filters
  const query = { ...filters, status: "unread", sort: "asc", sortBy: "last_message_date" } as const
  return Stream.unwrap(
    Effect.gen(function* () {
      const client = yield* HighLevelClient
      const latest = before === undefined ? yield* newestIn(locationId) : DateTime.toEpochMillis(before)
      if (latest === undefined) return Stream.empty

      const leave = (row: FoundConversation): Newer | AlreadyRead | undefined => {
        const date = dateOf(row)
        if (date === undefined || date > latest) return { _tag: "Newer", row }
        return row.unreadCount === 0 && starred === undefined ? { _tag: "AlreadyRead", row } : undefined
      }
      const reread = (row: FoundConversation, callOptions: CallOptions) =>
        Effect.map(
          client.execute(getConversation, { conversationId: row.id ?? "", locationId }, callOptions),
          ({ output: { type: _, ...conversation } }): FoundConversation => conversation
        )
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
          concurrencyPerLocation,
          dryRun,
          maxFailures,
          readAhead,
          stop,
          leave,
          ...(recheck === true ? { reread, begunPerLocation: concurrencyPerLocation } : {})
        }
      )
      // There is no journal.
      return Stream.catchTag(outcomes, "JournalError", (error) => Stream.die(error))
    })
  )
}
