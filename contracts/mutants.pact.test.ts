/**
 * The contract bites: each mutant is a client or a sandbox that is wrong in one thing, and
 * must be caught, the sandbox by the verification, the client by the consumer tests.
 */
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import { readdirSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { afterAll, assert, describe, it } from "vitest"
import { check, checkMessage, inFreshDirectory } from "./check.ts"
import * as Client from "./client.ts"
import type { JsonObject, OperationName } from "./documented/documentation.ts"
import { type Interaction, requestOf } from "./interaction.ts"
import * as Pact from "./pact.ts"
import * as Provider from "./provider.ts"
import * as Webhooks from "./webhooks.ts"

const [documented, observed] = Pact.contracts
const [documentedMessages] = Pact.messageContracts
assert(documented !== undefined && observed !== undefined && documentedMessages !== undefined)

const caught: Array<{ mutant: string; "caught by": string }> = []
afterAll(() => console.table(caught))

/** A mutant must fail; what is unchanged must not. */
const expectCaught = (mutant: string, by: string, failures: ReadonlyArray<unknown>) => {
  if (mutant.endsWith("unchanged")) return assert.deepStrictEqual(failures, [])
  assert.isNotEmpty(failures, mutant)
  caught.push({ mutant, "caught by": by })
}

const failureOf = (test: Promise<void>): Promise<ReadonlyArray<string>> =>
  test.then(
    () => [],
    (error: Error) => [error.message]
  )

const failuresOf = (verification: Provider.Verification) =>
  [...verification].filter(([, mismatches]) => mismatches.length > 0)

type Body = JsonObject

/** Changes the value at a path, where there is one; `undefined` leaves it out. */
const at =
  (path: string, change: (value: unknown) => unknown) =>
  (body: Body): Body => {
    const changed = structuredClone(body)
    const keys = path.split(".")
    const last = keys.pop() ?? ""
    const parent = keys.reduce<unknown>((inner, key) => Object(inner)[key], changed)
    if (typeof parent === "object" && parent !== null && last in parent) {
      Reflect.set(parent, last, change(Reflect.get(parent, last)))
    }
    return JSON.parse(JSON.stringify(changed))
  }

const set = (path: string, value: unknown) => at(path, () => value)

const without = (path: string) => set(path, undefined)

interface Responded {
  readonly status: number
  readonly contentType: string
  readonly body: Body
}

type Change = (headers: Record<string, string>, body: string) => string

/** The sandbox behind a proxy that changes requests and responses. */
const behindProxy = async <A>(
  sandbox: string,
  mutate: (response: Responded) => Responded,
  change: Change,
  use: (url: string) => Promise<A>
): Promise<A> => {
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
    const responded = await fetch(`${sandbox}${url}`, { method, headers, ...(method === "GET" ? {} : { body: sent }) })
    const text = await responded.text()
    if (responded.headers.get("content-type")?.startsWith("application/json") !== true) {
      response.writeHead(responded.status, { "content-type": "text/html" }).end(text)
      return
    }
    const { body, contentType, status } = mutate({
      status: responded.status,
      contentType: responded.headers.get("content-type") ?? "",
      body: Object(JSON.parse(text))
    })
    response.writeHead(status, { "content-type": contentType }).end(JSON.stringify(body))
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  try {
    return await use(`http://127.0.0.1:${port}`)
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

const verifyMutant = (
  contract: Pact.Contract,
  mutate: (response: Responded) => Responded,
  change: Change,
  interactions: ReadonlyArray<Interaction>
) =>
  Provider.withSandbox(contract, (url) =>
    behindProxy(url, mutate, change, (proxy) =>
      Provider.verify(contract, proxy, `${url}/_pact/provider-states`, interactions)
    )
  ).then(failuresOf)

type ResponseMutant = readonly [mutant: string, mutate: (body: Body) => Body, rest?: Partial<Responded>]

const same = (body: Body) => body

/** Of a status of an operation. */
const responseMutants: ReadonlyArray<readonly [OperationName, number, ReadonlyArray<ResponseMutant>]> = [
  [
    "update",
    200,
    [
      ["unchanged", same],
      ["unreadCount is missing", without("conversation.unreadCount")],
      ["unreadCount is a fraction", set("conversation.unreadCount", 1.5)],
      ["unreadCount is not what was set", set("conversation.unreadCount", 7)],
      ["starred is a string", set("conversation.starred", "true")],
      ["starred is not what was set", at("conversation.starred", (starred) => starred !== true)],
      ["lastMessageDate is a number", set("conversation.lastMessageDate", 1)],
      ["lastMessageDate is no date", set("conversation.lastMessageDate", "today")],
      ["lastMessageType is null", set("conversation.lastMessageType", null)],
      ["locationId is missing", without("conversation.locationId")],
      ["the id of another conversation", set("conversation.id", "another")],
      ["the conversation is deleted", set("conversation.deleted", true)],
      ["the conversation is in an array", at("conversation", (conversation) => [conversation])],
      ["success is false", set("success", false)],
      ["success is missing", without("success")],
      ["the status is 201", same, { status: 201 }],
      ["it is sent as HTML", same, { contentType: "text/html" }]
    ]
  ],
  [
    "update",
    400,
    [
      ["message is missing", without("message")],
      ["statusCode is another", set("statusCode", 500)]
    ]
  ],
  [
    "update",
    401,
    [
      ["the status is 403", same, { status: 403 }],
      ["error is missing", without("error")]
    ]
  ],
  [
    "update",
    422,
    [
      ["message is a string", set("message", "Unprocessable Entity")],
      ["message is an empty list", set("message", [])],
      ["only the first message", at("message", (message) => [message].flat().slice(0, 1))]
    ]
  ],
  [
    "get",
    200,
    [
      ["unchanged", same],
      ["the id of another conversation", set("id", "another")],
      ["unreadCount is a string", set("unreadCount", "1")],
      ["inbox is missing", without("inbox")]
    ]
  ],
  ["get", 400, [["the status is 404", same, { status: 404 }]]],
  [
    "search",
    200,
    [
      ["unchanged", same],
      ["conversations are missing", without("conversations")],
      ["there are none", set("conversations", [])],
      ["an item has no id", without("conversations.0.id")],
      ["total is a string", set("total", "1")]
    ]
  ],
  [
    "token",
    200,
    [
      ["unchanged", same],
      ["access_token is missing", without("access_token")],
      ["refresh_token is missing", without("refresh_token")],
      ["expires_in is a string", set("expires_in", "86399")],
      ["userType is another", set("userType", "User")]
    ]
  ],
  ["token", 401, [["the status is 400", same, { status: 400 }]]],
  [
    "locationToken",
    200,
    [
      ["unchanged", same],
      ["access_token is null", set("access_token", null)],
      ["locationId is missing", without("locationId")]
    ]
  ],
  ["locationToken", 401, [["error is missing", without("error")]]],
  [
    "installedLocations",
    200,
    [
      ["unchanged", same],
      ["a location has no id", without("locations.0._id")],
      ["isInstalled is a string", set("locations.0.isInstalled", "true")],
      ["count is missing", without("count")]
    ]
  ],
  ["installedLocations", 422, [["message is a string", set("message", "Unprocessable Entity")]]]
]

describe("a sandbox in which", () => {
  for (const [operation, status, mutants] of responseMutants) {
    const interactions = documented.interactions.filter(
      (interaction) => interaction.operation === operation && interaction.status === status
    )
    // Two are enough, but for a 422, of which the last one lists two messages.
    const verified = operation === "update" && status === 422 ? interactions : interactions.slice(0, 2)
    for (const [mutant, mutate, rest] of mutants) {
      const name = `${operation}, ${status}: ${mutant}`
      it(name, async () => {
        const failures = await verifyMutant(
          documented,
          (response) => (response.status === status ? { ...response, body: mutate(response.body), ...rest } : response),
          (_, body) => body,
          verified
        )
        expectCaught(name, `verification: ${failures.length} of ${verified.length} interactions`, failures)
      })
    }
  }
})

/** A provider that does not look at a part of the request: to the sandbox, it is always as it should be. */
const ignorances: ReadonlyArray<readonly [part: string, contract: Pact.Contract, description: string, change: Change]> =
  [
    [
      "the Version",
      observed,
      "the version is not known",
      (headers, body) => {
        headers["version"] = "2021-07-28"
        return body
      }
    ],
    [
      "the form of feedback",
      documented,
      "in the form of another version",
      (headers, body) =>
        body.replace(
          /"feedback":("positive"|\{.*?\})/,
          `"feedback":${headers["version"] === "v3" ? '"positive"' : "{}"}`
        )
    ],
    ["starred", documented, "star a conversation", (_, body) => body.replace(/,"starred":(true|false)/, "")],
    [
      "the client secret",
      documented,
      "a wrong client secret",
      (_, body) => body.replace("wrong-secret", "sandbox-secret")
    ]
  ]

describe("a provider ignores", () => {
  for (const [part, contract, description, change] of ignorances) {
    it(part, async () => {
      const interactions = contract.interactions.filter((interaction) => interaction.description.includes(description))
      const failures = await verifyMutant(contract, (response) => response, change, interactions)
      expectCaught(
        `a provider ignores ${part}`,
        `verification: ${failures.length} of ${interactions.length} interactions`,
        failures
      )
    })
  }
})

const interactionOf = (description: string) => {
  const [found] = Pact.contracts.flatMap((contract) =>
    contract.interactions
      .filter((interaction) => interaction.description === description)
      .map((interaction) => ({ contract, interaction }))
  )
  assert(found !== undefined, description)
  return found
}

/** Changes what is sent for an interaction. The client gets the declared response, whatever Pact makes of the request. */
const sending =
  (
    interaction: Interaction,
    change: (request: HttpClientRequest.HttpClientRequest) => HttpClientRequest.HttpClientRequest
  ): Client.Transform =>
  (client) =>
    HttpClient.make((request) =>
      new URL(request.url).pathname === requestOf(interaction).path
        ? Effect.as(
            client.execute(change(request)),
            HttpClientResponse.fromWeb(request, Response.json(interaction.response, { status: interaction.status }))
          )
        : client.execute(request)
    )

const textOf = ({ body }: HttpClientRequest.HttpClientRequest) => {
  assert(body._tag === "Uint8Array")
  return { text: new TextDecoder().decode(body.body), contentType: body.contentType }
}

const inJson = (change: (body: Body) => Body) => (request: HttpClientRequest.HttpClientRequest) =>
  HttpClientRequest.bodyText(request, JSON.stringify(change(JSON.parse(textOf(request).text))), "application/json")

const inForm = (change: (form: URLSearchParams) => void) => (request: HttpClientRequest.HttpClientRequest) => {
  const { contentType, text } = textOf(request)
  const form = new URLSearchParams(text)
  change(form)
  return HttpClientRequest.bodyText(request, String(form), contentType)
}

const { bearerToken, setHeader, setMethod, setUrl, setUrlParam } = HttpClientRequest

type RequestMutant = readonly [
  mutant: string,
  change: (request: HttpClientRequest.HttpClientRequest) => HttpClientRequest.HttpClientRequest
]

const requestMutants: ReadonlyArray<readonly [description: string, ReadonlyArray<RequestMutant>]> = [
  [
    "a request to change every field of a conversation",
    [
      ["unchanged", (request) => request],
      ["another method", setMethod("POST")],
      ["another path", (request) => setUrl(request, `${request.url}/`)],
      ["another conversation", (request) => setUrl(request, `${request.url}x`)],
      ["a query", setUrlParam("locationId", "x")],
      ["another version", setHeader("version", "2021-04-15")],
      ["another token", bearerToken("other")],
      ["another scheme", setHeader("authorization", "Basic sandbox-token")],
      ["another accept", setHeader("accept", "text/html")],
      ["one more field", inJson((body) => ({ ...body, color: "red" }))],
      ["no starred", inJson(without("starred"))],
      ["no location", inJson(without("locationId"))],
      ["unreadCount as a string", inJson(set("unreadCount", "1"))],
      ["feedback of another version", inJson(set("feedback", "positive"))]
    ]
  ],
  [
    "a request to read a conversation",
    [
      ["unchanged", (request) => request],
      ["another conversation", (request) => setUrl(request, `${request.url}x`)],
      ["another version", setHeader("version", "v3")]
    ]
  ],
  [
    "a search of unread conversations",
    [
      ["unchanged", (request) => request],
      ["another status", setUrlParam("status", "all")],
      ["another limit", setUrlParam("limit", "20")],
      ["one more parameter", setUrlParam("color", "red")]
    ]
  ],
  [
    "an exchange of a code",
    [
      ["unchanged", (request) => request],
      ["another grant", inForm((form) => form.set("grant_type", "refresh_token"))],
      ["no user type", inForm((form) => form.delete("user_type"))],
      ["no redirect URI", inForm((form) => form.delete("redirect_uri"))]
    ]
  ],
  [
    "a request for the token of an agency's location",
    [
      ["unchanged", (request) => request],
      ["no agency", inForm((form) => form.delete("companyId"))],
      ["another token", bearerToken("other")]
    ]
  ],
  [
    "a request for the locations in which the app is installed",
    [
      ["unchanged", (request) => request],
      ["another app", setUrlParam("appId", "other")],
      ["another version", setHeader("version", "v3")],
      ["locations without the app", setUrlParam("isInstalled", "false")]
    ]
  ]
]

describe("a client sends", () => {
  for (const [description, mutants] of requestMutants) {
    const { contract, interaction } = interactionOf(description)
    for (const [mutant, change] of mutants) {
      const name = `${interaction.operation}: ${mutant}`
      it(name, () =>
        inFreshDirectory(async (directory) => {
          const failures = await failureOf(
            Pact.execute(Pact.make(contract, directory), interaction, (baseUrl) =>
              Client.call(interaction, baseUrl, sending(interaction, change)).then(() => undefined)
            )
          )
          expectCaught(`a client sends ${name}`, "consumer test", failures)
          // A failed test never lands in a contract.
          if (failures.length > 0) assert.deepStrictEqual(readdirSync(directory), [])
        })
      )
    }
  }
})

/** A client that misreads a response is one to which another response comes. */
const reading = (mutate: (body: Body) => Body): Client.Transform =>
  HttpClient.transformResponse(
    Effect.flatMap((response) =>
      Effect.map(response.json, (body) =>
        HttpClientResponse.fromWeb(response.request, Response.json(mutate(Object(body)), { status: response.status }))
      )
    )
  )

const misreadings: ReadonlyArray<readonly [mutant: string, description: string, mutate: (body: Body) => Body]> = [
  ["unchanged", "an update that fails validation in two fields", same],
  ["no list of messages", "an update that fails validation in two fields", without("message")],
  ["no message", "an update that fails validation in two fields", set("message", [])],
  ["no trace id", "a star is set", without("traceId")],
  ["no last message", "a request to change every field of a conversation", without("conversation.lastMessageBody")],
  ["no timestamp as a date", "a conversation is read", without("lastMessageDate")],
  ["another type", "a request to read a conversation", set("type", 2)],
  ["no items", "a conversation is found", set("conversations", [{}])],
  ["no null", "a conversation is found", without("conversations.0.assignedTo")],
  ["another total", "a search without a filter", set("total", 7)],
  ["no token in camel case", "tokens come in camel case", set("accessToken", "another")],
  ["no token in snake case", "an exchange of a code", without("access_token")],
  ["another location's token", "a location's token comes without a refresh token", set("access_token", "another")],
  ["no name of a location", "a request for the locations in which the app is installed", without("locations.0.name")]
]

describe("a client reads", () => {
  it.each(misreadings)("%s: %s", (mutant, description, mutate) =>
    inFreshDirectory(async (directory) => {
      const { contract, interaction } = interactionOf(description)
      const failures = await failureOf(
        Pact.execute(Pact.make(contract, directory), interaction, check(interaction, reading(mutate)))
      )
      const name = mutant === "unchanged" ? mutant : `a client reads ${interaction.operation}: ${mutant}`
      expectCaught(name, "consumer test", failures)
    })
  )
})

const messageMutants: ReadonlyArray<readonly [mutant: string, description: string, mutate: (contents: Body) => Body]> =
  [
    ["unchanged", "the unread count of a conversation changes", same],
    ["another type", "the unread count of a conversation changes", set("type", "InboundMessage")],
    ["a count as a string", "the unread count of a conversation changes", set("unreadCount", "0")],
    ["the id of another conversation", "the unread count of a conversation changes", set("id", "another")],
    ["no starred", "the unread count of a conversation changes", without("starred")],
    ["no body", "a contact sends a message", without("body")],
    ["a date that is none", "a contact sends a message", set("dateAdded", "today")],
    ["attachments that are no list", "a user sends a message", set("attachments", {})],
    ["no app", "a location installs the app", without("appId")],
    ["another location", "a location installs the app", set("locationId", "another")],
    ["another agency", "an agency uninstalls the app", set("companyId", "another")]
  ]

describe("a webhook has", () => {
  it.each(messageMutants)("%s: %s", async (mutant, description, mutate) => {
    const messages = documentedMessages.messages.filter((message) => message.description === description)
    const [message] = messages
    assert(message !== undefined)
    const sent = await Provider.verifyMessages(
      documentedMessages,
      async (message) => mutate(Object(await Webhooks.produce(documentedMessages, message))),
      messages
    )
    const name = mutant === "unchanged" ? mutant : `${message.operation}: ${mutant}`
    expectCaught(name, "verification: 1 of 1 messages", failuresOf(sent))
    await inFreshDirectory(async (directory) => {
      const pact = Pact.make(documentedMessages, directory)
      expectCaught(
        name,
        "consumer test",
        await failureOf(Pact.executeMessage(pact, message, checkMessage(message, mutate)))
      )
    })
  })
})
