/**
 * The contract bites: each mutant is a small betrayal that must be caught, the
 * sandbox's by the verification, the client's by the consumer tests.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import { Conversations, HighLevelClient } from "effect-highlevel"
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, describe, it } from "vitest"
import { defaultToken } from "./interaction.ts"
import * as Pact from "./pact.ts"
import * as Provider from "./provider.ts"

const [documented] = Pact.contracts
assert(documented !== undefined)

const caught: Array<{ mutant: string; "caught by": string }> = []
afterAll(() => console.table(caught))

interface Answer {
  readonly status: number
  readonly contentType: string
  readonly body: Record<string, unknown>
}

const inBody =
  (status: number, mutate: (body: Record<string, unknown>) => Record<string, unknown>) => (answer: Answer) =>
    answer.status === status ? { ...answer, body: mutate(answer.body) } : answer

const inConversation = (mutate: (conversation: Record<string, unknown>) => unknown) =>
  inBody(200, (body) => ({ ...body, conversation: mutate(Object(body["conversation"])) }))

const without = (name: string) => (object: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(object).filter(([key]) => key !== name))

const answerMutants: ReadonlyArray<readonly [mutant: string, mutate: (answer: Answer) => Answer]> = [
  ["unchanged", (answer) => answer],
  [
    "200: unreadCount is renamed",
    inConversation(({ unreadCount, ...rest }) => ({ ...rest, unread_count: unreadCount }))
  ],
  ["200: starred is a string", inConversation((conversation) => ({ ...conversation, starred: "true" }))],
  ["200: unreadCount is a fraction", inConversation((conversation) => ({ ...conversation, unreadCount: 1.5 }))],
  ["200: lastMessageDate is a number", inConversation((conversation) => ({ ...conversation, lastMessageDate: 1 }))],
  ["200: lastMessageType is null", inConversation((conversation) => ({ ...conversation, lastMessageType: null }))],
  ["200: locationId is dropped", inConversation(without("locationId"))],
  ["200: conversation is in an array", inConversation((conversation) => [conversation])],
  ["200: success is false", inBody(200, (body) => ({ ...body, success: false }))],
  ["200: success is dropped", inBody(200, without("success"))],
  ["200 becomes 201", (answer) => (answer.status === 200 ? { ...answer, status: 201 } : answer)],
  ["200 is sent as HTML", (answer) => ({ ...answer, contentType: "text/html" })],
  ["400: message is dropped", inBody(400, without("message"))],
  ["400: statusCode contradicts the status", inBody(400, (body) => ({ ...body, statusCode: 500 }))],
  ["401 becomes 403", (answer) => (answer.status === 401 ? { ...answer, status: 403 } : answer)],
  ["401: error is dropped", inBody(401, without("error"))],
  ["422: message is a string", inBody(422, (body) => ({ ...body, message: "Unprocessable Entity" }))],
  ["422: message is an empty list", inBody(422, (body) => ({ ...body, message: [] }))]
]

/** The sandbox behind a proxy that changes its answers. */
const behindProxy = (sandbox: string, mutate: (answer: Answer) => Answer) =>
  new Promise<{ readonly url: string; readonly close: () => void }>((resolve) => {
    const server = createServer(async (request, response) => {
      const chunks: Array<Buffer> = []
      for await (const chunk of request) chunks.push(chunk)
      const { method = "GET", url } = request
      const headers = Object.fromEntries(
        ["authorization", "version", "accept", "content-type"].flatMap((name) => {
          const value = request.headers[name]
          return value === undefined ? [] : [[name, String(value)]]
        })
      )
      const answer = await fetch(`${sandbox}${url}`, {
        method,
        headers,
        ...(method === "GET" ? {} : { body: Buffer.concat(chunks) })
      })
      const betray = method === "PUT" ? mutate : (response: Answer) => response
      const { body, contentType, status } = betray({
        status: answer.status,
        contentType: answer.headers.get("content-type") ?? "",
        body: Object(await answer.json())
      })
      response.writeHead(status, { "content-type": contentType }).end(JSON.stringify(body))
    })
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo
      resolve({ url: `http://127.0.0.1:${port}`, close: () => (server.closeAllConnections(), server.close()) })
    })
  })

