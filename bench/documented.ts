/** What the server of the benches responds with: the documented 200, and the headers of a rate limit. */

/** The body, its last message as long as asked for. */
export const body = (size = 32) =>
  JSON.stringify({
    success: true,
    conversation: {
      id: "tDtDnQdgm2LXpyiqYvZ6",
      locationId: "tDtDnQdgm2LXpyiqYvZ6",
      contactId: "tDtDnQdgm2LXpyiqYvZ6",
      assignedTo: "tDtDnQdgm2LXpyiqYvZ6",
      userId: "tDtDnQdgm2LXpyiqYvZ6",
      lastMessageBody: "x".repeat(size),
      lastMessageDate: "1628008053263",
      lastMessageType: "TYPE_CALL",
      unreadCount: 1,
      inbox: true,
      starred: true,
      deleted: false
    }
  })

/** The headers, for so many requests an interval. */
export const headers = (body: string, limit: number) => ({
  "content-type": "application/json; charset=utf-8",
  "content-length": String(body.length),
  "x-ratelimit-limit-daily": "1000000",
  "x-ratelimit-daily-remaining": "999999",
  "x-ratelimit-daily-reset": "86400000",
  // As documented, or out of the way.
  "x-ratelimit-interval-milliseconds": limit > 100 ? "1000" : "10000",
  "x-ratelimit-max": String(limit),
  "x-ratelimit-remaining": String(limit - 1)
})
