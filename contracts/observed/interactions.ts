/**
 * The interactions of the observed contract: responses that were recorded, each with its
 * source. Where it can, the sandbox responds so by itself; what it has no cause for is
 * scripted by the state "the request is refused".
 */
import type { JsonObject } from "../documented/documentation.ts"
import type { Interaction } from "../interaction.ts"
import { exists, hasInstalled, refuses } from "../states.ts"

const conversationId = "cJTzny9zF2D5MnfWoZs2"
const locationId = "AYg6xxxxxxxxxxxxxxxx"
const contactId = "VVUvxxxxxxxxxxxxxxxx"
const ids = { conversationId, locationId }
const known = { id: conversationId, contactId, locationId, deleted: false }
const stored = { ...known, starred: false }

const star = { operation: "update", input: { ...ids, starred: true } } as const

/** A 401 has at least nine causes, of which only the first two are about the token's validity. */
const unauthorized = (
  description: string,
  message: string,
  reason: string,
  source: string,
  more: Partial<Interaction> = {}
): Interaction => ({
  ...star,
  description,
  comments: [source],
  status: 401,
  response: { statusCode: 401, message },
  exact: ["message"],
  reads: { _tag: "Unauthorized", status: 401, reason, messages: [message] },
  ...more
})

/** With a token that was issued for the state. */
const withToken = (grant: JsonObject): Partial<Interaction> => ({
  state: { name: "an access token was issued", params: { locationId, ...grant } },
  injected: { token: "accessToken" }
})

const refused = (
  description: string,
  source: string,
  status: number,
  response: JsonObject | string,
  reads: JsonObject,
  contentType?: string
): Interaction => ({
  ...star,
  description,
  comments: [source],
  state: refuses("update", status, { body: response, ...(contentType === undefined ? {} : { contentType }) }),
  status,
  response,
  contentType,
  reads: { status, ...reads }
})

const issues = "Issue threads and recorded responses in public repositories, 2025-05 to 2026-10"
const version = "v2020-01-01"
const millis = 1_784_283_779_598
const iso = "2026-07-17T10:22:59.598Z"
const page = "<!DOCTYPE html><title>Access denied</title><p>error code: 1010</p>"

