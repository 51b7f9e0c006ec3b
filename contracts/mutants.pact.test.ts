/**
 * The contract bites: each mutant is a sandbox or a client with one wrong value, and must be
 * caught, the sandbox by the verification, the client by the consumer tests.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Headers from "effect/http/Headers"
import * as HttpBody from "effect/http/HttpBody"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as UrlParams from "effect/http/UrlParams"
import { readdirSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { afterAll, assert, describe, it } from "vitest"
import { check, checkMessage, inFreshDirectory } from "./check.ts"
import * as Client from "./client.ts"
import type { Json, JsonObject } from "./documented/documentation.ts"
import { type Interaction, requestOf } from "./interaction.ts"
import * as Pact from "./pact.ts"
import * as Provider from "./provider.ts"
import * as Webhooks from "./webhooks.ts"

const [documented, observed] = Pact.contracts
const [messageContract] = Pact.messageContracts
assert(documented !== undefined && observed !== undefined && messageContract !== undefined)

const interactionOf = (description: string) => {
  const [found] = Pact.contracts.flatMap((contract) =>
    contract.interactions
      .filter((interaction) => interaction.description === description)
      .map((interaction) => ({ contract, interaction }))
  )
  assert(found !== undefined, description)
  return found
}

/** Wrong values, by the path of the field; `undefined` where it is missing. */
type Wrong = Readonly<Record<string, ReadonlyArray<Json | undefined>>>

/** Sets one value, where its parent exists. */
const set = <A extends object>(object: A, path: string, value: Json | undefined): A => {
  const changed = structuredClone(object)
  const keys = path.split(".")
  const last = keys.pop() ?? ""
  const parent = keys.reduce<unknown>((inner, key) => Object(inner)[key], changed)
  if (value === undefined) Reflect.deleteProperty(Object(parent), last)
  else if (parent !== undefined) Reflect.set(Object(parent), last, value)
  return changed
}

const caught: Array<{ mutant: string; "caught by": string }> = []
afterAll(() => console.table(caught))

/** A test for what is unchanged, which must pass, and one for each wrong value, which must fail. */
const itCatches = (
  subject: string,
  wrong: Wrong,
  failuresOf: (mutate: <A extends object>(object: A) => A) => Promise<ReadonlyArray<string>>
) => {
  it(`${subject}: nothing is wrong`, async () => assert.deepStrictEqual(await failuresOf((object) => object), []))
  for (const [path, values] of Object.entries(wrong)) {
    for (const value of values) {
      const mutant = `${subject}: ${path} is ${value === undefined ? "missing" : JSON.stringify(value)}`
      it(mutant, async () => {
        const failures = await failuresOf((object) => set(object, path, value))
        assert.isNotEmpty(failures)
        caught.push({ mutant, "caught by": failures.join(", ") })
      })
    }
  }
}

const failedIn = (verification: Provider.Verification) =>
  [...verification].flatMap(([description, mismatches]) => (mismatches.length > 0 ? [description] : []))

const failureOf = (test: Promise<void>): Promise<ReadonlyArray<string>> =>
  test.then(
    () => [],
    () => ["the consumer test"]
  )

interface Sent {
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

interface Responded {
  readonly status: number
  readonly contentType: string
  readonly body: object
}

interface Changes {
  readonly request?: (sent: Sent) => Sent
  readonly response?: (responded: Responded) => Responded
}

/** The verification of the sandbox behind a proxy that changes requests and responses. */
const verify = (
  contract: Pact.Contract,
  interactions: ReadonlyArray<Interaction>,
  { request: changeRequest = (sent) => sent, response: changeResponse = (responded) => responded }: Changes
) =>
  Provider.withSandbox(contract, async (sandbox) => {
    const proxy = createServer(async (request, response) => {
      const chunks: Array<Buffer> = []
      for await (const chunk of request) chunks.push(chunk)
      const { method = "GET", url } = request
      const names = ["authorization", "version", "accept", "content-type"]
      const { body, headers } = changeRequest({
        headers: Object.fromEntries(
          names.flatMap((name) => (request.headers[name] === undefined ? [] : [[name, String(request.headers[name])]]))
        ),
        body: Buffer.concat(chunks).toString()
      })
      const responded = await fetch(`${sandbox}${url}`, { method, headers, ...(method === "GET" ? {} : { body }) })
      const changed = changeResponse({
        status: responded.status,
        contentType: responded.headers.get("content-type") ?? "",
        body: Object(await responded.json())
      })
      response.writeHead(changed.status, { "content-type": changed.contentType }).end(JSON.stringify(changed.body))
    })
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve))
    const { port } = proxy.address() as AddressInfo
    try {
      const states = `${sandbox}/_pact/provider-states`
      return failedIn(await Provider.verify(contract, `http://127.0.0.1:${port}`, states, interactions))
    } finally {
      proxy.closeAllConnections()
      proxy.close()
    }
  })

