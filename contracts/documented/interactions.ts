/**
 * The interactions of the documented contract, made of the documentation's examples.
 *
 * What the documentation does not say but the contract does is in `ours`, with
 * the reason. The file is also a stub: see README.md.
 */
import { defaultToken, type Interaction } from "../interaction.ts"
import { exists, hasInstalled, refuses } from "../states.ts"
import { type Json, type JsonObject, type OperationName, operations, responseOf } from "./documentation.ts"

/** What we add to the documentation. */
export const ours = {
  success: {
    field: "success",
    rule: "is true in a 200, not just any boolean",
    reason: "a 200 that says success: false is not an applied update"
  },
  statusCode: {
    field: "statusCode",
    rule: "equals the HTTP status",
    reason: "the documented example does, and a body that contradicts its status helps nobody"
  },
  unreadCount: {
    field: "unreadCount",
    rule: "is an integer, where the documentation says number",
    reason: "messages are counted"
  },
  lastMessageDate: {
    field: "lastMessageDate",
    rule: "is epoch milliseconds in a string, and not just any string",
    reason: "the documented example is, and a date that cannot be read is none"
  },
  changes: {
    field: "conversation",
    rule: "has the id that was asked for and the values that were set, and is not deleted",
    reason: "the page returns the conversation data of the provided conversation ID"
  },
  requiredFields: {
    field: "conversation",
    fields: ["locationId", "contactId", "deleted"],
    rule: "only these three fields need to be there",
    reason: "the page marks none as required; the vendor's OpenAPI file requires exactly these"
  },
  anyBody: {
    field: "body",
    keys: "^(locationId|unreadCount|starred|feedback)$",
    rule: "may have any of the documented keys",
    reason: "the page marks none as required, and each combination is an update"
  },
  feedback: {
    field: "body.feedback",
    example: { rating: "good" },
    rule: "is any JSON object",
    reason: "the page gives no example"
  },
  messages: {
    field: "message",
    example: ["unreadCount must be a number", "starred must be a boolean"],
    rule: "of a 422 may list several messages, none of which is its error",
    reason: "in the documented example both are alike, so that a client that reads only the error would pass"
  }
} as const

const nested = (entries: ReadonlyArray<readonly [name: string, value: Json]>): JsonObject => {
  const root: JsonObject = {}
  for (const [name, value] of entries) {
    const path = name.split(".")
    const last = path.pop() ?? ""
    let object = root
    for (const segment of path) {
      const key = segment.replace("[]", "")
      const inner = object[key] ?? (segment.endsWith("[]") ? [{}] : {})
      object[key] = inner
      object = Object(Array.isArray(inner) ? inner[0] : inner)
    }
    object[last] = value
  }
  return root
}

/** The documented examples of a response; `instead` has what is missing or wrong, `undefined` leaves a field out. */
export const documented = (
  operation: OperationName,
  status: number,
  instead: Readonly<Record<string, Json | undefined>> = {}
): JsonObject =>
  nested(
    responseOf(operation, status).fields.flatMap(({ example, name }): Array<readonly [string, Json]> => {
      const value = name in instead ? instead[name] : example
      return value === undefined ? [] : [[name, JSON.parse(JSON.stringify(value))]]
    })
  )

const cite = (operation: OperationName, status: number): ReadonlyArray<string> => [
  `${operations[operation].page}: ${operations[operation].description}`,
  responseOf(operation, status).source
]

const textsOf = (message: Json | undefined): Array<Json> => [message ?? ""].flat()

const tags: Record<number, string> = { 400: "BadRequest", 401: "Unauthorized", 422: "Unprocessable" }

/** A documented refusal, and the error that the client makes of it. */
const refused = (
  interaction: Pick<Interaction, "operation" | "description" | "input"> & Partial<Interaction>,
  status: number,
  reads?: JsonObject
): Interaction => {
  const response = documented(interaction.operation, status)
  const { message } = interaction.response === undefined ? response : Object(interaction.response)
  return {
    comments: cite(interaction.operation, status),
    status,
    response,
    ...interaction,
    reads: { _tag: tags[status] ?? "", status, messages: textsOf(message), ...reads }
  }
}

