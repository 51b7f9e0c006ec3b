/** Conversations: the operations on them, as functions over the `HighLevelClient`. */
import * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import { getConversation } from "../wire/getConversation.ts"
import type { Operation } from "../wire/Operation.ts"
import { type FoundConversation, searchConversations } from "../wire/searchConversations.ts"
import { updateConversation } from "../wire/updateConversation.ts"
import { type CallOptions, type Executed, HighLevelClient } from "./HighLevelClient.ts"
import type { HighLevelError } from "./HighLevelError.ts"
import * as Search from "./search.ts"
import type { SearchIncomplete } from "./searchCursor.ts"

export type { SearchQuery } from "./search.ts"
export { SearchIncomplete } from "./searchCursor.ts"

const outputOf = <O>({ output }: Executed<O>) => output

const call =
  <I extends object, O>(operation: Operation<I, O>) =>
  (input: I, options?: CallOptions): Effect.Effect<O, HighLevelError, HighLevelClient> =>
    Effect.flatMap(HighLevelClient, (client) => Effect.map(client.execute(operation, input, options), outputOf))

/**
 * Sets the given fields of a conversation and returns the conversation. Fields that
 * are left out stay as they are; with ids alone nothing changes.
 *
 * **Details**
 *
 * `PUT /conversations/:conversationId` sets absolute values, so repeating an update
 * is safe. Live responses leave fields out: read each with a fallback.
 *
 * **Example** (Mark as read and star, against the sandbox)
 *
 * ```ts
 * import { Conversations, HighLevelClient } from "effect-highlevel"
 * import { Sandbox } from "effect-highlevel/testing"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as Redacted from "effect/Redacted"
 *
 * const program = Conversations.update({
 *   conversationId: "tDtDnQdgm2LXpyiqYvZ6",
 *   locationId: "tDtDnQdgm2LXpyiqYvZ6",
 *   unreadCount: 0,
 *   starred: true
 * }).pipe(Effect.map(({ conversation }) => [conversation.unreadCount, conversation.starred]))
 *
 * const layer = HighLevelClient.layer({ token: Redacted.make("sandbox-token") }).pipe(Layer.provide(Sandbox.layer()))
 *
 * await Effect.runPromise(program.pipe(Effect.provide(layer))) // => [0, true]
 * ```
 *
 * @see {@link https://marketplace.gohighlevel.com/docs/ghl/conversations/update-conversation | Update Conversation}
 */
export const update = /* @__PURE__ */ call(updateConversation)

/**
 * Reads a conversation. Live responses leave out `inbox`, `starred` and an
 * `unreadCount` that was never set.
 *
 * @see {@link https://marketplace.gohighlevel.com/docs/ghl/conversations/get-conversation | Get Conversation}
 */
export const get = /* @__PURE__ */ call(getConversation)

/**
 * Finds a page of conversations: the first one, or the one after `startAfterDate`. To
 * read them all use {@link search}: a loop over pages loses conversations that share a
 * date across the end of a page.
 *
 * @see {@link https://marketplace.gohighlevel.com/docs/ghl/conversations/search-conversation | Search Conversations}
 */
export const searchPage = /* @__PURE__ */ call(searchConversations)

/**
 * Finds conversations, each once, in the order of their last message. The next page is
 * fetched while one is handed over; all share the rate limit of the location.
 *
 * **Details**
 *
 * With `sort: "asc"`, the default, a conversation that gets a message while the stream
 * runs moves to the end and is found there. With `"desc"` it moves to the top, and is
 * left out if it was not reached before. `limit` is the length of a page (default 100).
 * Where more conversations than that share a date, the limit is raised for them; where
 * HighLevel does not return as many, the stream fails with {@link SearchIncomplete}.
 *
 * **Gotchas**
 *
 * The search index lags behind by seconds: what was just changed may not be found, or as
 * it was before. The ids are kept in memory: 61 to 67 bytes each, measured with 1,000,000 and 100,000.
 *
 * **Example** (Whose conversations are unread)
 *
 * ```ts
 * import { Conversations, HighLevelClient } from "effect-highlevel"
 * import { Sandbox } from "effect-highlevel/testing"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as Redacted from "effect/Redacted"
 * import * as Stream from "effect/Stream"
 *
 * const unread = Conversations.search({ locationId: "tDtDnQdgm2LXpyiqYvZ6", status: "unread" }).pipe(
 *   Stream.map(({ contactId }) => contactId),
 *   Stream.runCollect
 * )
 *
 * const layer = HighLevelClient.layer({ token: Redacted.make("sandbox-token") }).pipe(Layer.provide(Sandbox.layer()))
 *
 * await Effect.runPromise(unread.pipe(Effect.provide(layer))) // => ["tDtDnQdgm2LXpyiqYvZ6"]
 * ```
 *
 * @see {@link https://marketplace.gohighlevel.com/docs/ghl/conversations/search-conversation | Search Conversations}
 */
export const search = (
  query: Search.SearchQuery,
  options: CallOptions = {}
): Stream.Stream<FoundConversation, HighLevelError | SearchIncomplete, HighLevelClient> =>
  Search.stream(query, { ...options, once: true })