/** A sandbox that responds so to the request of an interaction. */
const responses: Readonly<Record<string, Wrong>> = {
  "a request to change every field of a conversation": {
    status: [201],
    contentType: ["text/html"],
    "body.success": [false, undefined],
    "body.conversation": [[], undefined],
    "body.conversation.id": ["another"],
    "body.conversation.locationId": [undefined],
    "body.conversation.deleted": [true],
    "body.conversation.unreadCount": [1.5, 7, undefined],
    "body.conversation.starred": ["true", false],
    "body.conversation.lastMessageDate": [1, "today"],
    "body.conversation.lastMessageType": [null]
  },
  "any update of the conversation responds.400": { "body.message": [undefined], "body.statusCode": [500] },
  "any update of the conversation responds.401": { status: [403], "body.error": [undefined] },
  "an update that fails validation in two fields": {
    "body.message": ["Unprocessable Entity", [], ["unreadCount must be a number"]]
  },
  "a request to read a conversation": {
    "body.id": ["another"],
    "body.unreadCount": ["1"],
    "body.inbox": [undefined]
  },
  "a request to read the conversation responds.400": { status: [404] },
  "a search in pages": {
    "body.conversations": [[], undefined],
    "body.conversations.0.id": [undefined],
    "body.total": ["1"]
  },
  "an exchange of a code": {
    "body.access_token": [undefined],
    "body.refresh_token": [undefined],
    "body.expires_in": ["86399"],
    "body.userType": ["Company"]
  },
  "a wrong client secret": { status: [400] },
  "a request for the token of an agency's location": { "body.access_token": [null], "body.locationId": [undefined] },
  "a request for the locations in which the app is installed": {
    "body.locations.0._id": [undefined],
    "body.locations.0.isInstalled": ["true"],
    "body.count": [undefined]
  },
  "a request for the locations of the agency responds.422": { "body.message": ["Unprocessable Entity"] }
}

describe("the sandbox responds", () => {
  for (const [description, wrong] of Object.entries(responses)) {
    const { contract, interaction } = interactionOf(description)
    itCatches(description, wrong, (mutate) => verify(contract, [interaction], { response: mutate }))
  }
})

/** A provider that does not look at a part of the request: to the sandbox, it is always as it should be. */
const ignorances: ReadonlyArray<readonly [part: string, description: string, change: (sent: Sent) => Sent]> = [
  ["the Version", "the version is not known", (sent) => set(sent, "headers.version", "2021-07-28")],
  ...["2021-07-28", "v3"].map(
    (version) =>
      [
        `the form of feedback in ${version}`,
        `a request to give feedback in the form of another version than ${version}`,
        ({ body, headers }: Sent) => ({
          headers,
          body: body.replace(/"feedback":("positive"|\{.*?\})/, '"unreadCount":1')
        })
      ] as const
  ),
  [
    "starred",
    "a request to star a conversation",
    ({ body, headers }) => ({ headers, body: body.replace(/,"starred":true/, "") })
  ],
  [
    "the client secret",
    "a wrong client secret",
    ({ body, headers }) => ({ headers, body: body.replace("wrong-secret", "sandbox-secret") })
  ]
]

describe("a provider ignores", () => {
  it.each(ignorances)("%s", async (part, description, request) => {
    const { contract, interaction } = interactionOf(description)
    assert.deepStrictEqual(await verify(contract, [interaction], { request }), [description])
    caught.push({ mutant: `a provider ignores ${part}`, "caught by": description })
  })
})

/** Changes what is sent for an interaction. The client gets the declared response, whatever Pact makes of the request. */
const sending = (interaction: Interaction, mutate: <A extends object>(object: A) => A) =>
  Client.exchanging(interaction, (request, client) => {
    const { origin } = new URL(request.url)
    const { headers: declared, path } = requestOf(interaction)
    const { body } = request
    const text = body._tag === "Uint8Array" ? new TextDecoder().decode(body.body) : ""
    const contentType = declared["Content-Type"]
    const isJson = contentType === "application/json"
    const sent = mutate({
      method: request.method,
      path,
      query: Object.fromEntries(request.urlParams),
      headers: { ...request.headers },
      body: isJson ? JSON.parse(text) : Object.fromEntries(new URLSearchParams(text))
    })
    const changed = HttpClientRequest.makeWith(
      sent.method,
      `${origin}${sent.path}`,
      UrlParams.fromInput(sent.query),
      Option.none(),
      Headers.fromInput(sent.headers),
      HttpBody.empty
    )
    const written = isJson ? JSON.stringify(sent.body) : String(new URLSearchParams(sent.body))
    return Effect.as(
      client.execute(text === "" ? changed : HttpClientRequest.bodyText(changed, written, contentType)),
      HttpClientResponse.fromWeb(request, Response.json(interaction.response, { status: interaction.status }))
    )
  })

