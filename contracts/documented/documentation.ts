/**
 * The documentation of "Update Conversation", transcribed once, line by line:
 * the only source of the contract. Nothing here is ours; what we add to it is in
 * `interactions.ts`, marked and with its reason.
 */

export interface Field {
  readonly name: string
  readonly type: "string" | "number" | "boolean" | "object" | "array[string]"
  readonly description?: string
  readonly example?: unknown
  readonly allowedValues?: ReadonlyArray<string>
}

export interface DocumentedResponse {
  readonly status: number
  readonly title: string
  readonly body: ReadonlyArray<Field>
}

export const source = {
  title: "Update Conversation",
  url: "https://marketplace.gohighlevel.com/docs/ghl/conversations/update-conversation",
  retrieved: "2026-11"
} as const

export const operation = {
  method: "PUT",
  path: "/conversations/:conversationId",
  description: "Update the conversation details based on the conversation ID",
  credentials:
    "Use the Access Token generated with user type as Sub-Account (OR) Private Integration Token of Sub-Account."
} as const

const id = "tDtDnQdgm2LXpyiqYvZ6"

export const pathParameters: ReadonlyArray<Field> = [
  { name: "conversationId", type: "string", description: "Conversation ID as string", example: id }
]

export const headers: ReadonlyArray<Field> = [
  {
    name: "Authorization",
    type: "string",
    description: "Access Token",
    example: "Bearer 9c48df2694a849b6089f9d0d3513efe"
  },
  { name: "Version", type: "string", description: "API Version", allowedValues: ["2021-07-28"] }
]

export const body: ReadonlyArray<Field> = [
  { name: "locationId", type: "string", description: "Location ID as string", example: id },
  { name: "unreadCount", type: "number", description: "Count of unread messages in the conversation", example: 1 },
  { name: "starred", type: "boolean", description: "Starred status of the conversation.", example: true },
  { name: "feedback", type: "object" }
]

export const messageTypes = [
  "TYPE_CALL",
  "TYPE_SMS",
  "TYPE_EMAIL",
  "TYPE_SMS_REVIEW_REQUEST",
  "TYPE_WEBCHAT",
  "TYPE_SMS_NO_SHOW_REQUEST",
  "TYPE_CAMPAIGN_SMS",
  "TYPE_CAMPAIGN_CALL",
  "TYPE_CAMPAIGN_EMAIL",
  "TYPE_CAMPAIGN_VOICEMAIL",
  "TYPE_FACEBOOK",
  "TYPE_CAMPAIGN_FACEBOOK",
  "TYPE_CAMPAIGN_MANUAL_CALL",
  "TYPE_CAMPAIGN_MANUAL_SMS",
  "TYPE_GMB",
  "TYPE_CAMPAIGN_GMB",
  "TYPE_REVIEW",
  "TYPE_INSTAGRAM",
  "TYPE_WHATSAPP",
  "TYPE_CUSTOM_SMS",
  "TYPE_CUSTOM_EMAIL",
  "TYPE_CUSTOM_PROVIDER_SMS",
  "TYPE_CUSTOM_PROVIDER_EMAIL",
  "TYPE_IVR_CALL",
  "TYPE_ACTIVITY_CONTACT",
  "TYPE_ACTIVITY_INVOICE",
  "TYPE_ACTIVITY_PAYMENT",
  "TYPE_ACTIVITY_OPPORTUNITY",
  "TYPE_LIVE_CHAT",
  "TYPE_LIVE_CHAT_INFO_MESSAGE",
  "TYPE_ACTIVITY_APPOINTMENT",
  "TYPE_FACEBOOK_COMMENT",
  "TYPE_INSTAGRAM_COMMENT",
  "TYPE_CUSTOM_CALL",
  "TYPE_INTERNAL_COMMENT"
] as const

/** The fields of `conversation` in the 200. */
export const conversation: ReadonlyArray<Field> = [
  // "Contact ID" is the documentation's own slip; it is the conversation's id.
  { name: "id", type: "string", description: "Contact ID as string", example: id },
  { name: "locationId", type: "string", description: "Location ID as string", example: id },
  { name: "contactId", type: "string", description: "Contact ID as string", example: id },
  { name: "assignedTo", type: "string", description: "Assigned User ID as string", example: id },
  { name: "userId", type: "string", description: "User ID as string", example: id },
  {
    name: "lastMessageBody",
    type: "string",
    description: "Last message body as string",
    example: "Hello, this is the message body"
  },
  { name: "lastMessageDate", type: "string", description: "Last message date as UTC", example: "1628008053263" },
  {
    name: "lastMessageType",
    type: "string",
    description: "Type of the last message sent/received in the conversation.",
    allowedValues: messageTypes,
    example: "TYPE_CALL"
  },
  { name: "unreadCount", type: "number", description: "Count of unread messages in the conversation", example: 1 },
  { name: "inbox", type: "boolean", description: "Inbox status of the conversation.", example: true },
  { name: "starred", type: "boolean", description: "Starred status of the conversation.", example: true },
  { name: "deleted", type: "boolean", description: "Deleted status of the conversation.", example: false }
]

export const responses: ReadonlyArray<DocumentedResponse> = [
  {
    status: 200,
    title: "Successful response",
    body: [
      { name: "success", type: "boolean", description: "Boolean value as the API response.", example: true },
      {
        name: "conversation",
        type: "object",
        description: "Conversation data of the provided conversation ID.",
        example: Object.fromEntries(conversation.map(({ example, name }) => [name, example]))
      }
    ]
  },
  {
    status: 422,
    title: "Unprocessable Entity",
    body: [
      { name: "statusCode", type: "number", example: 422 },
      { name: "message", type: "array[string]", example: ["Unprocessable Entity"] },
      { name: "error", type: "string", example: "Unprocessable Entity" }
    ]
  },
  {
    status: 401,
    title: "Unauthorized",
    body: [
      { name: "statusCode", type: "number", example: 401 },
      { name: "message", type: "string", example: "Invalid token: access token is invalid" },
      { name: "error", type: "string", example: "Unauthorized" }
    ]
  },
  {
    status: 400,
    title: "Bad Request",
    body: [
      { name: "statusCode", type: "number", example: 400 },
      { name: "message", type: "string", example: "Bad Request" }
    ]
  }
]
