/**
 * The update: which conversation, in which location, and what changes.
 *
 * Requests are strict where answers are tolerant. HighLevel refuses unknown body
 * keys with a 422, and an id such as `..` turns into another path, so both are
 * refused here, before anything is sent.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { Conversation } from "./Conversation.ts"
import * as Tolerant from "./internal/tolerant.ts"

// `.` and `..` survive percent-encoding and would be resolved by the URL parser;
// lone surrogates (Cs) cannot be encoded at all.
const isIdentifier = Schema.makeFilter((id: string) => {
  if (id === "." || id === "..") return `Expected an id, got the path segment "${id}"`
  if (/[\p{Cc}\p{Cs}]/u.test(id)) return "Expected an id without control characters or lone surrogates"
  return undefined
})

/**
 * The id of a conversation: not empty, not `.` or `..`, no control characters.
 * It is percent-encoded into the path.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ConversationId = Schema.String.annotate({
  description: "Conversation ID as string",
  examples: ["tDtDnQdgm2LXpyiqYvZ6"]
}).check(Schema.isNonEmpty(), isIdentifier)

/**
 * The id of the location (sub-account) that the conversation belongs to.
 *
 * @category schemas
 * @since 0.1.0
 */
export const LocationId = Schema.String.annotate({
  description: "Location ID as string",
  examples: ["tDtDnQdgm2LXpyiqYvZ6"]
}).check(Schema.isNonEmpty(), isIdentifier)

/**
 * Feedback: a JSON object as documented for `2021-07-28`, or `"positive"` or
 * `"negative"` as the vendor's `v3` specification has it.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Feedback = Schema.Union([Schema.JsonObject, Schema.Literals(["positive", "negative"])])

/**
 * @category models
 * @since 0.1.0
 */
export type Feedback = typeof Feedback.Type

/**
 * The body of the request, exactly the documented keys. `locationId` alone is
 * valid: it changes nothing and answers the conversation.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Changes = Schema.Struct({
  locationId: LocationId,
  unreadCount: Schema.optionalKey(
    Schema.Natural.annotate({ description: "Count of unread messages in the conversation", examples: [1] })
  ),
  starred: Schema.optionalKey(
    Schema.Boolean.annotate({ description: "Starred status of the conversation.", examples: [true] })
  ),
  feedback: Schema.optionalKey(Feedback)
})

/**
 * @category models
 * @since 0.1.0
 */
export interface Changes extends Schema.Schema.Type<typeof Changes> {}

/**
 * A whole update as {@link Changes} plus the conversation it is for; what
 * `Conversations.update` takes.
 *
 * **Example** (Mark a conversation as read)
 *
 * ```ts
 * import { ConversationUpdate } from "effect-highlevel"
 *
 * const markRead = ConversationUpdate.ConversationUpdate.make({
 *   conversationId: "tDtDnQdgm2LXpyiqYvZ6",
 *   locationId: "tDtDnQdgm2LXpyiqYvZ6",
 *   unreadCount: 0
 * })
 *
 * markRead.unreadCount // => 0
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const ConversationUpdate = Schema.Struct({ conversationId: ConversationId, ...Changes.fields })

/**
 * @category models
 * @since 0.1.0
 */
export interface ConversationUpdate extends Schema.Schema.Type<typeof ConversationUpdate> {}

/**
 * The documented 200. `traceId` is not documented but answered, and support asks
 * for it. Only `conversation` must be there: an answer without one cannot be
 * read.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Answer = Tolerant.struct(
  {
    success: Tolerant.field(
      Schema.Boolean.annotate({ description: "Boolean value as the API response.", examples: [true] })
    ),
    conversation: Conversation,
    traceId: Tolerant.field(Schema.String)
  },
  { description: "Successful response" }
)

/**
 * @category models
 * @since 0.1.0
 */
export interface Answer extends Schema.Schema.Type<typeof Answer> {}
