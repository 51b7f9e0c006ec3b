/** The conversations that the sandbox stores, and their search index. */
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import * as Struct from "effect/Struct"
import type { ConversationQuery } from "../wire/searchConversations.ts"
import type { Changes } from "../wire/updateConversation.ts"
import type * as Model from "./SandboxModel.ts"
import * as SearchIndex from "./searchIndex.ts"

type StoredConversation = SearchIndex.StoredConversation

export const documentedConversation: Model.Seed = {
  id: "tDtDnQdgm2LXpyiqYvZ6",
  locationId: "tDtDnQdgm2LXpyiqYvZ6",
  contactId: "tDtDnQdgm2LXpyiqYvZ6",
  assignedTo: "tDtDnQdgm2LXpyiqYvZ6",
  userId: "tDtDnQdgm2LXpyiqYvZ6",
  lastMessageBody: "Hello, this is the message body",
  lastMessageDate: DateTime.makeUnsafe(1628008053263),
  lastMessageType: "TYPE_CALL",
  unreadCount: 1,
  inbox: true,
  starred: false,
  deleted: false
}

/** The fields that only a search returns. */
const found = [
  "type",
  "fullName",
  "contactName",
  "email",
  "phone",
  "dateAdded",
  "lastMessageAction",
  "lastMessageDirection"
] as const

/** The fields of a conversation that updates and reads return. */
export const withoutFound = <C extends Partial<StoredConversation>>(conversation: C) => Struct.omit(conversation, found)

const types = ["TYPE_SMS", "TYPE_EMAIL", "TYPE_CALL"] as const
const users = ["ABCHkzuJQ8ZMd4Te84GK", "fGiae4CHkzoskh8thsik", null]
const firstDate = 1_628_008_053_263

const generated = (index: number): Model.Seed => {
  const number = String(index).padStart(6, "0")
  return {
    id: `conversation-${number}`,
    locationId: documentedConversation.locationId,
    contactId: `contact-${number}`,
    assignedTo: users[index % users.length] ?? null,
    lastMessageBody: `Message ${index}`,
    // Three share each date, so that some always do at the end of a page.
    lastMessageDate: DateTime.makeUnsafe(firstDate + Math.ceil(index / 3) * 60_000),
    lastMessageType: types[index % types.length] ?? "TYPE_SMS",
    lastMessageDirection: index % 2 === 0 ? "inbound" : "outbound",
    unreadCount: index % 10 < 3 ? 1 + (index % 4) : 0,
    starred: index % 25 === 0,
    inbox: true,
    deleted: false,
    type: "TYPE_PHONE",
    fullName: `Contact ${index}`,
    contactName: `Contact ${index}`,
    email: `contact-${number}@example.com`,
    phone: `+1555${number.padStart(7, "0")}`,
    dateAdded: firstDate - index
  }
}

/** The documented example, followed by generated conversations. */
export const generate = (count: number): ReadonlyArray<Model.Seed> =>
  Array.from({ length: count }, (_, index) => (index === 0 ? documentedConversation : generated(index)))

export const make = (indexLagMillis: number) => {
  const conversations = new Map<string, StoredConversation>()
  const locationIds = new Set<string>()
  const index = SearchIndex.make(indexLagMillis)

  const store = (conversation: StoredConversation, now: number) => {
    conversations.set(conversation.id, conversation)
    locationIds.add(conversation.locationId)
    index.putLater(conversation, now)
    return conversation
  }

  const change = (conversationId: string, now: number, to: (conversation: StoredConversation) => Partial<Model.Seed>) =>
    Option.map(Option.fromUndefinedOr(conversations.get(conversationId)), (conversation) =>
      store({ ...conversation, ...to(conversation) }, now)
    )

  return {
    locationIds: () => [...locationIds],
    all: () => [...conversations.values()],
    get: (conversationId: string) => Option.fromUndefinedOr(conversations.get(conversationId)),
    seed: (conversation: Model.Seed, now: number) => void store({ ...conversation }, now),
    /** Replaces all conversations by these, which a search finds at once. */
    reset: (seeds: ReadonlyArray<Model.Seed>) => {
      conversations.clear()
      locationIds.clear()
      index.clear()
      for (const seed of seeds) {
        const conversation = { ...seed }
        conversations.set(seed.id, conversation)
        locationIds.add(seed.locationId)
        index.put(conversation)
      }
    },
    /** Returns the changed conversation; none if the location does not have it. */
    update: (conversationId: string, { locationId, starred, unreadCount }: Changes, now: number) =>
      conversations.get(conversationId)?.locationId === locationId
        ? change(conversationId, now, () => ({
            ...(unreadCount === undefined ? {} : { unreadCount }),
            ...(starred === undefined ? {} : { starred })
          }))
        : Option.none(),
    /** Returns the conversation with a new message; none if it does not exist. */
    receive: ({ body, conversationId, direction = "inbound", type }: Model.Message, now: number) =>
      change(conversationId, now, ({ lastMessageType, unreadCount }) => ({
        lastMessageBody: body ?? "Hello",
        lastMessageDate: DateTime.makeUnsafe(now),
        lastMessageDirection: direction,
        lastMessageType: type ?? lastMessageType ?? "TYPE_SMS",
        ...(direction === "inbound" ? { unreadCount: (unreadCount ?? 0) + 1 } : {})
      })),
    search: (query: ConversationQuery, limit: number, now: number) => index.search(query, limit, now)
  }
}
