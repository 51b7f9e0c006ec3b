/** Pact, as this repository uses it: names, files, matching rules. */
import { Matchers, Pact } from "@pact-foundation/pact"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import type { Json, JsonObject } from "./documented/documentation.ts"
import { interactions as documented, ours } from "./documented/interactions.ts"
import { messages as documentedMessages } from "./documented/messages.ts"
import { anyId, type Interaction, type Message, requestOf } from "./interaction.ts"
import { interactions as observed } from "./observed/interactions.ts"
import { messages as observedMessages } from "./observed/messages.ts"

export interface Contract {
  readonly name: "documented" | "observed"
  readonly provider: string
  readonly interactions: ReadonlyArray<Interaction>
}

export const consumer = "effect-highlevel"

/** A provider of its own for each, so that a broker takes both. */
export const contracts: ReadonlyArray<Contract> = [
  { name: "documented", provider: "highlevel-api", interactions: documented },
  { name: "observed", provider: "highlevel-api-observed", interactions: observed }
]

/** What webhooks deliver, as messages. */
export interface MessageContract {
  readonly name: "documented" | "observed"
  readonly provider: string
  readonly messages: ReadonlyArray<Message>
}

export const messageContracts: ReadonlyArray<MessageContract> = [
  { name: "documented", provider: "highlevel-webhooks", messages: documentedMessages },
  { name: "observed", provider: "highlevel-webhooks-observed", messages: observedMessages }
]

export type Provided = Pick<Contract, "provider">

const fileOf = ({ provider }: Provided) => `${consumer}-${provider}.json`

/** The contract that is committed, reviewed and published. */
export const committed = (contract: Provided) => join(import.meta.dirname, "pacts", fileOf(contract))

export interface PactInteraction {
  readonly description: string
  readonly request: {
    readonly method: string
    readonly path: string
    readonly query?: Readonly<Record<string, ReadonlyArray<string>>>
    readonly headers: Readonly<Record<string, ReadonlyArray<string>>>
    readonly body?: { readonly content: unknown; readonly contentType: string }
  }
  readonly response: { readonly status: number; readonly body?: { readonly content: unknown } }
}

export interface PactMessage {
  readonly description: string
  readonly contents: { readonly content: JsonObject }
}

/** The committed contract. */
export const read = <A extends { readonly description: string }>(
  contract: Provided
): { readonly interactions: ReadonlyArray<A> } => JSON.parse(readFileSync(committed(contract), "utf8"))

export const readCommitted = (contract: Contract) => read<PactInteraction>(contract)

export const readMessages = (contract: MessageContract) => read<PactMessage>(contract).interactions

/** What Pact wrote in a run, without the versions of Pact, which say nothing about the contract. */
export const written = (contract: Provided, directory: string) => {
  const { metadata, ...pact } = JSON.parse(readFileSync(join(directory, fileOf(contract)), "utf8"))
  return `${JSON.stringify({ ...pact, metadata: { pactSpecification: metadata.pactSpecification } }, null, 2)}\n`
}

export const make = ({ provider }: Provided, directory: string) =>
  new Pact({ consumer, provider, dir: directory, logLevel: "warn" })

type Matcher = ReturnType<typeof Matchers.string>

const dates = [/^\d{13}$/, /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/]

/** An example, matched by type, apart from what `ours` and the interaction say. */
const matched = (example: Json, isExact: (path: string) => boolean, path = ""): unknown => {
  if (isExact(path)) return Matchers.equal(example)
  if (example === null) return Matchers.nullValue()
  if (Array.isArray(example)) {
    const [first] = example
    return first === undefined ? Matchers.like([]) : Matchers.atLeastOneLike(matched(first, isExact, `${path}[]`))
  }
  if (typeof example === "object") {
    return Object.fromEntries(
      Object.entries(example).map(([name, value]) => [
        name,
        matched(value, isExact, path === "" ? name : `${path}.${name}`)
      ])
    )
  }
  if (typeof example === "number") {
    return path.endsWith(ours.unreadCount.field) ? Matchers.integer(example) : Matchers.number(example)
  }
  if (typeof example === "boolean") return Matchers.boolean(example)
  const date = dates.find((date) => date.test(example))
  return date === undefined ? Matchers.string(example) : Matchers.regex(date, example)
}

