/**
 * Every documented line is exercised by an interaction of the contract, or by a
 * named test here. The table in README.md is made of what was exercised;
 * `npm run contracts -- -u` writes it anew.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import { Conversations, HighLevelClient } from "effect-highlevel"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { format } from "prettier"
import { assert, expect, it } from "vitest"
import * as Documentation from "./documented/documentation.ts"
import { type Interaction, interactions } from "./documented/interactions.ts"

const pact: { readonly interactions: ReadonlyArray<PactInteraction> } = JSON.parse(
  readFileSync(join(import.meta.dirname, "pacts/effect-highlevel-highlevel-api.json"), "utf8")
)

interface PactInteraction {
  readonly description: string
  readonly request: {
    readonly method: string
    readonly path: string
    readonly headers: Record<string, ReadonlyArray<string>>
    readonly body: { readonly content: Record<string, unknown> }
  }
  readonly response: { readonly status: number; readonly body: { readonly content: Record<string, unknown> } }
}

/** What exercises a documented line: interactions of the committed contract, or tests of this file. */
const exercisedBy = new Map<string, Array<string>>()
const lines: Array<readonly [line: string, documented: string]> = []

const inContract = (line: string, documented: string, holds: (interaction: PactInteraction) => boolean) => {
  lines.push([line, documented])
  exercisedBy.set(
    line,
    pact.interactions.filter(holds).map(({ description }) => description)
  )
}

const documentedText = ({ allowedValues, description = "", example, type }: Documentation.Field) =>
  [
    type,
    description,
    allowedValues === undefined
      ? ""
      : allowedValues.length > 1
        ? `${allowedValues.length} allowed values`
        : `allowed: ${allowedValues[0]}`,
    example === undefined || typeof example === "object" ? "" : `e.g. ${String(example)}`
  ]
    .filter((text) => text !== "")
    .join("; ")

const typeOf = (value: unknown) => (Array.isArray(value) ? "array[string]" : typeof value)

const { method, path } = Documentation.operation
inContract(`${method} ${path}`, Documentation.operation.description, ({ request }) => request.method === method)

for (const field of Documentation.pathParameters) {
  inContract(
    `path: ${field.name}`,
    documentedText(field),
    ({ request }) => request.path === `/conversations/${field.example}`
  )
}
for (const field of Documentation.headers) {
  inContract(`header: ${field.name}`, documentedText(field), ({ request }) => {
    const [value = ""] =
      Object.entries(request.headers).find(([name]) => name.toLowerCase() === field.name.toLowerCase())?.[1] ?? []
    return field.allowedValues?.includes(value) ?? value.startsWith("Bearer ")
  })
}
for (const field of Documentation.body) {
  inContract(
    `body: ${field.name}`,
    documentedText(field),
    ({ request }) => typeOf(request.body.content[field.name]) === field.type
  )
}
for (const response of Documentation.responses) {
  inContract(`${response.status}`, response.title, (interaction) => interaction.response.status === response.status)
  const fieldIn = (prefix: string, field: Documentation.Field, content: (body: Record<string, unknown>) => unknown) =>
    inContract(`${response.status}: ${prefix}${field.name}`, documentedText(field), (interaction) => {
      if (interaction.response.status !== response.status) return false
      return typeOf(Object(content(interaction.response.body.content))[field.name]) === field.type
    })
  for (const field of response.body) fieldIn("", field, (body) => body)
  if (response.status === 200) {
    for (const field of Documentation.conversation) fieldIn("conversation.", field, (body) => body["conversation"])
  }
}

/** The client reads a documented message type as what it is. */
const readMessageType = (type: string) =>
  Conversations.update({ conversationId: "c", locationId: "l" }).pipe(
    Effect.provide(
      HighLevelClient.layer({ token: Redacted.make("t") }).pipe(
        Layer.provide(
          Layer.succeed(
            HttpClient.HttpClient,
            HttpClient.make((request) =>
              Effect.succeed(
                HttpClientResponse.fromWeb(
                  request,
                  Response.json({ success: true, conversation: { lastMessageType: type } })
                )
              )
            )
          )
        )
      )
    ),
    Effect.map(({ conversation }) => conversation.lastMessageType),
    Effect.runPromise
  )

for (const type of Documentation.messageTypes) {
  const line = `200: conversation.lastMessageType ${type}`
  const test = `test: reads ${type}`
  lines.push([line, "allowed value"])
  exercisedBy.set(line, [`\`${test}\``])
  it(test, async () => {
    assert.strictEqual(await readMessageType(type), type)
  })
}

it("every documented line is exercised", () => {
  const bare = lines.filter(([line]) => (exercisedBy.get(line) ?? []).length === 0)
  assert.deepStrictEqual(bare, [])
})

it("every interaction that is declared is in the contract, and no other", () => {
  const names = (list: ReadonlyArray<Interaction | PactInteraction>) =>
    list.map(({ description }) => description).toSorted()
  assert.deepStrictEqual(names(pact.interactions), names(interactions))
})

it("the table in README.md shows it", async () => {
  const file = join(import.meta.dirname, "README.md")
  const readme = readFileSync(file, "utf8")
  const [start, end] = ["<!-- coverage -->", "<!-- /coverage -->"]
  assert.include(readme, start)
  assert.include(readme, end)
  const by = (line: string) => {
    const [first = "nothing", ...rest] = exercisedBy.get(line) ?? []
    return rest.length === 0 ? first : `${first}, and ${rest.length} more`
  }
  const table = [
    `${lines.length} documented lines, ${lines.filter(([line]) => (exercisedBy.get(line) ?? []).length > 0).length} exercised.`,
    "",
    "| line | documented as | exercised by |",
    "| --- | --- | --- |",
    ...lines.map(([line, documented]) => `| \`${line}\` | ${documented} | ${by(line)} |`)
  ].join("\n")
  const before = readme.slice(0, readme.indexOf(start) + start.length)
  const after = readme.slice(readme.indexOf(end))
  const expected = await format(`${before}\n\n${table}\n\n${after}`, { parser: "markdown", printWidth: 120 })
  await expect(expected).toMatchFileSnapshot(file)
})
