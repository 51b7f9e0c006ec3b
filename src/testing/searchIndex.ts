/**
 * The sandbox's search index: the conversations of each location, ordered by the date of
 * their last message, with a lag.
 */
import * as DateTime from "effect/DateTime"
import type { ConversationQuery } from "../wire/searchConversations.ts"
import type { Conversation } from "../wire/Conversation.ts"
import type { Seed } from "./SandboxModel.ts"

/** A conversation of the sandbox. */
export type StoredConversation = Seed & Conversation

interface Entry {
  conversation: StoredConversation
  /** The date of its last message; `Infinity` if it has none. */
  readonly date: number
  /** The order among equal dates. */
  readonly order: number
}

interface Location {
  entries: Array<Entry>
  isSorted: boolean
}

/** Filters that the sandbox has no data for. */
const unanswerable = ["followers", "mentions", "scoreProfile", "scoreProfileMin", "scoreProfileMax"] as const

/** Explains why the sandbox does not support a query: ignoring a filter would find too much. */
export const problemOf = (query: ConversationQuery): string | undefined => {
  const filter = unanswerable.find((name) => query[name] !== undefined)
  if (filter !== undefined) return `The sandbox cannot filter by ${filter}`
  const { sortBy = "last_message_date" } = query
  return sortBy === "last_message_date" ? undefined : `The sandbox cannot sort by ${sortBy}`
}

type Matches = (conversation: StoredConversation) => boolean

const isUnread: Matches = ({ unreadCount }) => (unreadCount ?? 0) > 0

/** The filters of a query; none if everything matches. */
const filtersOf = (query: ConversationQuery): ReadonlyArray<Matches> => {
  const { assignedTo, contactId, endDate, id, lastMessageAction, lastMessageDirection, lastMessageType } = query
  const { query: text, startDate, status } = query
  const filters: Array<Matches> = []
  if (status === "unread") filters.push(isUnread)
  if (status === "read") filters.push((conversation) => !isUnread(conversation))
  if (status === "starred") filters.push(({ starred }) => starred === true)
  if (id !== undefined) filters.push((stored) => stored.id === id && stored.locationId === query.locationId)
  if (contactId !== undefined) filters.push((conversation) => conversation.contactId === contactId)
  if (assignedTo !== undefined) {
    const users = new Set(assignedTo.split(","))
    filters.push((conversation) => users.has(conversation.assignedTo ?? "unassigned"))
  }
  if (lastMessageType !== undefined) filters.push((stored) => stored.lastMessageType === lastMessageType)
  if (lastMessageAction !== undefined) filters.push((stored) => stored.lastMessageAction === lastMessageAction)
  if (lastMessageDirection !== undefined) filters.push((stored) => stored.lastMessageDirection === lastMessageDirection)
  if (startDate !== undefined) filters.push(({ dateAdded }) => dateAdded !== undefined && dateAdded >= startDate)
  if (endDate !== undefined) filters.push(({ dateAdded }) => dateAdded !== undefined && dateAdded <= endDate)
  if (text !== undefined) {
    const wanted = text.toLowerCase()
    filters.push(({ contactName, email, fullName, lastMessageBody, phone }) =>
      [lastMessageBody, fullName, contactName, email, phone].some((field) => field?.toLowerCase().includes(wanted))
    )
  }
  return filters
}

const compare = (one: Entry, other: Entry) =>
  one.date === other.date ? one.order - other.order : one.date - other.date

/** Finds the first entry for which the condition holds. It must hold for all later ones. */
const firstOf = (entries: ReadonlyArray<Entry>, condition: (entry: Entry) => boolean) => {
  let low = 0
  let high = entries.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const entry = entries[middle]
    if (entry !== undefined && condition(entry)) high = middle
    else low = middle + 1
  }
  return low
}

export const make = (lagMillis: number) => {
  const locations = new Map<string, Location>()
  const indexed = new Map<string, Entry>()
  let changes: Array<{ readonly conversation: StoredConversation; readonly visibleAt: number }> = []
  let orders = 0

  const sorted = (location: Location) => {
    if (!location.isSorted) location.entries.sort(compare)
    location.isSorted = true
    return location.entries
  }

  /** Makes a conversation visible at once. */
  const put = (conversation: StoredConversation) => {
    const { deleted, id, lastMessageDate, locationId } = conversation
    const date = lastMessageDate == null ? Infinity : DateTime.toEpochMillis(lastMessageDate)
    const known = indexed.get(id)
    if (
      known !== undefined &&
      known.date === date &&
      known.conversation.locationId === locationId &&
      deleted !== true
    ) {
      known.conversation = conversation
      return
    }
    const before = known && locations.get(known.conversation.locationId)
    if (known !== undefined && before !== undefined) {
      const entries = sorted(before)
      entries.splice(
        firstOf(entries, (entry) => compare(entry, known) >= 0),
        1
      )
      indexed.delete(id)
    }
    if (deleted === true) return
    const entry = { conversation, date, order: ++orders }
    const location = locations.get(locationId) ?? { entries: [], isSorted: true }
    const last = location.entries.at(-1)
    if (last !== undefined && compare(last, entry) > 0) location.isSorted = false
    location.entries.push(entry)
    locations.set(locationId, location)
    indexed.set(id, entry)
  }

  const update = (now: number) => {
    const due = changes.findIndex(({ visibleAt }) => visibleAt > now)
    const visible = due === -1 ? changes : changes.slice(0, due)
    if (visible.length === 0) return
    changes = due === -1 ? [] : changes.slice(due)
    for (const { conversation } of visible) put(conversation)
  }

  return {
    put,
    /** Makes a conversation visible after the lag. */
    putLater: (conversation: StoredConversation, now: number) => {
      if (lagMillis === 0) return put(conversation)
      changes.push({ conversation, visibleAt: now + lagMillis })
    },
    clear: () => {
      locations.clear()
      indexed.clear()
      changes = []
    },
    /** Returns a page of the matching conversations, and their total. */
    search: (query: ConversationQuery, limit: number, now: number) => {
      update(now)
      const location = locations.get(query.locationId)
      const one = query.id === undefined ? undefined : indexed.get(query.id)
      const entries = one !== undefined ? [one] : location === undefined ? [] : sorted(location)
      const { sort = "desc", startAfterDate: after } = query
      const filters = filtersOf(query)
      const page: Array<StoredConversation> = []
      let total = 0
      // Conversations without a date are last in either order.
      const dated = firstOf(entries, ({ date }) => date === Infinity)
      for (let position = 0; position < entries.length; position++) {
        const entry = entries[sort === "asc" || position >= dated ? position : dated - 1 - position]
        if (entry === undefined || !filters.every((matches) => matches(entry.conversation))) continue
        total++
        const { conversation, date } = entry
        const isAfter = after === undefined || date === Infinity || (sort === "asc" ? date > after : date < after)
        if (isAfter && page.length < limit) page.push(conversation)
      }
      return { page, total }
    }
  }
}
