/** Pact, as this repository uses it: names, files, matching rules. */
import { Matchers, Pact } from "@pact-foundation/pact"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { type Interaction, ours } from "./documented/interactions.ts"
import * as Documentation from "./documented/documentation.ts"

export const names = { consumer: "effect-highlevel", provider: "highlevel-api" } as const

const file = `${names.consumer}-${names.provider}.json`

/** The contract that is committed, reviewed and published. */
export const committed = join(import.meta.dirname, "pacts", file)

export const readCommitted = (): {
  readonly interactions: ReadonlyArray<{
    readonly description: string
    readonly providerStates: ReadonlyArray<{ readonly name: string; readonly params: unknown }>
  }>
} => JSON.parse(readFileSync(committed, "utf8"))

/** What Pact wrote in a run, without the versions of Pact, which say nothing about the contract. */
export const written = (directory: string) => {
  const { metadata, ...pact } = JSON.parse(readFileSync(join(directory, file), "utf8"))
  return `${JSON.stringify({ ...pact, metadata: { pactSpecification: metadata.pactSpecification } }, null, 2)}\n`
}

export const make = (directory: string) => new Pact({ ...names, dir: directory, logLevel: "warn" })

const exact = new Set<string>([ours.success.path, ours.statusCode.path])
const integer = new Set<string>([ours.unreadCount.path])

/** A documented example, matched by type, apart from what `ours` says. */
export const matched = (example: unknown, path = ""): unknown => {
  if (exact.has(path)) return Matchers.equal(example)
  if (integer.has(path) && typeof example === "number") return Matchers.integer(example)
  if (Array.isArray(example)) return Matchers.atLeastOneLike(matched(example[0], `${path}[]`))
  if (typeof example === "object" && example !== null) {
    return Object.fromEntries(
      Object.entries(example).map(([name, value]) => [name, matched(value, path === "" ? name : `${path}.${name}`)])
    )
  }
  if (typeof example === "string") return Matchers.string(example)
  if (typeof example === "number") return Matchers.number(example)
  if (typeof example === "boolean") return Matchers.boolean(example)
  throw new Error(`No matching rule for ${JSON.stringify(example)} at ${path}`)
}

const [version = ""] = Documentation.headers.flatMap(({ allowedValues = [] }) => allowedValues)

/** Runs one interaction against Pact's mock server: exact in the request, by type in the response. */
export const execute = (
  pact: Pact,
  interaction: Interaction,
  call: (baseUrl: string) => Promise<void>
): Promise<void> =>
  pact
    .addInteraction()
    .given(interaction.state.name, interaction.state.params)
    .uponReceiving(interaction.description)
    .withRequest(Documentation.operation.method, `/conversations/${interaction.conversationId}`, (request) => {
      request
        .headers({
          Authorization: `Bearer ${interaction.token}`,
          Version: version,
          Accept: "application/json",
          "Content-Type": "application/json"
        })
        .jsonBody(interaction.body)
    })
    .willRespondWith(interaction.status, (response) => {
      response
        .headers({ "Content-Type": Matchers.regex("^application/json(;.*)?$", "application/json") })
        .jsonBody(matched(interaction.response))
    })
    .executeTest((server) => call(server.url))
    .then(() => undefined)