/** A client that sends so for an interaction. */
const requests: Readonly<Record<string, Wrong>> = {
  "a request to change every field of a conversation": {
    method: ["POST"],
    path: ["/conversations/another", "/conversations/tDtDnQdgm2LXpyiqYvZ6/"],
    "query.locationId": ["another"],
    "headers.version": ["2021-04-15"],
    "headers.authorization": ["Bearer another", "Basic sandbox-token"],
    "headers.accept": ["text/html"],
    "body.color": ["red"],
    "body.locationId": [undefined],
    "body.starred": [undefined],
    "body.unreadCount": ["1"],
    "body.feedback": ["positive"]
  },
  "a request to read a conversation": { path: ["/conversations/another"], "headers.version": ["v3"] },
  "a search of unread conversations": { "query.status": ["all"], "query.limit": ["20"], "query.color": ["red"] },
  "an exchange of a code": {
    "body.grant_type": ["refresh_token"],
    "body.user_type": [undefined],
    "body.redirect_uri": [undefined]
  },
  "a request for the token of an agency's location": {
    "headers.authorization": ["Bearer another"],
    "body.companyId": [undefined]
  },
  "a request for the locations in which the app is installed": {
    "headers.version": ["v3"],
    "query.appId": ["another"],
    "query.isInstalled": ["false"]
  }
}

describe("a client sends", () => {
  for (const [description, wrong] of Object.entries(requests)) {
    const { contract, interaction } = interactionOf(description)
    itCatches(description, wrong, (mutate) =>
      inFreshDirectory(async (directory) => {
        const failures = await failureOf(
          Pact.execute(Pact.make(contract, directory), interaction, (baseUrl) =>
            Client.call(interaction, baseUrl, sending(interaction, mutate)).then(() => undefined)
          )
        )
        // A failed test never lands in a contract.
        if (failures.length > 0) assert.deepStrictEqual(readdirSync(directory), [])
        return failures
      })
    )
  }
})

/** A client that misreads a response is one to which another response comes. */
const reading = (interaction: Interaction, mutate: <A extends object>(object: A) => A) =>
  Client.exchanging(interaction, (request, client) =>
    Effect.flatMap(client.execute(request), (response) =>
      Effect.map(response.json, (body) =>
        HttpClientResponse.fromWeb(request, Response.json(mutate(Object(body)), { status: response.status }))
      )
    )
  )

/** A client that reads so for an interaction. */
const readings: Readonly<Record<string, Wrong>> = {
  "an update that fails validation in two fields": { message: [[], undefined] },
  "a request to change every field of a conversation": { "conversation.lastMessageBody": [undefined] },
  "a conversation is starred": { traceId: [undefined] },
  "a request to read a conversation": { type: [2] },
  "a conversation is read": { lastMessageDate: [undefined] },
  "a search without a filter": { total: [7] },
  "a conversation is found": { conversations: [[{}]], "conversations.0.assignedTo": [undefined] },
  "an exchange of a code": { access_token: [undefined] },
  "tokens come in camel case": { accessToken: ["another"] },
  "a location's token comes without a refresh token": { access_token: ["another"] },
  "a request for the locations in which the app is installed": { "locations.0.name": [undefined] }
}

describe("a client reads", () => {
  for (const [description, wrong] of Object.entries(readings)) {
    const { contract, interaction } = interactionOf(description)
    itCatches(description, wrong, (mutate) =>
      inFreshDirectory((directory) =>
        failureOf(
          Pact.execute(Pact.make(contract, directory), interaction, check(interaction, reading(interaction, mutate)))
        )
      )
    )
  }
})

/** A webhook of the sandbox that has, or in which its receiver reads, such contents. */
const webhooks: Readonly<Record<string, Wrong>> = {
  "the unread count of a conversation changes": {
    type: ["InboundMessage"],
    id: ["another"],
    unreadCount: ["0"],
    starred: [undefined]
  },
  "a contact sends a message": { body: [undefined], dateAdded: ["today"] },
  "a user sends a message": { attachments: [{}] },
  "a location installs the app": { appId: [undefined], locationId: ["another"] },
  "an agency uninstalls the app": { companyId: ["another"] }
}

describe.each(["sent", "read"])("a webhook is %s", (side) => {
  for (const [description, wrong] of Object.entries(webhooks)) {
    const messages = messageContract.messages.filter((message) => message.description === description)
    itCatches(description, wrong, async (mutate) => {
      const [message] = messages
      assert(message !== undefined)
      const send = async (): Promise<JsonObject> => mutate(Object(await Webhooks.produce(messageContract, message)))
      return side === "sent"
        ? failedIn(await Provider.verifyMessages(messageContract, send, messages))
        : inFreshDirectory((directory) =>
            failureOf(
              Pact.executeMessage(Pact.make(messageContract, directory), message, checkMessage(message, mutate))
            )
          )
    })
  }
})