const always = new Set<string>([ours.success.field, ours.statusCode.field])

/** Runs one interaction against Pact's mock server. */
export const execute = (
  pact: Pact,
  interaction: Interaction,
  call: (baseUrl: string) => Promise<void>
): Promise<void> => {
  const { any = [], anyBody, contentType = "application/json", exact = [], injected = {}, response } = interaction
  const { body, headers, method, path, query } = requestOf(interaction)

  // In a query and in a form, everything is text; what says what is refused has a dot in it.
  const sent = <A>(
    values: Readonly<Record<string, Json>>,
    as: (value: Json) => A,
    anyOf: (value: Json) => A | Matcher
  ) =>
    Object.fromEntries(
      Object.entries(values).map(([name, value]): [string, A | Matcher] => {
        const state = injected[name]
        if (state !== undefined) return [name, Matchers.fromProviderState(`\${${state}}`, String(value))]
        return [name, any.includes(name) ? anyOf(value) : as(value)]
      })
    )
  const texts = (values: Readonly<Record<string, Json>>) =>
    sent(values, String, (value) => Matchers.regex(`^${anyId}$`, String(value)))
  const added = pact.addInteraction().uponReceiving(interaction.description)
  if (interaction.state !== undefined) added.given(interaction.state.name, interaction.state.params)
  for (const comment of interaction.comments) added.comment(comment)
  return added
    .withRequest(
      method,
      any.includes("conversationId") ? Matchers.regex(`^/conversations/${anyId}$`, path) : path,
      (request) => {
        const { token } = injected
        const authorization =
          token === undefined
            ? {}
            : {
                Authorization: {
                  ...Matchers.fromProviderState(`Bearer \${${token}}`, String(headers.Authorization)),
                  // By default, any token would do.
                  "pact:matcher:type": "equality"
                }
              }
        request.headers({ ...headers, ...authorization })
        if (Object.keys(query).length > 0) request.query(texts(query))
        if (body === undefined) return
        if (headers["Content-Type"] === "application/json") {
          request.jsonBody(
            anyBody === true
              ? Matchers.eachKeyMatches(body, [Matchers.regex(ours.anyBody.keys, "locationId")])
              : sent<unknown>(
                  body,
                  (value) => value,
                  (value) => Matchers.like(value)
                )
          )
        } else {
          // Pact knows matching rules in forms; its JavaScript has no public method for them.
          Reflect.get(request, "interaction").withRequestBody(
            Matchers.matcherValueOrString(texts(body)),
            headers["Content-Type"]
          )
        }
      }
    )
    .willRespondWith(interaction.status, (builder) => {
      builder.headers({ "Content-Type": Matchers.regex(`^${contentType}(;.*)?$`, contentType) })
      if (typeof response === "string") builder.body(contentType, Buffer.from(response))
      else builder.jsonBody(matched(response, (path) => always.has(path) || exact.includes(path)))
    })
    .executeTest((server) => call(server.url))
    .then(() => undefined)
}

/** Hands the contents of one message to its receiver. */
export const executeMessage = async (
  pact: Pact,
  { comments, contents, description, exact, state }: Message,
  receive: (contents: JsonObject) => Promise<void>
): Promise<void> => {
  const added = pact.addAsynchronousInteraction().given(state.name, state.params)
  for (const comment of comments) added.comment(comment)
  await added
    .expectsToReceive(description, (message) => {
      message.withJSONContent(matched(contents, (path) => exact.includes(path)))
    })
    .executeTest((message) => receive(Object(message.contents.content)))
}