const updates: ReadonlyArray<Interaction> = [
  {
    ...star,
    description: "a conversation is starred",
    comments: [
      "The only public recording of this PUT: 2026-07-17, Version 2021-07-28, body {locationId, starred: true}",
      "lastMessageType is a number, lastMessageDate is ISO; dateAdded, dateUpdated and traceId are not documented",
      "unreadCount, inbox, assignedTo, userId and lastMessageBody are missing"
    ],
    state: exists(stored),
    status: 200,
    response: {
      success: true,
      conversation: {
        ...known,
        dateAdded: iso,
        lastMessageDate: iso,
        lastMessageType: 100,
        dateUpdated: "2026-07-17T10:27:00.165Z",
        starred: true
      },
      traceId: "aba78b1f-85b0-44ef-a80c-d551769dfbbd"
    },
    exact: ["conversation.id", "conversation.locationId", "conversation.starred", "conversation.deleted"],
    isLossless: false,
    reads: {
      success: true,
      conversation: { ...known, dateAdded: iso, lastMessageDate: iso, lastMessageType: 100, starred: true },
      traceId: "aba78b1f-85b0-44ef-a80c-d551769dfbbd"
    }
  },
  {
    operation: "update",
    description: "an unknown conversation is not found, with a 500",
    comments: ["Seen on a sibling operation: 500, Conversation with id X not found"],
    input: { conversationId: "unknown", locationId, starred: true },
    status: 500,
    response: { statusCode: 500, message: "Conversation with id unknown not found" },
    reads: { _tag: "UnexpectedStatus", status: 500, reason: "NotFound", applied: "no" }
  },
  unauthorized("an OAuth token is invalid or expired", "Invalid JWT", "InvalidToken", issues, { token: "expired" }),
  unauthorized(
    "a Private Integration token is revoked or mistyped",
    "Invalid Private Integration token",
    "InvalidToken",
    issues,
    { token: "pit-revoked" }
  ),
  unauthorized(
    "a scope is missing",
    "The token is not authorized for this scope.",
    "MissingScope",
    `${issues}: the token is valid, conversations.write is missing`,
    withToken({ scopes: ["conversations.readonly"] })
  ),
  unauthorized(
    "the token is that of another location",
    "This location is not accessible from this token!",
    "WrongLocation",
    issues,
    withToken({ locationId: "anotherLocation" })
  ),
  unauthorized(
    "the token is that of an agency",
    "Token's user type mismatch!",
    "WrongTokenType",
    issues,
    withToken({ userType: "Company" })
  ),
  ...(
    [
      [
        "the class of the token is refused",
        "This authClass type is not allowed to access this scope. Please reach out to support.",
        "WrongTokenType"
      ],
      ["the feature is closed to OAuth", "Auth channel OAUTH is not supported.", "WrongTokenType"],
      ["the sub-account is paused", "Location is not active", "LocationInactive"]
    ] as const
  ).map(([description, message, reason]) =>
    unauthorized(description, message, reason, issues, withToken({ refusedWith: message }))
  ),
  unauthorized(
    "the gateway's upstream timed out, with a 401",
    "Command timed out",
    "GatewayTimeout",
    "Ten independent projects retry on this text; the next attempt with the same token succeeds",
    { state: refuses("update", 401, { body: { statusCode: 401, message: "Command timed out" } }) }
  ),
  {
    ...star,
    description: "the version is not known",
    comments: ["Measured live by two projects, 2026-08-19; a version that is retired will be refused so"],
    state: exists(stored),
    version,
    isUnknownVersion: true,
    status: 400,
    response: { statusCode: 400, message: `Invalid API version segment '${version}' at position 0` },
    exact: ["message"],
    reads: { _tag: "BadRequest", status: 400, reason: "VersionHeader" }
  },
  refused(
    "a 400 has one message and an error",
    issues,
    400,
    { message: "Invalid request", error: "Bad Request", statusCode: 400 },
    { _tag: "BadRequest", messages: ["Invalid request"] }
  ),
  refused(
    "a 422 lists its messages, with a trace id",
    issues,
    422,
    {
      message: ["property color should not exist"],
      error: "Unprocessable Entity",
      statusCode: 422,
      traceId: "aba78b1f-85b0-44ef-a80c-d551769dfbbd"
    },
    {
      _tag: "Unprocessable",
      messages: ["property color should not exist"],
      traceId: "aba78b1f-85b0-44ef-a80c-d551769dfbbd"
    }
  ),
  refused(
    "another location is forbidden",
    `${issues}: for Private Integration and OAuth tokens alike`,
    403,
    { statusCode: 403, message: "The token does not have access to this location." },
    { _tag: "UnexpectedStatus", reason: "WrongLocation" }
  ),
  refused(
    "the edge refuses a user agent, with a page",
    "Cloudflare, error 1010: the User-Agent is refused",
    403,
    page,
    { _tag: "UnexpectedStatus", reason: "Unknown", messages: [], body: page },
    "text/html"
  ),
  refused(
    "a body is too large",
    `${issues}: the status has another name`,
    413,
    { status: 413, message: "request entity too large" },
    { _tag: "UnexpectedStatus", messages: ["request entity too large"] }
  )
]

const dated = (seconds: string, nanoseconds: string): JsonObject => ({
  ...known,
  lastMessageType: 1,
  lastMessageDate: { [seconds]: 1_784_283_779, [nanoseconds]: 598_000_000 }
})

