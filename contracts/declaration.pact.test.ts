/** The declared operations of OAuth and of search against the vendor's OpenAPI files, with the known deviations. */
import * as OpenApi from "effect/http-api/OpenApi"
import { HighLevelApi } from "effect-highlevel"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "vitest"

interface Schema {
  readonly $ref?: string
  readonly anyOf?: ReadonlyArray<Schema>
  readonly items?: Schema
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: ReadonlyArray<string>
  readonly enum?: ReadonlyArray<string>
}

interface Content {
  readonly content?: Readonly<Record<string, { readonly schema: Schema }>>
}

interface Operation {
  readonly parameters?: ReadonlyArray<{
    readonly in: string
    readonly name: string
    readonly required?: boolean
    readonly schema: Schema
  }>
  readonly requestBody?: Content
  readonly responses: Readonly<Record<string, Content>>
}

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components?: { readonly schemas?: Readonly<Record<string, Schema>> }
}

interface Deviation {
  readonly only: "vendor" | "ours"
  readonly fact: string
  readonly reason: string
}

const form = "application/x-www-form-urlencoded"

/** What a document says of the operations under a path, a line each. */
const factsOf = ({ components, paths }: Document, under: string): ReadonlyArray<string> => {
  const resolve = (schema: Schema): Schema =>
    schema.$ref === undefined
      ? (schema.anyOf?.[0] ?? schema)
      : (components?.schemas?.[schema.$ref.split("/").at(-1) ?? ""] ?? schema)
  const names = (schema: Schema, prefix: string): ReadonlyArray<string> => {
    const { items, properties = {} } = resolve(schema)
    if (items !== undefined) return names(items, `${prefix}[]`)
    return Object.entries(properties).flatMap(([name, field]) =>
      [`${prefix}.${name}`].concat(names(field, `${prefix}.${name}`))
    )
  }
  const rule = (schema: Schema, isRequired: boolean) =>
    [isRequired ? "required" : "optional", ...(schema.enum ?? [])].join(" ")
  const factsOfOperation = ({ parameters = [], requestBody, responses }: Operation): ReadonlyArray<string> => {
    const body = resolve(requestBody?.content?.[form]?.schema ?? {})
    return [
      ...parameters.map(({ in: place, name, required = false, schema }) =>
        // A boolean is one of two texts in a query.
        place === "query"
          ? `query ${name} ${rule({}, required)}`
          : `${place} ${name.toLowerCase()} ${rule(schema, required)}`
      ),
      ...Object.keys(requestBody?.content ?? {}).map((type) => `takes ${type}`),
      ...Object.entries(body.properties ?? {}).map(
        ([name, schema]) => `form ${name} ${rule(schema, body.required?.includes(name) === true)}`
      ),
      ...Object.keys(responses).map((status) => `responds ${status}`),
      ...names(responses["200"]?.content?.["application/json"]?.schema ?? {}, "response")
    ]
  }
  return Object.entries(paths)
    .filter(([path]) => path.startsWith(under))
    .flatMap(([path, operations]) =>
      Object.entries(operations).flatMap(([method, operation]) =>
        factsOfOperation(operation).map((fact) => `${method.toUpperCase()} ${path}: ${fact}`)
      )
    )
}

const read = (name: string) => readFileSync(join(import.meta.dirname, "openapi", name), "utf8")
const declared: Document = JSON.parse(JSON.stringify(OpenApi.fromApi(HighLevelApi.HighLevelApi)))

const deviations = (text: string, under: string) => {
  const theirs = factsOf(JSON.parse(text), under)
  const ours = factsOf(declared, under)
  return [
    ...theirs.filter((fact) => !ours.includes(fact)).map((fact) => `vendor ${fact}`),
    ...ours.filter((fact) => !theirs.includes(fact)).map((fact) => `ours ${fact}`)
  ].toSorted()
}

interface File {
  readonly name: string
  readonly file: string
  /** The paths that are compared. */
  readonly under: string
  readonly known: string
  readonly changes: ReadonlyArray<readonly [change: string, from: string, to: string]>
}

const files: ReadonlyArray<File> = [
  {
    name: "OAuth",
    file: "oauth.v2.json",
    under: "/oauth/",
    known: "known.oauth.json",
    changes: [
      ["a parameter is renamed", `"name":"isInstalled"`, `"name":"installed"`],
      ["a parameter is required", `"name":"skip","required":false`, `"name":"skip","required":true`],
      ["the version grows", `"enum":["2021-07-28"]`, `"enum":["2021-07-28","v4"]`],
      ["a field of the form is renamed", `"redirect_uri":`, `"redirect_url":`],
      ["a field of the form is required", `"client_secret","grant_type"]`, `"client_secret","grant_type","code"]`],
      ["a grant is gone", `"refresh_token","client_credentials"]`, `"refresh_token"]`],
      ["a field of the response is renamed", `"installedAt":`, `"installedOn":`],
      ["a status is gone", `"422":`, `"409":`],
      ["another path", `"/oauth/installedLocations"`, `"/oauth/installed-locations"`]
    ]
  },
  {
    name: "search",
    file: "search-conversation.v2.json",
    under: "/conversations/search",
    known: "known.search.json",
    changes: [
      ["a parameter is renamed", `"name":"assignedTo"`, `"name":"assignee"`],
      ["a parameter is required", `"name":"contactId","required":false`, `"name":"contactId","required":true`],
      ["the version grows", `"enum":["2021-04-15"]`, `"enum":["2021-04-15","v4"]`],
      ["the list is renamed", `"conversations":{`, `"items":{`],
      ["a field of an item is renamed", `"fullName":{`, `"name":{`],
      ["a status is gone", `"400":`, `"409":`]
    ]
  }
]

describe.each(files)("the vendor's $name file", ({ changes, file, known, under }) => {
  const listed: ReadonlyArray<Deviation> = JSON.parse(read(known)).deviations
  const lines = listed.map(({ fact, only }) => `${only} ${fact}`).toSorted()

  it("deviates as listed, and not otherwise", () => {
    assert.deepStrictEqual(deviations(read(file), under), lines)
  })

  it("has a reason for each deviation", () => {
    for (const { reason } of listed) assert.isAbove(reason.length, 20)
  })

  it.each(changes)("a change of it is seen: %s", (_, from, to) => {
    const text = JSON.stringify(JSON.parse(read(file)))
    assert.include(text, from)
    const seen = deviations(text.replaceAll(from, to), under)
    assert.isNotEmpty(seen.filter((deviation) => !lines.includes(deviation)))
  })
})