/** Refusals of requests with an id that names a status, `responds.400`, and of those with an invalid token. */
const refusals = (
  { input, operation, ...rest }: Pick<Interaction, "operation" | "input"> & Partial<Interaction>,
  id: "conversationId" | "locationId",
  of: (what: string) => string,
  statuses: ReadonlyArray<number>
): ReadonlyArray<Interaction> => [
  ...statuses.map((status) => {
    const description = of(`${id.replace("Id", "")} responds.${status}`)
    const state = refuses(operation, status, id === "locationId" ? {} : { [id]: `responds.${status}` })
    return refused({ operation, description, state, input: { ...input, [id]: `responds.${status}` }, ...rest }, status)
  }),
  refused(
    {
      operation,
      description: of("token"),
      state: { name: "the access token is invalid", params: { token: "invalid-token" } },
      input,
      any: [id],
      token: "invalid-token",
      ...rest
    },
    401,
    { reason: "InvalidToken" }
  )
]

// The ids of the page's examples are all the same.
const id = String(operations.update.pathParameters[0]?.example)
const pageResponse = documented("update", 200)
const conversation: JsonObject = Object(pageResponse["conversation"])
const known = { locationId: id, contactId: id, deleted: false }

/** Each combination of the values that applications set, on any conversation. */
const combined: ReadonlyArray<Interaction> = [undefined, 0, 1].flatMap((unreadCount) =>
  [undefined, true, false].map((starred): Interaction => {
    const changes: JsonObject = {
      ...(unreadCount === undefined ? {} : { unreadCount }),
      ...(starred === undefined ? {} : { starred })
    }
    const mark = unreadCount === undefined ? "" : `mark a conversation as ${unreadCount === 0 ? "read" : "unread"}`
    const star = starred === undefined ? "" : starred ? "star" : "unstar"
    const what =
      mark === "" ? `${star || "change nothing of"} a conversation` : star === "" ? mark : `${mark} and ${star} it`
    const before: JsonObject = {
      ...(unreadCount === undefined ? {} : { unreadCount: 1 - unreadCount }),
      ...(starred === undefined ? {} : { starred: !starred })
    }
    return {
      operation: "update",
      description: `a request to ${what}`,
      comments: cite("update", 200),
      state: exists({ ...known, id, ...before }),
      input: { conversationId: id, locationId: id, ...changes },
      any: ["conversationId", "locationId"],
      status: 200,
      // A stub cannot respond with the id that it was asked for; it is not a required field.
      response: { success: true, conversation: { ...known, ...changes } },
      exact: ["conversation.deleted", ...Object.keys(changes).map((name) => `conversation.${name}`)],
      reads: { success: true, conversation: { ...known, ...changes } }
    }
  })
)

const updates: ReadonlyArray<Interaction> = [
  {
    operation: "update",
    description: "a request to change every field of a conversation",
    comments: [...cite("update", 200), ...operations.update.body.map(({ name, source }) => `${name}: ${source}`)],
    state: exists({ ...conversation, unreadCount: 0, starred: false }),
    input: { conversationId: id, locationId: id, unreadCount: 1, starred: true, feedback: ours.feedback.example },
    status: 200,
    response: pageResponse,
    exact: ["id", "locationId", "unreadCount", "starred", "deleted"].map((name) => `conversation.${name}`),
    reads: {
      success: true,
      conversation: { ...conversation, lastMessageDate: "2021-08-03T16:27:33.263Z" }
    }
  },
  ...combined,
  {
    operation: "update",
    description: "any other update of a conversation",
    comments: cite("update", 200),
    state: exists({ ...known, id }),
    input: { conversationId: id, locationId: id, unreadCount: 5 },
    any: ["conversationId"],
    anyBody: true,
    status: 200,
    // What was set is not repeated: Pact cannot copy a value from a request.
    response: { success: true, conversation: known },
    exact: ["conversation.deleted"],
    reads: { success: true, conversation: known }
  },
  {
    operation: "update",
    description: "a request to give feedback in version v3",
    comments: [
      "update-conversation.v3.json #/components/schemas/UpdateConversationDto/properties/feedback: positive or negative",
      ...cite("update", 200)
    ],
    state: exists({ ...known, id }),
    input: { conversationId: id, locationId: id, feedback: "positive" },
    version: "v3",
    status: 200,
    response: { success: true, conversation: known },
    reads: { success: true, conversation: known }
  },
  ...(["positive", ours.feedback.example] as const).map((feedback) =>
    refused(
      {
        operation: "update",
        description: `a request to give feedback in the form of another version than ${typeof feedback === "string" ? "2021-07-28" : "v3"}`,
        comments: [
          operations.update.body.find(({ name }) => name === "feedback")?.source ?? "",
          "update-conversation.v3.json #/components/schemas/UpdateConversationDto/properties/feedback",
          responseOf("update", 422).source
        ],
        state: exists({ ...known, id }),
        input: { conversationId: id, locationId: id, feedback },
        ...(typeof feedback === "string" ? {} : { version: "v3" })
      },
      422
    )
  ),
  ...refusals(
    { operation: "update", input: { conversationId: id, locationId: id, unreadCount: 1 }, anyBody: true },
    "conversationId",
    (what) => (what === "token" ? "any update with an invalid access token" : `any update of the ${what}`),
    [400, 401, 422]
  ),
  refused(
    {
      operation: "update",
      description: "an update that fails validation in two fields",
      state: refuses("update", 422, {
        conversationId: "responds.422.twice",
        body: { statusCode: 422, message: [...ours.messages.example], error: "Unprocessable Entity" }
      }),
      input: { conversationId: "responds.422.twice", locationId: id, unreadCount: 1 },
      response: { statusCode: 422, message: [...ours.messages.example], error: "Unprocessable Entity" },
      exact: ["message"]
    },
    422
  )
]

