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
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import { Conversations, HighLevelClient } from "effect-highlevel"
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, describe, it } from "vitest"
import { defaultToken } from "./interaction.ts"
import { check } from "./check.ts"
import type * as Client from "./client.ts"
import * as Pact from "./pact.ts"
import * as Provider from "./provider.ts"

const [documented] = Pact.contracts
assert(documented !== undefined)

const caught: Array<{ mutant: string; "caught by": string }> = []
afterAll(() => console.table(caught))

interface Responded {
  readonly status: number
  readonly contentType: string
  readonly body: Record<string, unknown>
}

const inBody =
  (status: number, mutate: (body: Record<string, unknown>) => Record<string, unknown>) => (response: Responded) =>
    response.status === status ? { ...response, body: mutate(response.body) } : response

const inConversation = (mutate: (conversation: Record<string, unknown>) => unknown) =>
  inBody(200, (body) => ({ ...body, conversation: mutate(Object(body["conversation"])) }))

const without = (name: string) => (object: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(object).filter(([key]) => key !== name))

const responseMutants: ReadonlyArray<readonly [mutant: string, mutate: (response: Responded) => Responded]> = [
  ["unchanged", (response) => response],
  [
    "200: unreadCount is renamed",
    inConversation(({ unreadCount, ...rest }) => ({ ...rest, unread_count: unreadCount }))
  ],
  ["200: starred is a string", inConversation((conversation) => ({ ...conversation, starred: "true" }))],
  ["200: unreadCount is a fraction", inConversation((conversation) => ({ ...conversation, unreadCount: 1.5 }))],
  ["200: lastMessageDate is a number", inConversation((conversation) => ({ ...conversation, lastMessageDate: 1 }))],
  ["200: lastMessageType is null", inConversation((conversation) => ({ ...conversation, lastMessageType: null }))],
  ["200: locationId is missing", inConversation(without("locationId"))],
  ["200: conversation is in an array", inConversation((conversation) => [conversation])],
  ["200: success is false", inBody(200, (body) => ({ ...body, success: false }))],
  ["200: success is missing", inBody(200, without("success"))],
  [
    "200: starred is not what was set",
    inConversation(({ starred, ...rest }) => (starred === undefined ? rest : { ...rest, starred: !starred }))
  ],
  ["200: unreadCount is not what was set", inConversation((conversation) => ({ ...conversation, unreadCount: 7 }))],
  ["200: the id of another conversation", inConversation((conversation) => ({ ...conversation, id: "another" }))],
  ["200: the conversation is deleted", inConversation((conversation) => ({ ...conversation, deleted: true }))],
  [
    "200: lastMessageDate is no date",
    inConversation((conversation) => ({ ...conversation, lastMessageDate: "today" }))
  ],
  ["422: only the first message", inBody(422, (body) => ({ ...body, message: [body["message"]].flat().slice(0, 1) }))],
  ["200 becomes 201", (response) => (response.status === 200 ? { ...response, status: 201 } : response)],
  ["200 is sent as HTML", (response) => ({ ...response, contentType: "text/html" })],
  ["400: message is missing", inBody(400, without("message"))],
  ["400: statusCode contradicts the status", inBody(400, (body) => ({ ...body, statusCode: 500 }))],
  ["401 becomes 403", (response) => (response.status === 401 ? { ...response, status: 403 } : response)],
  ["401: error is missing", inBody(401, without("error"))],
  ["422: message is a string", inBody(422, (body) => ({ ...body, message: "Unprocessable Entity" }))],
  ["422: message is an empty list", inBody(422, (body) => ({ ...body, message: [] }))]
]

/** The sandbox behind a proxy that changes its responses. */
const behindProxy = (
  sandbox: string,
  mutate: (response: Responded) => Responded,
  change: (headers: Record<string, string>, body: string) => string = (_, body) => body
) =>
  new Promise<{ readonly url: string; readonly close: () => void }>((resolve) => {
    const server = createServer(async (request, response) => {
      const chunks: Array<Buffer> = []
      for await (const chunk of request) chunks.push(chunk)
      const { method = "GET", url } = request
      const headers: Record<string, string> = Object.fromEntries(
        ["authorization", "version", "accept", "content-type"].flatMap((name) => {
          const value = request.headers[name]
          return value === undefined ? [] : [[name, String(value)]]
        })
      )
      const sent = change(headers, Buffer.concat(chunks).toString())
      const responded = await fetch(`${sandbox}${url}`, {
        method,
        headers,
        ...(method === "GET" ? {} : { body: sent })
      })
      if (responded.headers.get("content-type")?.startsWith("application/json") !== true) {
        response.writeHead(responded.status, { "content-type": "text/html" }).end(await responded.text())
        return
      }
      const betray = method === "PUT" ? mutate : (response: Responded) => response
      const { body, contentType, status } = betray({
        status: responded.status,
        contentType: responded.headers.get("content-type") ?? "",
        body: Object(await responded.json())
      })
      response.writeHead(status, { "content-type": contentType }).end(JSON.stringify(body))
    })
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo
      resolve({ url: `http://127.0.0.1:${port}`, close: () => (server.closeAllConnections(), server.close()) })
    })
  })

