/**
 * The interactions of the contract, made of the documentation's examples.
 *
 * What the documentation does not say but the contract does is in `ours`, with
 * the reason. Every interaction has a conversation id or a token of its own, so
 * that the pact file is also a deterministic stub.
 */
import * as Documentation from "./documentation.ts"

// Mutable, as Pact's own types are.
type Json = null | boolean | number | string | Array<Json> | { [key: string]: Json }
type JsonObject = { [key: string]: Json }

export interface Interaction {
  readonly description: string
  readonly state: { readonly name: string; readonly params: JsonObject }
  readonly conversationId: string
  readonly token: string
  readonly body: JsonObject
  readonly status: number
  readonly response: JsonObject
}

/** What we add to the documentation. */
export const ours = {
  success: {
    path: "success",
    rule: "is true in a 200, not just any boolean",
    reason: "a 200 that says success: false is not an applied update"
  },
  statusCode: {
    path: "statusCode",
    rule: "equals the HTTP status",
    reason: "the documented example does, and a body that contradicts its status helps nobody"
  },
  unreadCount: {
    path: "conversation.unreadCount",
    rule: "is an integer, where the documentation says number",
    reason: "messages are counted"
  },
  requiredFields: {
    path: "conversation",
    fields: ["locationId", "contactId", "deleted"],
    rule: "only these three fields need to be there",
    reason: "the documentation marks none as required; the vendor's OpenAPI file requires exactly these"
  },
  requiredBody: {
    path: "body.locationId",
    rule: "is the only required key of the request",
    reason:
      "the documentation marks none as required; the vendor's OpenAPI file requires it, and the others may be left out"
  },
  feedback: {
    path: "body.feedback",
    example: { rating: "good" },
    rule: "is any JSON object",
    reason: "the documentation gives no example"
  }
} as const

const isJson = (value: unknown): value is Json =>
  value === null ||
  ["boolean", "number", "string"].includes(typeof value) ||
  (Array.isArray(value) ? value.every(isJson) : typeof value === "object" && Object.values(value).every(isJson))

const exampleOf = ({ example, name }: Documentation.Field): readonly [string, Json] => {
  if (!isJson(example)) throw new Error(`The documentation gives no example of ${name}`)
  return [name, example]
}

const examples = (fields: ReadonlyArray<Documentation.Field>): JsonObject => Object.fromEntries(fields.map(exampleOf))

const documented = (status: number): JsonObject => {
  const response = Documentation.responses.find((response) => response.status === status)
  if (response === undefined) throw new Error(`The documentation has no ${status}`)
  return examples(response.body)
}

const [conversationId = ""] = Documentation.pathParameters.map(({ example }) => String(example))
const locationId = String(Documentation.body.find(({ name }) => name === "locationId")?.example)
const conversation = examples(Documentation.conversation)
const token = "sandbox-token"

const everyField = {
  ...examples(Documentation.body.filter(({ name }) => name !== "feedback")),
  feedback: ours.feedback.example
}

/** An update that is applied to a conversation of its own. */
const applied = (
  description: string,
  id: string,
  changes: JsonObject,
  answered: JsonObject = { ...conversation, id }
): Interaction => ({
  description,
  state: { name: "a conversation exists", params: { conversation: { ...answered, id } } },
  conversationId: id,
  token,
  body: { locationId, ...changes },
  status: 200,
  response: { ...documented(200), conversation: answered }
})

export const interactions: ReadonlyArray<Interaction> = [
  applied("a request to update every field of a conversation", conversationId, everyField),
  applied("a request to update no field of a conversation", "locationIdAlone00001", {}),
  applied("a request to mark a conversation as read", "unreadCountZero00001", { unreadCount: 0 }),
  applied("a request to star a conversation", "starredTrue000000001", { starred: true }),
  applied("a request to take the star from a conversation", "starredFalse00000001", { starred: false }),
  applied("a request to give feedback on a conversation", "feedback000000000001", { feedback: ours.feedback.example }),
  applied(
    "a request to update a conversation of which little is known",
    "fewFields00000000001",
    { starred: true },
    Object.fromEntries(
      Object.entries(conversation).filter(([name]) => ours.requiredFields.fields.some((field) => field === name))
    )
  ),
  {
    description: "an update that is refused as a bad request",
    state: { name: "the update is refused as a bad request", params: { conversationId: "badRequest0000000001" } },
    conversationId: "badRequest0000000001",
    token,
    body: { locationId, unreadCount: 1 },
    status: 400,
    response: documented(400)
  },
  {
    description: "an update with an invalid access token",
    state: { name: "the access token is invalid", params: { token: "invalid-token" } },
    conversationId,
    token: "invalid-token",
    body: { locationId, unreadCount: 1 },
    status: 401,
    response: documented(401)
  },
  {
    description: "an update that fails validation",
    state: { name: "the update fails validation", params: { conversationId: "unprocessable0000001" } },
    conversationId: "unprocessable0000001",
    token,
    body: { locationId, unreadCount: 1 },
    status: 422,
    response: documented(422)
  }
]
