/**
 * Every documented line is exercised by an interaction of the committed contract, by a
 * named test here, or is listed with the reason why not. coverage.md is made of
 * what was exercised; `npm run contracts -- -u` writes it again.
 */
import { Conversation } from "effect-highlevel"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, expect, it } from "vitest"
import * as Client from "./client.ts"
import * as Documentation from "./documented/documentation.ts"
import type { JsonObject } from "./documented/documentation.ts"
import { type DocumentedEvent, events, leftOut } from "./documented/messages.ts"
import { sentBy } from "./interaction.ts"
import * as Page from "./page.ts"
import * as Pact from "./pact.ts"

/** Documented lines that no interaction exercises. */
const listed: Readonly<Record<string, string>> = {
  ...leftOut,
  "200: planId": "of a paid app; nothing is done with it",
  ...Object.fromEntries(
    ["query", "versionId", "onTrial", "planId", "locationId"].map((name) => [
      `query: ${name}`,
      "never sent by the library: it lists all locations that have the app"
    ])
  )
}

interface Line {
  /** An operation, or the type of an event. */
  readonly operation: string
  readonly line: string
  readonly documented: string
  readonly exercisedBy: ReadonlyArray<string>
}

const documented = Pact.contracts.filter(({ name }) => name === "documented")
const interactions = documented.flatMap((contract) => {
  const pacts = new Map(Pact.readCommitted(contract).interactions.map((pact) => [pact.description, pact]))
  return contract.interactions.flatMap(({ description, operation }) => {
    const pact = pacts.get(description)
    return pact === undefined ? [] : [{ ...pact, operation }]
  })
})

const text = ({ allowedValues, description = "", example, type }: Documentation.Field) =>
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
    .filter((part) => part !== "")
    .join("; ")

const typeOf = (value: unknown) =>
  Array.isArray(value) ? `array[${typeof value[0]}]` : value === null ? "null" : typeof value

const at = (value: unknown, path: string) =>
  path.split(".").reduce<unknown>((inner, key) => {
    const next = Object(inner)[key.replace("[]", "")]
    return key.endsWith("[]") ? Object(next)[0] : next
  }, value)

const linesOf = (operation: Documentation.Operation): ReadonlyArray<Line> => {
  const line = (line: string, documented: string, holds: (interaction: (typeof interactions)[number]) => boolean) => ({
    operation: operation.name,
    line,
    documented,
    exercisedBy: interactions
      .filter((interaction) => interaction.operation === operation.name && holds(interaction))
      .map(({ description }) => description)
  })
  return [
    line(`${operation.method} ${operation.path}`, operation.description, () => true),
    ...operation.pathParameters.map((field) =>
      line(`path: ${field.name}`, text(field), ({ request }) => request.path.endsWith(`/${String(field.example)}`))
    ),
    ...operation.headers.map((field) =>
      line(`header: ${field.name}`, text(field), ({ request }) => {
        const [value = ""] = request.headers[field.name] ?? []
        // The page allows one value; that the files have others is listed in openapi/.
        return operation.name !== "update" || (field.allowedValues?.includes(value) ?? value.startsWith("Bearer "))
      })
    ),
    ...operation.query.map((field) =>
      line(`query: ${field.name}`, text(field), ({ request }) => request.query?.[field.name] !== undefined)
    ),
    ...operation.body.map((field) =>
      line(`body: ${field.name}`, text(field), ({ request }) => {
        const value = sentBy(request)[field.name]
        return request.body?.contentType === "application/json" ? typeOf(value) === field.type : value !== undefined
      })
    ),
    ...operation.responses.flatMap(({ fields, status, title }) => [
      line(`${status}`, title, ({ response }) => response.status === status),
      ...fields.map((field) =>
        line(
          `${status}: ${field.name}`,
          text(field),
          ({ response }) => response.status === status && typeOf(at(response.body?.content, field.name)) === field.type
        )
      )
    ])
  ]
}

const messages = Pact.messageContracts
  .filter(({ name }) => name === "documented")
  .flatMap((contract) => Pact.readMessages(contract))