const gets: ReadonlyArray<Interaction> = [
  {
    operation: "get",
    description: "a conversation is read",
    comments: ["Recorded reads leave out inbox, starred and an unreadCount that was never set; dates are timestamps"],
    state: exists({ ...stored, lastMessageDate: String(millis) }),
    input: ids,
    status: 200,
    response: dated("seconds", "nanoseconds"),
    exact: ["id", "lastMessageDate"],
    isLossless: false,
    reads: { ...known, lastMessageDate: iso, lastMessageType: 1 }
  },
  {
    operation: "get",
    description: "a conversation is read, with underscores in its date",
    comments: ["Also seen: {_seconds, _nanoseconds}"],
    state: refuses("get", 200, { body: dated("_seconds", "_nanoseconds") }),
    input: ids,
    status: 200,
    response: dated("_seconds", "_nanoseconds"),
    isLossless: false,
    reads: { ...known, lastMessageDate: iso }
  },
  {
    operation: "get",
    description: "a deleted conversation is a bad request",
    comments: ["A deleted conversation responds with 400, not 404"],
    input: { conversationId: "deleted", locationId },
    status: 400,
    response: { statusCode: 400, message: "Conversation with id deleted not found" },
    reads: { _tag: "BadRequest", reason: "NotFound" }
  }
]

const item: JsonObject = {
  id: conversationId,
  locationId,
  contactId,
  assignedTo: null,
  contactName: null,
  email: null,
  phone: null,
  fullName: "John Doe",
  type: "TYPE_PHONE",
  lastMessageType: "TYPE_SMS",
  lastMessageDate: millis,
  unreadCount: 1,
  followers: [],
  tags: [],
  sort: [millis]
}

const searches: ReadonlyArray<Interaction> = [
  {
    operation: "search",
    description: "a conversation is found",
    comments: [
      "Recorded items carry sort, which is not in the schema, dates in milliseconds and nulls",
      "lastMessageBody is missing, although it is required"
    ],
    state: exists({
      ...stored,
      lastMessageDate: String(millis),
      lastMessageType: "TYPE_SMS",
      type: "TYPE_PHONE",
      fullName: "John Doe",
      unreadCount: 1
    }),
    input: { locationId, limit: 20 },
    status: 200,
    response: { conversations: [item], total: 1 },
    exact: ["conversations[].id"],
    isLossless: false,
    reads: { conversations: [{ id: conversationId, assignedTo: null, lastMessageDate: iso, sort: [millis] }], total: 1 }
  }
]

const app = { client_id: "sandbox-app", client_secret: "sandbox-secret" }
const refresh = {
  ...app,
  grant_type: "refresh_token",
  refresh_token: "sandbox-refresh-token",
  user_type: "Location",
  locationId
}
const camel = {
  accessToken: "camel-access-token",
  tokenType: "Bearer",
  expiresIn: 86_399,
  refreshToken: "camel-refresh-token",
  scope: "conversations.write",
  userType: "Location",
  locationId,
  companyId: "sandbox-company",
  userId: "sandbox-user"
}
const installed = { companyId: "sandbox-company", locationId }

const tokens: ReadonlyArray<Interaction> = [
  {
    operation: "token",
    description: "tokens come in camel case",
    comments: ["The v3 form is camelCase, and live the request must stay in snake case"],
    state: refuses("token", 200, { body: camel }),
    input: refresh,
    status: 200,
    response: camel,
    reads: { accessToken: "camel-access-token" }
  },
  {
    operation: "token",
    description: "a used refresh token is refused",
    comments: ["Users' reports: invalid_grant; the customer must reconnect"],
    input: { ...refresh, refresh_token: "used-refresh-token" },
    status: 400,
    response: { error: "invalid_grant", error_description: "Invalid grant: refresh token is invalid" },
    exact: ["error"],
    reads: { _tag: "AccessTokenError", reason: "ReconnectRequired", error: "invalid_grant", status: 400 }
  },
  {
    operation: "locationToken",
    description: "a location's token comes without a refresh token",
    comments: ["It may come without a refresh token: exchange again"],
    state: hasInstalled({ ...installed, name: "John Doe" }),
    input: installed,
    injected: { token: "agencyToken" },
    status: 200,
    response: { access_token: "location-access-token", token_type: "Bearer", expires_in: 86_399, locationId },
    reads: { accessToken: "location-access-token" }
  }
]

export const interactions: ReadonlyArray<Interaction> = [...updates, ...gets, ...searches, ...tokens]
