/**
 * The documented 200 with the headers of a rate limit, sent by as little as Node
 * allows: what is measured is the client. The conversation "<n>-<limit>-…" has a
 * last message of n characters, and its location that many requests an interval.
 */
import { createServer } from "node:http"
import * as Documented from "./documented.ts"

const responses = new Map<string, { readonly body: string; readonly headers: Record<string, string> }>()

const responseFor = (size: number, limit: number) => {
  const key = `${size}-${limit}`
  const known = responses.get(key)
  if (known !== undefined) return known
  const body = Documented.body(size)
  const response = { body, headers: Documented.headers(body, limit) }
  responses.set(key, response)
  return response
}

const server = createServer((request, response) => {
  request.resume()
  request.on("end", () => {
    const [, size = "32", limit = "100"] = /^\/conversations\/(\d+)-(\d+)-/.exec(request.url ?? "") ?? []
    const { body, headers } = responseFor(Number(size), Number(limit))
    response.writeHead(200, headers)
    response.end(body)
  })
})
server.keepAliveTimeout = 600_000
server.listen(0, "127.0.0.1", () => {
  const address = server.address()
  console.log(`http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : ""}`)
})