const linesOfEvent = ({ description, fields, type }: DocumentedEvent): ReadonlyArray<Line> => {
  const line = (line: string, documented: string, holds: (contents: JsonObject) => boolean): Line => ({
    operation: type,
    line,
    documented,
    exercisedBy: messages
      .filter(({ contents }) => contents.content["type"] === type && holds(contents.content))
      .map(({ description }) => description)
  })
  return [
    line(type, description, () => true),
    ...fields.map((field) => line(field.name, text(field), (contents) => contents[field.name] !== undefined))
  ]
}

const typeLines = Documentation.messageTypes.map((type): Line => {
  const test = `test: reads ${type}`
  it(test, async () => {
    const [update] = documented.flatMap((contract) => contract.interactions)
    assert(update !== undefined)
    const response = { success: true, conversation: { lastMessageType: type } }
    expect(await Client.read(update, response)).toMatchObject(response)
  })
  const line = `200: conversation.lastMessageType ${type}`
  return { operation: "update", line, documented: "allowed value", exercisedBy: [`\`${test}\``] }
})

const lines = Object.values(Documentation.operations)
  .flatMap(linesOf)
  .toSpliced(linesOf(Documentation.operations.update).length, 0, ...typeLines)
  .concat(events.flatMap(linesOfEvent))
const isExercised = ({ exercisedBy }: Line) => exercisedBy.length > 0

it("every documented line is exercised, or listed with a reason", () => {
  const bare = lines.filter((line) => !isExercised(line) && listed[line.line] === undefined)
  assert.deepStrictEqual(bare, [])
})

it("what is listed is a documented line that is not exercised", () => {
  for (const line of Object.keys(listed)) {
    assert.isTrue(
      lines.some((documented) => documented.line === line && !isExercised(documented)),
      line
    )
  }
})

it("the client knows the message types of the page, and no other", () => {
  assert.deepStrictEqual<ReadonlyArray<string>>(Conversation.documentedMessageTypes, Documentation.messageTypes)
})

it("every line of the page was read", () => {
  const page = readFileSync(join(import.meta.dirname, "documented/update-conversation.txt"), "utf8").split("\n")
  const { body, headers, pathParameters, responses } = Documentation.operations.update
  const read = [...pathParameters, ...headers, ...body, ...responses.flatMap(({ fields }) => fields)].length
  // A field is a line with its type, under a line with its name.
  assert.strictEqual(read, page.filter((line) => /^(string|number|boolean|object|array\[)/.test(line)).length)
  assert.deepStrictEqual(
    responses.map(({ status, title }) => [status, title]),
    [
      [200, "Successful response"],
      [422, "Unprocessable Entity"],
      [401, "Unauthorized"],
      [400, "Bad Request"]
    ]
  )
})

it.each(Pact.contracts)("$name: every interaction that is declared is in the contract, and no other", (contract) => {
  const names = (list: ReadonlyArray<{ readonly description: string }>) =>
    list.map(({ description }) => description).toSorted()
  assert.deepStrictEqual(names(Pact.readCommitted(contract).interactions), names(contract.interactions))
})

it("the page shows it", async () => {
  const by = ({ exercisedBy: [first, ...rest], line }: Line) =>
    first === undefined ? `not: ${listed[line]}` : rest.length === 0 ? first : `${first}, and ${rest.length} more`
  const sections = [...new Set(lines.map(({ operation }) => operation))].flatMap((name) => {
    const own = lines.filter(({ operation }) => operation === name)
    return [
      `## ${name}: ${own.length} documented lines, ${own.filter(isExercised).length} exercised`,
      Page.table(
        ["line", "documented as", "exercised by"],
        own.map((line) => [`\`${line.line}\``, line.documented, by(line)])
      )
    ]
  })
  await Page.expectPage("coverage.md", [
    "# Documentation coverage",
    `${lines.length} documented lines, ${lines.filter(isExercised).length} exercised by the documented contract. Generated: see [README.md](README.md).`,
    ...sections
  ])
})