describe("responses", () => {
  it.each(responseMutants)("%s", async (mutant, mutate) => {
    const verification = await Provider.withSandbox(documented, async (url) => {
      const proxy = await behindProxy(url, mutate)
      try {
        // What a mutant is about: updates, and of one status where it names one.
        const status = Number(/^\d{3}/.exec(mutant)?.[0])
        return await Provider.verify(
          documented,
          proxy.url,
          `${url}/_pact/provider-states`,
          (interaction) =>
            mutant === "unchanged" ||
            (interaction.operation === "update" && (Number.isNaN(status) || interaction.status === status))
        )
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
  ["no location", setBody(without("locationId"))],
  ["feedback of another version", setBody((body) => ({ ...body, feedback: "positive" }))],
  ["another conversation", HttpClient.mapRequest((request) => HttpClientRequest.setUrl(request, `${request.url}x`))]
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
            // What the client makes of the response is beside the point here.
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

type Change = (headers: Record<string, string>, body: string) => string

/** A provider that does not look at a part of the request: to the sandbox, it is always as it should be. */
const ignorances: ReadonlyArray<readonly [mutant: string, contract: Pact.Contract["name"], change: Change]> = [
  [
    "the Version",
    "observed",
    (headers, body) => {
      headers["version"] = "2021-07-28"
      return body
    }
  ],
  [
    "the form of feedback",
    "documented",
    (headers, body) =>
      body.replace(/"feedback":("positive"|\{.*?\})/, `"feedback":${headers["version"] === "v3" ? '"positive"' : "{}"}`)
  ],
  ["starred", "documented", (_, body) => body.replace(/,"starred":(true|false)/, "")]
]

describe("a provider ignores", () => {
  for (const [mutant, name, change] of ignorances) {
    it(mutant, async () => {
      const contract = Pact.contracts.find((contract) => contract.name === name)
      assert(contract !== undefined)
      const verification = await Provider.withSandbox(contract, async (url) => {
        const proxy = await behindProxy(url, (response) => response, change)
        try {
          return await Provider.verify(
            contract,
            proxy.url,
            `${url}/_pact/provider-states`,
            ({ operation }) => operation === "update"
          )
        } finally {
          proxy.close()
        }
      })
      const failed = [...verification.values()].filter((mismatches) => mismatches.length > 0)
      assert.isNotEmpty(failed)
      caught.push({
        mutant: `provider ignores ${mutant}`,
        "caught by": `verification: ${failed.length} of ${verification.size} interactions`
      })
    })
  }
})

/** A client that misreads a response is one to which another response comes. */
const reading = (mutate: (body: Record<string, unknown>) => Record<string, unknown>): Client.Transform =>
  HttpClient.transformResponse(
    Effect.flatMap((response) =>
      Effect.map(response.json, (body) =>
        HttpClientResponse.fromWeb(response.request, Response.json(mutate(Object(body)), { status: response.status }))
      )
    )
  )

const misreadings: ReadonlyArray<readonly [mutant: string, description: string, transform: Client.Transform]> = [
  ["nothing wrong", "an update that fails validation in two fields", reading((body) => body)],
  ["no list of messages", "an update that fails validation in two fields", reading(without("message"))],
  ["no message", "an update that fails validation in two fields", reading((body) => ({ ...body, message: [] }))],
  ["no trace id", "a star is set", reading(without("traceId"))],
  ["another token", "tokens come in camel case", reading((body) => ({ ...body, accessToken: "another" }))],
  ["no snake case", "an exchange of a code", reading(without("access_token"))],
  ["no items", "a conversation is found", reading((body) => ({ ...body, conversations: [{}] }))]
]

describe("a client reads", () => {
  it.each(misreadings)("%s", async (mutant, description, transform) => {
    const [found] = Pact.contracts.flatMap((contract) =>
      contract.interactions
        .filter((interaction) => interaction.description === description)
        .map((interaction) => ({ contract, interaction }))
    )
    assert(found !== undefined)
    const { contract, interaction } = found
    const directory = mkdtempSync(join(tmpdir(), "mutants-"))
    try {
      const failure = await Pact.execute(
        Pact.make(contract, directory),
        interaction,
        check(interaction, transform)
      ).then(
        () => undefined,
        (error: Error) => error.message
      )
      if (mutant === "nothing wrong") return assert.isUndefined(failure)
      assert.isString(failure)
      caught.push({ mutant: `client reads ${mutant}`, "caught by": "consumer test" })
    } finally {
      rmSync(directory, { recursive: true })
    }
  })
})
