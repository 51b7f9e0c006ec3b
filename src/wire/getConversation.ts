/**
 * Get Conversation: `GET /conversations/:conversationId`.
 *
 * @see {@link https://marketplace.gohighlevel.com/docs/ghl/conversations/get-conversation | Get Conversation}
 */
import * as Schema from "effect/Schema"
import * as Conversation from "./Conversation.ts"
import * as ErrorResponse from "./ErrorResponse.ts"
import * as Lenient from "./lenient.ts"
import * as Operation from "./Operation.ts"
import { ConversationId } from "./updateConversation.ts"

/** The conversation to read. `locationId` is not sent: it selects the token and the rate limit. */
export const GetConversationRequest = Schema.Struct({
  conversationId: ConversationId,
  locationId: Operation.LocationId
})

export interface GetConversationRequest extends Schema.Schema.Type<typeof GetConversationRequest> {}

/**
 * The documented 200: the conversation itself. Live responses omit `inbox`, `starred`,
 * and an `unreadCount` that was never set.
 */
export const GetConversationResponse = Lenient.struct({
  ...Conversation.fields,
  type: Lenient.field(Schema.Finite.annotate({ description: "Communication channel type for this conversation" }))
})

export interface GetConversationResponse extends Schema.Schema.Type<typeof GetConversationResponse> {}

/** The operation. It requires the scope `conversations.readonly`. */
export const getConversation = Operation.make({
  ...Operation.get,
  name: "Conversations.get",
  documentation: "https://marketplace.gohighlevel.com/docs/ghl/conversations/get-conversation",
  path: "/conversations/:conversationId",
  input: GetConversationRequest,
  params: { conversationId: ConversationId },
  success: GetConversationResponse,
  error: [ErrorResponse.BadRequest]
})