describe("answers", () => {
  it.each(answerMutants)("%s", async (mutant, mutate) => {
    const verification = await Provider.withSandbox(documented, async (url) => {
      const proxy = await behindProxy(url, mutate)
      try {
        return await Provider.verify(documented, proxy.url, `${url}/_pact/provider-states`)
      } finally {
        proxy.close()
      }
    })
    const failed = [...verification].flatMap(([description, mismatches]) =>
      mismatches.length > 0 ? [description] : []
    )
    if (mutant === "unchanged") return assert.deepStrictEqual(failed, [])
    assert.isNotEmpty(failed)
    caught.push({ mutant, "caught by": `verification: ${failed.length} of ${verification.size} interactions` })
  })
})

const setBody = (change: (body: Record<string, unknown>) => Record<string, unknown>) =>
  HttpClient.mapRequest((request) => {
    assert(request.body._tag === "Uint8Array")
    const body: Record<string, unknown> = JSON.parse(new TextDecoder().decode(request.body.body))
    return HttpClientRequest.bodyText(request, JSON.stringify(change(body)), "application/json")
  })

const requestMutants: ReadonlyArray<
  readonly [mutant: string, transformClient: (client: HttpClient.HttpClient) => HttpClient.HttpClient]
> = [
  ["unchanged", (client) => client],
  ["another method", HttpClient.mapRequest(HttpClientRequest.setMethod("POST"))],
  ["another path", HttpClient.mapRequest((request) => HttpClientRequest.setUrl(request, `${request.url}/`))],
  ["a query", HttpClient.mapRequest(HttpClientRequest.setUrlParam("locationId", "x"))],
  ["another version", HttpClient.mapRequest(HttpClientRequest.setHeader("version", "2021-04-15"))],
  ["another token", HttpClient.mapRequest(HttpClientRequest.bearerToken("other"))],
  ["another scheme", HttpClient.mapRequest(HttpClientRequest.setHeader("authorization", "Basic sandbox-token"))],
  ["another accept", HttpClient.mapRequest(HttpClientRequest.setHeader("accept", "text/html"))],
  ["an extra body key", setBody((body) => ({ ...body, color: "red" }))],
  ["a missing body key", setBody(without("starred"))],
  ["a body value of another type", setBody((body) => ({ ...body, unreadCount: "1" }))],
  ["no location", setBody(without("locationId"))]
]

describe("requests", () => {
  it.each(requestMutants)("%s", async (mutant, transformClient) => {
    const interaction = documented.interactions.find(({ description }) => description.includes("every field"))
    assert(interaction !== undefined)
    const { conversationId, locationId } = interaction.input
    const directory = mkdtempSync(join(tmpdir(), "mutants-"))
    try {
      const failure = await Pact.execute(Pact.make(documented, directory), interaction, (baseUrl) =>
        Effect.runPromise(
          Conversations.update({
            conversationId: String(conversationId),
            locationId: String(locationId),
            unreadCount: 1,
            starred: true,
            feedback: { rating: "good" }
          }).pipe(
            // What the client makes of the answer is beside the point here.
            Effect.ignore,
            Effect.provide(
              HighLevelClient.layer({
                token: Redacted.make(interaction.token ?? defaultToken),
                baseUrl,
                transformClient,
                retry: false
              }).pipe(Layer.provide(FetchHttpClient.layer))
            )
          )
        )
      ).then(
        () => undefined,
        (error: Error) => error.message
      )
      if (mutant === "unchanged") return assert.isUndefined(failure)
      assert.isString(failure)
      // A failed test never lands in a contract.
      assert.deepStrictEqual(readdirSync(directory), [])
      caught.push({ mutant: `request: ${mutant}`, "caught by": "consumer test" })
    } finally {
      rmSync(directory, { recursive: true })
    }
  })
})
