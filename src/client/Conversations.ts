/** Updates, reads and searches conversations, through the `HighLevelClient`. */
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
 * Updates the given fields of a conversation and returns the conversation. Omitted
 * fields keep their values; with only the ids, nothing changes.
 *
 * **Details**
 *
 * `PUT /conversations/:conversationId` sets absolute values, so an update is safe to
 * retry. Any field of a live response may be missing: read each with a fallback.
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
 * Reads a conversation. Live responses omit `inbox`, `starred`, and an `unreadCount`
 * that was never set.
 *
 * @see {@link https://marketplace.gohighlevel.com/docs/ghl/conversations/get-conversation | Get Conversation}
 */
export const get = /* @__PURE__ */ call(getConversation)

/**
 * Finds one page of conversations: the first, or the one after `startAfterDate`. Use
 * {@link search} to read all pages: a loop over `searchPage` skips conversations where
 * several share a date at the end of a page.
 *
 * @see {@link https://marketplace.gohighlevel.com/docs/ghl/conversations/search-conversation | Search Conversations}
 */
export const searchPage = /* @__PURE__ */ call(searchConversations)

/**
 * Streams all matching conversations, each once, ordered by their last message. It
 * fetches one page ahead. Requests count against the location's rate limit.
 *
 * **Details**
 *
 * With `sort: "asc"`, the default, a conversation that receives a message while the
 * stream runs moves to the end and is found there. With `"desc"` it moves to the top and
 * is missed, unless it was already found. `limit` is the page size (default 100). If
 * more conversations than that share a date, the stream requests larger pages; if
 * HighLevel does not return them, it fails with {@link SearchIncomplete}.
 *
 * **Gotchas**
 *
 * HighLevel's search index lags by seconds: a recent change may be missing from results.
 * The stream keeps all found ids in memory, about 65 bytes each.
 *
 * **Example** (List the contacts with unread conversations)
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
