/**
 * Update Conversation: `PUT /conversations/:conversationId`, as its page documents it.
 * Requests are validated strictly, since HighLevel refuses unknown keys with a 422.
 * Responses are decoded leniently, since live ones differ from the page.
 *
 * @see {@link https://marketplace.gohighlevel.com/docs/ghl/conversations/update-conversation | Update Conversation}
 */
import * as Schema from "effect/Schema"
import { Conversation } from "./Conversation.ts"
import * as ErrorResponse from "./ErrorResponse.ts"
import * as Lenient from "./lenient.ts"
import * as Operation from "./Operation.ts"

/** The id of a conversation. */
export const ConversationId = Operation.identifier("Conversation ID as string")

/**
 * Feedback on a conversation: a JSON object, as documented for `2021-07-28`, or
 * `"positive"` or `"negative"` in `v3`.
 */
export const Feedback = Schema.Union([Schema.JsonObject, Schema.Literals(["positive", "negative"])])

export type Feedback = typeof Feedback.Type

/**
 * The request body, with exactly the documented keys. With only `locationId`, nothing
 * changes and the conversation is returned.
 */
export const Changes = Schema.Struct({
  locationId: Operation.LocationId,
  unreadCount: Schema.optionalKey(
    Schema.Natural.annotate({ description: "Count of unread messages in the conversation", examples: [1] })
  ),
  starred: Schema.optionalKey(
    Schema.Boolean.annotate({ description: "Starred status of the conversation.", examples: [true] })
  ),
  feedback: Schema.optionalKey(Feedback)
})

export interface Changes extends Schema.Schema.Type<typeof Changes> {}

/**
 * The input of `Conversations.update`: {@link Changes} and the id of the conversation.
 *
 * **Example** (Mark a conversation as read)
 *
 * ```ts
 * import { UpdateConversation } from "effect-highlevel"
 *
 * const markRead = UpdateConversation.ConversationUpdate.make({
 *   conversationId: "tDtDnQdgm2LXpyiqYvZ6",
 *   locationId: "tDtDnQdgm2LXpyiqYvZ6",
 *   unreadCount: 0
 * })
 *
 * markRead.unreadCount // => 0
 * ```
 */
export const ConversationUpdate = Schema.Struct({ conversationId: ConversationId, ...Changes.fields })

export interface ConversationUpdate extends Schema.Schema.Type<typeof ConversationUpdate> {}

/**
 * The documented 200. Only `conversation` is required. `traceId` is undocumented;
 * HighLevel's support asks for it.
 */
export const UpdateConversationResponse = Lenient.struct(
  {
    success: Lenient.field(
      Schema.Boolean.annotate({ description: "Boolean value as the API response.", examples: [true] })
    ),
    conversation: Conversation,
    traceId: Lenient.field(Schema.String)
  },
  { description: "Successful response" }
)

export interface UpdateConversationResponse extends Schema.Schema.Type<typeof UpdateConversationResponse> {}

/** The operation. It requires the scope `conversations.write`. It sets absolute values, so it is safe to retry. */
export const updateConversation = Operation.make({
  name: "Conversations.update",
  documentation: "https://marketplace.gohighlevel.com/docs/ghl/conversations/update-conversation",
  method: "PUT",
  path: "/conversations/:conversationId",
  input: ConversationUpdate,
  params: { conversationId: ConversationId },
  headers: { version: Operation.ApiVersion },
  payload: Changes,
  success: UpdateConversationResponse,
  error: [ErrorResponse.BadRequest, ErrorResponse.Unprocessable],
  isIdempotent: true,
  isWrite: true
})
