/**
 * Search Conversations: `GET /conversations/search`, as the vendor's OpenAPI file
 * documents it.
 *
 * @see {@link https://marketplace.gohighlevel.com/docs/ghl/conversations/search-conversation | Search Conversations}
 */
import * as Schema from "effect/Schema"
import { documentedMessageTypes, fields } from "./Conversation.ts"
import * as ErrorResponse from "./ErrorResponse.ts"
import * as Lenient from "./lenient.ts"
import * as Operation from "./Operation.ts"

const text = (description: string, example: string) =>
  Schema.optionalKey(Schema.String.annotate({ description, examples: [example] }))
const oneOf = <const L extends ReadonlyArray<string>>(description: string, literals: L) =>
  Schema.optionalKey(Schema.Literals(literals).annotate({ description }))
const number = (description: string) => Schema.optionalKey(Schema.Finite.annotate({ description }))
const MessageType = Schema.Union([Schema.Literals(documentedMessageTypes), Schema.StringForLiteralAutocomplete])
const sortings = ["last_manual_message_date", "last_message_date", "score_profile", "overdue_at", "due_at"] as const
const ids = "ABCHkzuJQ8ZMd4Te84GK,fGiae4CHkzoskh8thsik"
const id = "ABCHkzuJQ8ZMd4Te84GK"

/** The filters of a search in a location. Separate several ids by commas. */
export const ConversationQuery = Schema.Struct({
  locationId: Operation.LocationId,
  contactId: text("Contact Id", "9VEmS0si86GW6gXWU89b"),
  /** A user's id, or `"unassigned"`. */
  assignedTo: text("User IDs that conversations are assigned to. Multiple IDs can be comma-separated.", ids),
  followers: text("User IDs of followers to filter conversations by. Multiple IDs can be comma-separated.", ids),
  mentions: text("User Id of the mention. Multiple values are comma separated.", ids),
  query: text("Search parameter as a string", "Search string"),
  sort: oneOf("Sort parameter - asc or desc", ["asc", "desc"]),
  /** Continues after this value, exclusively: epoch milliseconds if sorted by a date. */
  startAfterDate: number("Search to begin after the specified date - the sort value of the last document"),
  id: text("Id of the conversation", id),
  /** @default 20 */
  limit: Schema.optionalKey(
    Schema.Int.annotate({ description: "Limit of conversations" }).check(Schema.isGreaterThan(0))
  ),
  lastMessageType: Schema.optionalKey(MessageType.annotate({ description: "Type of the last message as a string" })),
  lastMessageAction: oneOf("Action of the last outbound message in the conversation", ["automated", "manual"]),
  lastMessageDirection: oneOf("Direction of the last message in the conversation", ["inbound", "outbound"]),
  status: oneOf("The status of the conversation", ["all", "read", "unread", "starred", "recents"]),
  sortBy: oneOf("The sorting of the conversation - manual messages or all messages", sortings),
  sortScoreProfile: text("Id of score profile on which sortBy.ScoreProfile should sort on", id),
  scoreProfile: text("Id of score profile on which conversations should get filtered out", id),
  scoreProfileMin: number("Minimum value for score"),
  scoreProfileMax: number("Maximum value for score"),
  startDate: number("Start date filter for dateAdded field (Unix timestamp in milliseconds)"),
  endDate: number("End date filter for dateAdded field (Unix timestamp in milliseconds)")
})

export interface ConversationQuery extends Schema.Schema.Type<typeof ConversationQuery> {}

const read = (description: string) => Lenient.field(Schema.String.annotate({ description }))

/** A conversation in a search result. Every field may be missing or `null`. */
export const FoundConversation = Lenient.struct({
  ...fields,
  type: read("Primary channel/type of the conversation: TYPE_PHONE, TYPE_EMAIL, …"),
  fullName: read("Complete name of the contact (first and last name)"),
  contactName: read("Alternative display name for the contact - used when full name is not available"),
  email: read("Primary email address of the contact"),
  phone: read("Primary phone number of the contact"),
  /** Undocumented: the value that `startAfterDate` continues from. */
  sort: Lenient.field(Schema.Array(Schema.Finite))
})

export interface FoundConversation extends Schema.Schema.Type<typeof FoundConversation> {}

/** The 200. `conversations` is required, so that no other body is taken for an empty result. */
export const SearchConversationsResponse = Lenient.struct({
  conversations: Schema.Array(FoundConversation),
  total: Lenient.field(Schema.Finite.annotate({ description: "Total Number of results found for the given query" }))
})

export interface SearchConversationsResponse extends Schema.Schema.Type<typeof SearchConversationsResponse> {}

/** The operation. It requires the scope `conversations.readonly`. */
export const searchConversations = Operation.make({
  ...Operation.get,
  name: "Conversations.search",
  documentation: "https://marketplace.gohighlevel.com/docs/ghl/conversations/search-conversation",
  path: "/conversations/search",
  input: ConversationQuery,
  query: ConversationQuery.fields,
  success: SearchConversationsResponse,
  error: [ErrorResponse.BadRequest]
})
