/** What the tests of large inboxes share: conversations of one location, three in ten of them unread. */
import * as DateTime from "effect/DateTime"
import type { Sandbox } from "effect-highlevel/testing"
import { ids } from "./harness.ts"

export const { locationId } = ids

/** The date of the newest message. */
export const newest = 1_700_000_000_000

/** Of the unread ones, 250 share a millisecond, and the 250 after them have one each, and so on. */
export const seedsOf = (count: number): ReadonlyArray<Sandbox.Seed> => {
  const last = Math.ceil(count * 0.3) - 1
  let unread = -1
  return Array.from({ length: count }, (_, index) => {
    const isUnread = index % 10 < 3
    if (isUnread) unread++
    const rank = Math.floor(unread / 250) % 2 === 0 ? Math.floor(unread / 250) * 250 : unread
    return {
      id: `c${index}`,
      locationId,
      unreadCount: isUnread ? 1 + (index % 4) : 0,
      lastMessageDate: DateTime.makeUnsafe(newest - (last - rank) * 1000)
    }
  })
}
