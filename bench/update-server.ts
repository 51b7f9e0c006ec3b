/**
 * The documented 200 with the headers of a quota, answered by as little as Node
 * allows: what is measured is the client. The conversation "<n>-<limit>-…" has a
 * last message of n characters, and its location that many requests an interval.
 */
import { createServer } from "node:http"

const answers = new Map<string, { readonly body: string; readonly headers: Record<string, string> }>()

const answerFor = (size: number, limit: number) => {
  const key = `${size}-${limit}`
  const known = answers.get(key)
  if (known !== undefined) return known
  const body = JSON.stringify({
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
  const answer = {
    body,
    headers: {
      "content-type": "application/json; charset=utf-8",
      "content-length": String(body.length),
      "x-ratelimit-limit-daily": "200000000",
      "x-ratelimit-daily-remaining": "199999999",
      "x-ratelimit-daily-reset": "86400000",
      // As documented, or out of the way.
      "x-ratelimit-interval-milliseconds": limit > 100 ? "1000" : "10000",
      "x-ratelimit-max": String(limit),
      "x-ratelimit-remaining": String(limit - 1)
    }
  }
  answers.set(key, answer)
  return answer
}

const server = createServer((request, response) => {
  request.resume()
  request.on("end", () => {
    const [, size = "32", limit = "100"] = /^\/conversations\/(\d+)-(\d+)-/.exec(request.url ?? "") ?? []
    const { body, headers } = answerFor(Number(size), Number(limit))
    response.writeHead(200, headers)
    response.end(body)
  })
})
server.keepAliveTimeout = 600_000
server.listen(0, "127.0.0.1", () => {
  const address = server.address()
  console.log(`http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : ""}`)
})
