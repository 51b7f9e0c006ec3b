/**
 * The documentation of the operations that the client sends: the page of "Update
 * Conversation" as it was given (`update-conversation.txt`), read line by line, and for
 * the others the vendor's OpenAPI files (`../openapi`). Nothing here is ours; what we add
 * to it is in `interactions.ts`, marked and with its reason.
 */
import { readFileSync } from "node:fs"
import { join } from "node:path"

// Mutable, as Pact's own types are.
export type Json = null | boolean | number | string | Array<Json> | JsonObject
export type JsonObject = { [key: string]: Json }

export interface Field {
  /** Of a field inside another: `conversation.id`, `locations[].name`. */
  readonly name: string
  readonly type: string
  readonly description?: string | undefined
  readonly example?: unknown
  readonly allowedValues?: ReadonlyArray<string> | undefined
  readonly isRequired: boolean
  /** Where it is documented. */
  readonly source: string
}

export interface DocumentedResponse {
  readonly status: number
  readonly title: string
  readonly fields: ReadonlyArray<Field>
  readonly source: string
}

export interface Operation {
  readonly name: OperationName
  readonly method: string
  /** With `{name}` for each parameter. */
  readonly path: string
  readonly description: string
  /** The page that documents it. */
  readonly page: string
  readonly pathParameters: ReadonlyArray<Field>
  readonly headers: ReadonlyArray<Field>
  readonly query: ReadonlyArray<Field>
  readonly body: ReadonlyArray<Field>
  readonly contentType?: string | undefined
  readonly responses: ReadonlyArray<DocumentedResponse>
}

export type OperationName = "update" | "get" | "search" | "token" | "locationToken" | "installedLocations"

// From the root, since the tests bundle the programs that import this.
const read = (name: string) => readFileSync(join("contracts/documented", name), "utf8")

const valueOf = (type: string, text: string): unknown =>
  type === "string" ? text : type === "number" ? Number(text) : JSON.parse(text)

/** The page, of which each field is a name, a type with its description, and perhaps an example or allowed values. */
const readPage = (file: string): Operation => {
  const lines = read(file)
    // What the page shows in two blocks was copied as one line.
    .replace("objectResponses", "object\nResponses")
    .split("\n")
  // In the file, that pair is one line.
  const split = lines.indexOf("Responses")
  const sourceOf = (index: number) => `${file}, line ${index < split ? index + 1 : index}`
  const sections: Record<string, Array<Field>> = { "Path Parameters": [], Headers: [], Body: [] }
  const responses: Array<{ status: number; title: string; fields: Array<Field>; source: string }> = []
  let section: Array<Field> | undefined
  let prefix = ""
  for (let index = 0; index < lines.length; index++) {
    const line = lines[index] ?? ""
    const [, type, description] =
      /^(array\[string\]|string|number|boolean|object)(.*)$/.exec(lines[index + 1] ?? "") ?? []
    if (type === undefined) {
      if (/^\d{3}$/.test(line)) {
        section = []
        prefix = ""
        responses.push({
          status: Number(line),
          title: lines[index + 1] ?? "",
          fields: section,
          source: sourceOf(index)
        })
      } else if (responses.length === 0) section = sections[line] ?? section
      continue
    }
    if (section === undefined) throw new Error(`${line} stands in no section of ${file}`)
    const source = sourceOf(index)
    const facts: { example?: unknown; allowedValues?: ReadonlyArray<string> } = {}
    for (index++; /^(Example|Allowed values?):$/.test(lines[index + 1] ?? ""); index += 2) {
      const text = lines[index + 2] ?? ""
      if (lines[index + 1] === "Example:") facts.example = valueOf(type, text)
      else facts.allowedValues = text.split(/(?=TYPE_)/)
    }
    // The page marks no field as required.
    section.push({ name: prefix + line, type, description, isRequired: false, source, ...facts })
    // What follows an object in a response is inside of it.
    if (type === "object" && responses.length > 0) prefix = `${line}.`
  }
  const { Body: body = [], Headers: headers = [], "Path Parameters": pathParameters = [] } = sections
  return {
    name: "update",
    method: "PUT",
    path: "/conversations/{conversationId}",
    description: lines[0] ?? "",
    page: "https://marketplace.gohighlevel.com/docs/ghl/conversations/update-conversation",
    pathParameters,
    headers,
    query: [],
    body,
    contentType: "application/json",
    responses
  }
}

interface Schema {
  readonly $ref?: string
  readonly type?: string
  readonly description?: string
  readonly example?: unknown
  readonly enum?: ReadonlyArray<string>
  readonly items?: Schema
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: ReadonlyArray<string>
}

