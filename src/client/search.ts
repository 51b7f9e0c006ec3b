/** Streams a search through the client. */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Stream from "effect/Stream"
import { type ConversationQuery, type FoundConversation, searchConversations } from "../wire/searchConversations.ts"
import { type CallOptions, HighLevelClient } from "./HighLevelClient.ts"
import type { HighLevelError } from "./HighLevelError.ts"
import * as SearchCursor from "./searchCursor.ts"

/** A search sorted by a date. */
export interface SearchQuery extends Omit<ConversationQuery, "sortBy" | "sortScoreProfile"> {
  readonly sortBy?: Exclude<ConversationQuery["sortBy"], "score_profile" | undefined>
}

/** The date of the last message, in epoch milliseconds, if it has one. */
export const messageMillis = ({ lastMessageDate, sort }: FoundConversation): number | undefined =>
  // Search engines sort by an extreme number where there is no date.
  [sort?.[0], lastMessageDate ? DateTime.toEpochMillis(lastMessageDate) : undefined].find(
    (millis) => millis !== undefined && Option.isSome(DateTime.make(millis))
  )

const isRefusal = ({ _tag }: HighLevelError) => _tag === "BadRequest" || _tag === "Unprocessable"

/**
 * Streams the conversations that a search finds; each chunk is a page. With
 * `once: false`, a conversation that receives a message during the search may come
 * again at the end, and memory is bounded by two pages.
 */
export const stream = (
  { limit = 100, sort = "asc", sortBy = "last_message_date", startAfterDate, ...query }: SearchQuery,
  { once, ...options }: CallOptions & { readonly once: boolean }
): Stream.Stream<FoundConversation, HighLevelError | SearchCursor.SearchIncomplete, HighLevelClient> =>
  SearchCursor.stream({
    locationId: query.locationId,
    fetchPage: (cursor, limit) => {
      const input = { ...query, limit, sort, sortBy, ...(cursor === undefined ? {} : { startAfterDate: cursor }) }
      return Effect.flatMap(HighLevelClient, (client) =>
        Effect.map(client.execute(searchConversations, input, options), ({ output }) => output)
      )
    },
    isRefusal,
    sort,
    startAfterDate,
    limit,
    byLastMessage: sortBy === "last_message_date",
    once
  })
