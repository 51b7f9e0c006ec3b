/** Where the observed contract differs from the documented one, field by field, and what the client makes of it. */
import * as Client from "./client.ts"
import { type Field, type Json, type JsonObject, operations } from "./documented/documentation.ts"
import { events, leftOut } from "./documented/messages.ts"
import type { Interaction, Message } from "./interaction.ts"

export interface Difference {
  /** The path of the field in the body; empty for a response that is not documented at all. */
  readonly name: string
  readonly documented: string
  readonly observed: string
}

const forms: ReadonlyArray<readonly [form: string, matches: RegExp]> = [
  ["epoch milliseconds", /^\d{13}$/],
  ["ISO 8601", /^\d{4}-\d{2}-\d{2}T/]
]

/** The type of a value, and the encoding where one type has several. */
const formOf = (value: unknown): string => {
  if (value === null) return "null"
  if (Array.isArray(value)) return value.length === 0 ? "array" : `array[${typeof value[0]}]`
  if (typeof value === "object") return `object: ${Object.keys(value).join(", ")}`
  const encoding = forms.find(([, matches]) => matches.test(String(value)))?.[0]
  return encoding === undefined ? typeof value : `${typeof value}: ${encoding}`
}

const documentedForm = ({ example, type }: Field) => (type === "string" ? formOf(String(example ?? "")) : type)

const code = (value: unknown) => `\`${JSON.stringify(value)}\``

const parentOf = (name: string) => name.slice(0, Math.max(0, name.lastIndexOf("."))).replace(/\[\]$/, "")

const camelCase = (name: string) => name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase())

/** The values of a body by their paths, as deep as they are documented. */
const flatten = (body: JsonObject, fields: ReadonlyArray<Field>, prefix = ""): Array<readonly [string, Json]> =>
  Object.entries(body).flatMap(([key, value]) => {
    const path = prefix + key
    const list = Array.isArray(value)
    const isOpen = fields.some(({ name }) => parentOf(name) === path)
    const inner = isOpen ? flatten(Object(list ? value[0] : value), fields, `${path}${list ? "[]" : ""}.`) : []
    return [[path, value] as const].concat(inner)
  })

/** How the fields of a body differ from those that are documented. In a refusal, texts count: the client reads them. */
export const compare = (
  fields: ReadonlyArray<Field>,
  body: JsonObject,
  areTextsCompared = false
): ReadonlyArray<Difference> => {
  const values = new Map(flatten(body, fields))
  const found = [...values].flatMap(([name, value]) => {
    const field = fields.find((field) => field.name === name || camelCase(field.name) === name)
    const observed = formOf(value)
    const text = areTextsCompared && typeof value === "string" ? code(value) : undefined
    if (field === undefined) return [{ name, documented: "not documented", observed: text ?? observed }]
    if (field.name !== name) return [{ name: field.name, documented: field.type, observed: `\`${name}\`: ${observed}` }]
    const documented = documentedForm(field)
    if (text !== undefined && value !== field.example)
      return [{ name, documented: `e.g. ${code(field.example ?? "")}`, observed: text }]
    // Of an object or a list, the fields inside are compared.
    return observed.split(/[:[]/)[0] === documented ||
      observed === documented ||
      (observed === "array" && documented.startsWith("array"))
      ? []
      : [{ name, documented, observed }]
  })
  const missing = fields.filter(
    ({ name }) =>
      !values.has(name) &&
      !values.has(camelCase(name)) &&
      (parentOf(name) === "" || typeof values.get(parentOf(name)) === "object")
  )
  return [
    ...found,
    ...missing.map((field) => ({ name: field.name, documented: documentedForm(field), observed: "missing" }))
  ]
}

const at = (value: unknown, path: string) =>
  path.split(".").reduce<unknown>((inner, key) => {
    const next = Object(inner)[key.replace("[]", "")]
    return key.endsWith("[]") ? Object(next)[0] : next
  }, value)

/** What was made of the value at a path. */
export const readAt = (path: string, body: Json, read: Json) => {
  const made = at(read, path)
  if (made === undefined) return at(body, path) === undefined ? "nothing" : "–"
  return JSON.stringify(made) === JSON.stringify(at(body, path)) ? "as it is" : code(made)
}

const errorOf = ({ _tag, reason }: JsonObject) => (_tag === undefined ? undefined : `\`${_tag}\`, reason \`${reason}\``)

const documentedOf = ({ operation, status }: Interaction) =>
  operations[operation].responses.find((documented) => documented.status === status)

/** The differences of one observed response. */
export const differencesOf = (interaction: Interaction): ReadonlyArray<Difference> => {
  const { response, status } = interaction
  const documented = documentedOf(interaction)
  if (typeof response !== "string" && documented !== undefined)
    return compare(documented.fields, response, status >= 400)
  const observed = typeof response === "string" ? "a page, not JSON" : code(response)
  return [{ name: "", documented: "not documented", observed }]
}

/** The differences of one observed message. */
export const messageDifferencesOf = ({ contents, operation }: Message): ReadonlyArray<Difference> => {
  const fields = events.find(({ type }) => type === operation)?.fields ?? []
  return compare(
    fields.filter(({ name }) => leftOut[name] === undefined),
    contents
  )
}

/** What the client makes of each. */
export const readingsOf = async (
  interaction: Interaction,
  differences: ReadonlyArray<Difference>
): Promise<ReadonlyArray<string>> => {
  const { operation, response } = interaction
  const read = Object(await Client.read(interaction, response))
  const error = errorOf(read)
  const isConversation = ["update", "get", "search"].includes(operation)
  return Promise.all(
    differences.map(async ({ name, observed }) => {
      if (name === "" || typeof response === "string") return error ?? code(read)
      if (observed !== "missing" || (isConversation && error === undefined))
        return error ?? readAt(observed.startsWith("`") ? camelCase(name) : name, response, read)
      // Whether it would be another outcome, if it were not missing.
      const example = documentedOf(interaction)?.fields.find((field) => field.name === name)?.example
      const complete = Object(
        await Client.read(
          interaction,
          Object.assign({}, response, { [name]: JSON.parse(JSON.stringify(example ?? null)) })
        )
      )
      const isNeeded = (errorOf(complete) ?? code(complete)) !== (error ?? code(read))
      return isNeeded ? (error ?? code(read)) : "not needed"
    })
  )
}