interface Content {
  readonly description?: string
  readonly content?: Readonly<Record<string, { readonly schema: Schema }>>
}

interface OpenApiOperation extends Content {
  readonly operationId: string
  readonly description: string
  readonly parameters: ReadonlyArray<{
    readonly in: string
    readonly name: string
    readonly required?: boolean
    readonly description?: string
    readonly schema: Schema
  }>
  readonly requestBody?: Content
  readonly responses: Readonly<Record<string, Content>>
}

interface OpenApiFile {
  readonly paths: Readonly<Record<string, Readonly<Record<string, OpenApiOperation>>>>
  readonly components?: { readonly schemas?: Readonly<Record<string, Schema>> }
}

/** One operation of the vendor's file. Each source is where in the file, as a JSON pointer without the escapes. */
const readOpenApi = (name: OperationName, file: string, method: string, path: string, app: string): Operation => {
  const { components, paths }: OpenApiFile = JSON.parse(read(`../openapi/${file}`))
  const operation = paths[path]?.[method]
  if (operation === undefined) throw new Error(`${file} has no ${method} ${path}`)
  const resolve = (schema: Schema, pointer: string): readonly [Schema, string] => {
    const referred = schema.$ref?.split("/").at(-1)
    if (referred === undefined) return [schema, pointer]
    return [components?.schemas?.[referred] ?? {}, `#/components/schemas/${referred}`]
  }
  const fieldsOf = (unresolved: Schema, from: string, prefix = ""): ReadonlyArray<Field> => {
    const [{ properties = {}, required = [] }, pointer] = resolve(unresolved, from)
    return Object.entries(properties).flatMap(([key, schema]) => {
      const at = `${pointer}/properties/${key}`
      const { description, enum: allowedValues, example, items, type = "any" } = schema
      const field: Field = {
        name: prefix + key,
        type: items === undefined ? type : `array[${resolve(items, at)[0].type ?? "any"}]`,
        description,
        example,
        allowedValues,
        isRequired: required.includes(key),
        source: `${file} ${at}`
      }
      return [field].concat(items === undefined ? [] : fieldsOf(items, `${at}/items`, `${prefix}${key}[].`))
    })
  }
  const pointer = `#/paths/${path}/${method}`
  const parameters = (place: string) =>
    operation.parameters.flatMap(({ in: found, name, required = false, schema, ...rest }, index): Array<Field> =>
      found !== place
        ? []
        : [
            {
              name,
              type: schema.type ?? "any",
              description: rest.description,
              example: schema.example,
              allowedValues: schema.enum,
              isRequired: required,
              source: `${file} ${pointer}/parameters/${index}`
            }
          ]
    )
  const [contentType, content] = Object.entries(operation.requestBody?.content ?? {})[0] ?? []
  return {
    name,
    method: method.toUpperCase(),
    path,
    description: operation.description,
    page: `https://marketplace.gohighlevel.com/docs/ghl/${app}/${operation.operationId}`,
    pathParameters: parameters("path"),
    headers: parameters("header"),
    query: parameters("query"),
    body: fieldsOf(content?.schema ?? {}, `${pointer}/requestBody`),
    contentType,
    responses: Object.entries(operation.responses).map(([status, { content = {}, description = "" }]) => ({
      status: Number(status),
      title: description,
      fields: fieldsOf(content["application/json"]?.schema ?? {}, `${pointer}/responses/${status}`),
      source: `${file} ${pointer}/responses/${status}`
    }))
  }
}

export const operations: Readonly<Record<OperationName, Operation>> = {
  update: readPage("update-conversation.txt"),
  get: readOpenApi("get", "get-conversation.v2.json", "get", "/conversations/{conversationId}", "conversations"),
  search: readOpenApi("search", "search-conversation.v2.json", "get", "/conversations/search", "conversations"),
  token: readOpenApi("token", "oauth.v2.json", "post", "/oauth/token", "oauth"),
  locationToken: readOpenApi("locationToken", "oauth.v2.json", "post", "/oauth/locationToken", "oauth"),
  installedLocations: readOpenApi("installedLocations", "oauth.v2.json", "get", "/oauth/installedLocations", "oauth")
}

/** The documented value of the `Version` header. */
export const version = operations.update.headers.flatMap(({ allowedValues = [] }) => allowedValues)[0] ?? ""

export const messageTypes =
  operations.update.responses.flatMap(({ fields }) => fields).find(({ name }) => name.endsWith("lastMessageType"))
    ?.allowedValues ?? []

export const responseOf = (operation: OperationName, status: number): DocumentedResponse => {
  const response = operations[operation].responses.find((response) => response.status === status)
  if (response === undefined) throw new Error(`The documentation of ${operation} has no ${status}`)
  return response
}