const found = { ...documented("get", 200, { id, type: 1 }) }

const gets: ReadonlyArray<Interaction> = [
  {
    operation: "get",
    description: "a request to read a conversation",
    comments: cite("get", 200),
    state: exists({ ...found, type: "TYPE_PHONE" }),
    input: { conversationId: id, locationId: id },
    status: 200,
    response: found,
    exact: ["id", "deleted"],
    reads: found
  },
  ...refusals(
    { operation: "get", input: { conversationId: id, locationId: id } },
    "conversationId",
    (what) => `a request to read ${what === "token" ? "a conversation with an invalid access token" : `the ${what}`}`,
    [400, 401]
  )
]

const page = documented("search", 200)
const item: JsonObject = Object([page["conversations"]].flat()[0])
const inLocation = { locationId: "ABCHkzuJQ8ZMd4Te84GK" }
// As `Conversations.search` sends it.
const paged = { ...inLocation, sort: "asc", sortBy: "last_message_date", limit: 100 }
const itemExists = exists(item)
const nothing = { conversations: [], total: 0 }

const searches: ReadonlyArray<Interaction> = [
  ...(
    [
      ["a search without a filter", inLocation],
      ["a search in pages", paged],
      ["a search of unread conversations", { ...paged, status: "unread" }]
    ] as const
  ).map(([description, input]): Interaction => ({
    operation: "search",
    description,
    comments: cite("search", 200),
    state: itemExists,
    input: { ...input },
    any: ["locationId"],
    status: 200,
    response: page,
    reads: page
  })),
  ...([{}, { status: "unread" }] as const).map((filter): Interaction => ({
    operation: "search",
    description: `the page after the last one${"status" in filter ? " of unread conversations" : ""}`,
    comments: cite("search", 200),
    state: itemExists,
    input: { ...paged, ...filter, startAfterDate: 1_628_008_053_263 },
    any: ["locationId", "startAfterDate"],
    status: 200,
    response: { conversations: [], total: 1 },
    exact: ["conversations"],
    reads: { conversations: [] }
  })),
  {
    operation: "search",
    description: "a search with every parameter",
    comments: [...cite("search", 200), ...operations.search.query.map(({ name, source }) => `${name}: ${source}`)],
    // The sandbox has no followers and no scores to filter by.
    state: { name: "the search finds nothing", params: {} },
    input: Object.fromEntries(
      operations.search.query.map(({ example, name }): [string, Json] => [
        name,
        name.startsWith("scoreProfileM") ? 1 : JSON.parse(JSON.stringify(example))
      ])
    ),
    status: 200,
    response: nothing,
    exact: ["conversations"],
    reads: nothing
  },
  ...refusals(
    { operation: "search", input: { ...inLocation } },
    "locationId",
    (what) => `a search ${what === "token" ? "with an invalid access token" : `in the ${what}`}`,
    [400, 401]
  )
]

const app = { client_id: "sandbox-app", client_secret: "sandbox-secret" }
const company = "l1C08ntBrFjLS0elLIYU"
const location = { userType: "Location", locationId: company, companyId: company }
const agency = hasInstalled({ companyId: company, locationId: company, name: "John Deo" })
const code = {
  ...app,
  grant_type: "authorization_code",
  code: "sandbox-code",
  user_type: "Location",
  redirect_uri: "https://app.example/callback"
}
const refresh = { ...app, grant_type: "refresh_token", refresh_token: "sandbox-refresh-token" }
// Of an agency, and of a paid app.
const agencys = ["approvedLocations", "isBulkInstallation", "installToFutureLocations", "approveAllLocations", "planId"]
const locationGrant = documented("token", 200, Object.fromEntries(agencys.map((name) => [name, undefined])))
const agencyGrant = documented("token", 200, {
  userType: "Company",
  locationId: undefined,
  planId: undefined,
  // The example in the file is of another type.
  isBulkInstallation: true
})
const secretOf = ({ access_token: accessToken }: JsonObject) => ({ accessToken: accessToken ?? "" })

