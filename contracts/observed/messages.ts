/** The messages of the observed contract: webhooks that were recorded and differ from their documentation. */
import { messages as documented } from "../documented/messages.ts"
import type { Message } from "../interaction.ts"

const ids = {
  locationId: "AYg6xxxxxxxxxxxxxxxx",
  contactId: "VVUvxxxxxxxxxxxxxxxx"
}
const conversationId = "cJTzny9zF2D5MnfWoZs2"
const conversation = { ...ids, id: conversationId, inbox: true, deleted: false }

export const messages: ReadonlyArray<Message> = [
  {
    operation: "ConversationUnreadUpdate",
    description: "an unread count changes, without an app, an id and a time",
    comments: ["A recorded delivery: starred is missing, and so are appId, webhookId and timestamp"],
    state: {
      name: "the unread count changes",
      params: { conversation: { ...conversation, starred: false, unreadCount: 1 }, unreadCount: 0 }
    },
    contents: { type: "ConversationUnreadUpdate", ...conversation, unreadCount: 0 },
    exact: ["type", "id", "locationId", "contactId", "unreadCount", "inbox", "deleted"],
    absent: ["starred", "appId", "webhookId", "timestamp"]
  },
  ...documented
    .filter(({ operation }) => operation === "InboundMessage")
    .map((message) =>
      Object.assign({}, message, {
        description: "a contact sends a message, to an app, with an id and a time",
        comments: ["Recorded deliveries: appId, versionId, timestamp and webhookId, besides what is documented"],
        contents: {
          ...message.contents,
          appId: "sandbox",
          versionId: "sandbox",
          webhookId: "5d3c9b8e-6f0a-4b7e-9c55-1d2f3a4b5c6d",
          timestamp: "2026-07-17T10:22:59.598Z"
        }
      })
    )
]