const tokens: ReadonlyArray<Interaction> = [
  {
    operation: "token",
    description: "an exchange of a code",
    comments: cite("token", 200),
    state: {
      name: "a customer has approved",
      params: { redirectUri: code.redirect_uri, locationId: company, companyId: company }
    },
    input: code,
    injected: { code: "code" },
    status: 200,
    response: locationGrant,
    exact: ["userType"],
    reads: { ...location, ...secretOf(locationGrant) }
  },
  ...(["Location", "Company"] as const).map((userType): Interaction => {
    const response = userType === "Location" ? locationGrant : agencyGrant
    return {
      operation: "token",
      description: `an exchange of a refresh token of a ${userType}`,
      comments: cite("token", 200),
      state: { name: "a refresh token was issued", params: { userType, locationId: company, companyId: company } },
      input: { ...refresh, user_type: userType, locationId: company, companyId: company },
      injected: { refresh_token: "refreshToken" },
      status: 200,
      response,
      exact: ["userType"],
      reads: secretOf(response)
    }
  }),
  ...[400, 422].map((status) =>
    refused(
      {
        operation: "token",
        description: `a code that is refused with ${status}`,
        ...(status === 400 ? {} : { state: refuses("token", status) }),
        input: { ...code, code: `responds.${status}` }
      },
      status,
      { _tag: "AuthorizationFailed", reason: "Refused" }
    )
  ),
  refused(
    {
      operation: "token",
      description: "a wrong client secret",
      input: { ...code, client_secret: "wrong-secret" }
    },
    401,
    { _tag: "AuthorizationFailed", reason: "Refused" }
  )
]

/** Refusals of requests for an agency whose id names a status, and of those with an invalid token. */
const agencyRefusals = (
  { input, operation }: Pick<Interaction, "operation" | "input">,
  ofAgency: string,
  ofToken: string
): ReadonlyArray<Interaction> => [
  ...[400, 422].map((status) => {
    const companyId = `responds.${status}`
    return refused(
      {
        operation,
        description: `${ofAgency} of the agency ${companyId}`,
        state: hasInstalled({ ...agency.params, companyId, refused: status }),
        input: { ...input, companyId },
        injected: { token: "agencyToken" }
      },
      status,
      { _tag: "AccessTokenError", reason: "Refused" }
    )
  }),
  refused({ operation, description: `${ofToken} with an invalid token`, input, token: "invalid-token" }, 401, {
    _tag: "AccessTokenError"
  })
]

const locationTokens: ReadonlyArray<Interaction> = [
  {
    operation: "locationToken",
    description: "a request for the token of an agency's location",
    comments: cite("locationToken", 200),
    state: agency,
    input: { companyId: company, locationId: company },
    injected: { token: "agencyToken" },
    any: ["companyId", "locationId"],
    status: 200,
    response: documented("locationToken", 200, { planId: undefined }),
    reads: secretOf(documented("locationToken", 200))
  },
  ...agencyRefusals(
    { operation: "locationToken", input: { companyId: company, locationId: company } },
    "a request for a token",
    "a request for a location's token"
  )
]

const listing = { companyId: company, appId: "sandbox", skip: 0, limit: 100, isInstalled: true }
const listed = documented("installedLocations", 200)

const installed: ReadonlyArray<Interaction> = [
  {
    operation: "installedLocations",
    description: "a request for the locations in which the app is installed",
    comments: cite("installedLocations", 200),
    state: agency,
    input: listing,
    injected: { token: "agencyToken" },
    any: ["companyId"],
    status: 200,
    response: listed,
    reads: { locations: [{ locationId: "0IHuJvc2ofPAAA8GzTRi", name: "John Deo" }] }
  },
  {
    operation: "installedLocations",
    description: "a request for the locations after the last one",
    comments: cite("installedLocations", 200),
    state: agency,
    input: { ...listing, skip: 1 },
    injected: { token: "agencyToken" },
    any: ["companyId"],
    status: 200,
    response: { locations: [], count: 1, installToFutureLocations: true },
    exact: ["locations"],
    reads: { locations: [] }
  },
  ...agencyRefusals(
    { operation: "installedLocations", input: listing },
    "a request for the locations",
    "a listing of locations"
  )
]

export const interactions: ReadonlyArray<Interaction> = [
  ...updates,
  ...gets,
  ...searches,
  ...tokens,
  ...locationTokens,
  ...installed
]

export { conversation, defaultToken, id }
