/** The conversation endpoints of the sandbox. */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import type * as Schema from "effect/Schema"
import * as Struct from "effect/Struct"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { Authorization } from "../wire/HighLevelApi.ts"
import * as RequestErrors from "./requestErrors.ts"
import type { Refusal } from "./SandboxModel.ts"
import { withoutFound } from "./conversationState.ts"
import type { StoredConversation } from "./searchIndex.ts"
import * as SearchIndex from "./searchIndex.ts"
import { State } from "./state.ts"

const locationIn = (body: string): string | undefined => {
  try {
    const parsed: unknown = JSON.parse(body)
    return Predicate.hasProperty(parsed, "locationId") ? String(parsed.locationId) : undefined
  } catch {
    return undefined
  }
}

export const isSearch = (url: string) => /^\/conversations\/search(\?|$)/.test(url)

/** The location of a request: that of its body or its query, else that of its conversation. */
export const locationOf = (state: State["Service"], url: string, body: string): string => {
  if (isSearch(url)) return new URL(url, "http://sandbox").searchParams.get("locationId") ?? ""
  const [, id = ""] = /^\/conversations\/([^/?]+)/.exec(url) ?? []
  const stored = Option.map(state.conversation(decodeURIComponent(id)), ({ locationId }) => locationId)
  return locationIn(body) ?? Option.getOrElse(stored, () => "")
}

export const authorization = Layer.effect(
  Authorization,
  Effect.map(State, (state) =>
    Authorization.of({
      bearer: (httpEffect, { credential }) =>
        Effect.gen(function* () {
          const { method, text, url } = yield* HttpServerRequest.HttpServerRequest
          const locationId = locationOf(state, url, yield* Effect.orElseSucceed(text, () => ""))
          const scope = method === "GET" ? "conversations.readonly" : "conversations.write"
          const now = yield* Clock.currentTimeMillis
          const refusal = state.refusalOf(Redacted.value(credential), locationId, scope, now)
          if (refusal !== undefined) return yield* Effect.fail(RequestErrors.unauthorized(refusal))
          return yield* httpEffect
        })
    })
  )
)

const refusalBody = ({ body, status }: Refusal): Schema.Json => {
  if (body !== undefined) return body
  switch (status) {
    case 400:
      return { statusCode: 400, message: "Bad Request" }
    case 401:
      return { statusCode: 401, message: "Invalid token: access token is invalid", error: "Unauthorized" }
    case 422:
      return { statusCode: 422, message: ["Unprocessable Entity"], error: "Unprocessable Entity" }
    default:
      return { statusCode: status, message: `Refused with ${status}` }
  }
}

export const refuse = (refusal: Refusal) => {
  const body = refusalBody(refusal)
  const options = { status: refusal.status, headers: refusal.headers }
  return Predicate.isString(body)
    ? HttpServerResponse.text(body, options)
    : HttpServerResponse.jsonUnsafe(body, options)
}

const notFound = (conversationId: string) => `Conversation with id ${conversationId} not found`

// The recorded response of 2026-07-17 carried these fields and no others.
const observedUpdate = (conversation: StoredConversation, traceId: string, now: number) => {
  const { lastMessageDate } = conversation
  return HttpServerResponse.jsonUnsafe({
    success: true,
    conversation: {
      id: conversation.id,
      dateAdded: "2026-07-17T10:22:59.598Z",
      deleted: conversation.deleted,
      contactId: conversation.contactId,
      locationId: conversation.locationId,
      lastMessageDate: lastMessageDate == null ? "2026-07-17T10:22:59.598Z" : DateTime.formatIso(lastMessageDate),
      lastMessageType: 100,
      dateUpdated: new Date(now).toISOString(),
      starred: conversation.starred
    },
    traceId
  })
}

// Here the code of its channel; a search has its name.
const channels = ["TYPE_PHONE", "TYPE_EMAIL", "TYPE_FB_MESSENGER", "TYPE_REVIEW", "TYPE_GROUP_SMS"]

const documentedGet = ({ type = "TYPE_PHONE", ...conversation }: StoredConversation) => ({
  ...withoutFound(conversation),
  type: channels.indexOf(type) + 1
})

// Recorded reads omit `inbox` and `starred`, and have another date encoding.
const observedGet = ({ lastMessageDate, ...conversation }: StoredConversation) => {
  const millis = lastMessageDate == null ? 1_628_008_053_263 : DateTime.toEpochMillis(lastMessageDate)
  return HttpServerResponse.jsonUnsafe({
    ...withoutFound(Struct.omit(conversation, ["inbox", "starred"])),
    lastMessageDate: { seconds: Math.floor(millis / 1000), nanoseconds: (millis % 1000) * 1_000_000 },
    lastMessageType: 100
  })
}

// As documented. The date is that of the documented conversation, since the list of fields has none.
const documentedItem = ({ lastMessageDate, ...conversation }: StoredConversation): object => ({
  ...Struct.pick(conversation, [
    "id",
    "contactId",
    "locationId",
    "lastMessageBody",
    "lastMessageType",
    "type",
    "unreadCount",
    "fullName",
    "contactName",
    "email",
    "phone"
  ]),
  ...(lastMessageDate == null ? {} : { lastMessageDate: String(DateTime.toEpochMillis(lastMessageDate)) })
})

// Recorded ones have no body, but nulls and undocumented fields.
const observedItem = (conversation: StoredConversation): object => {
  const { assignedTo = null, contactName = null, email = null, lastMessageDate, phone = null } = conversation
  const millis = lastMessageDate == null ? null : DateTime.toEpochMillis(lastMessageDate)
  return {
    ...Struct.omit(conversation, ["inbox", "deleted", "userId", "lastMessageBody"]),
    assignedTo,
    contactName,
    email,
    phone,
    lastMessageDate: millis,
    followers: [],
    tags: [],
    sort: millis === null ? [] : [millis]
  }
}

export const handlers = HttpApiBuilder.group(RequestErrors.SandboxApi, "conversations", (handlers) =>
  Effect.map(State, (state) =>
    handlers
      .handle("update", ({ headers: { version }, params: { conversationId }, payload }) =>
        Effect.gen(function* () {
          const { feedback } = payload
          if (feedback !== undefined && Predicate.isString(feedback) !== (version === "v3")) {
            return yield* Effect.fail(RequestErrors.wrongFeedback(version))
          }
          const refusal = state.takeRefusal("update", conversationId)
          if (refusal !== undefined) return refuse(refusal)
          const now = yield* Clock.currentTimeMillis
          const changed = state.apply(conversationId, payload, now)
          if (Option.isNone(changed)) {
            const message = notFound(conversationId)
            // Undocumented; a sibling operation was seen to respond with 500.
            if (state.responses === "observed") return refuse({ status: 500, body: { statusCode: 500, message } })
            return yield* Effect.fail(RequestErrors.badRequest(message))
          }
          return state.responses === "observed"
            ? observedUpdate(changed.value, state.nextTraceId(), now)
            : { success: true, conversation: withoutFound(changed.value) }
        })
      )
      .handle("get", ({ params: { conversationId } }) =>
        Effect.gen(function* () {
          const refusal = state.takeRefusal("get", conversationId)
          if (refusal !== undefined) return refuse(refusal)
          const stored = state.conversation(conversationId)
          if (Option.isNone(stored)) return yield* Effect.fail(RequestErrors.badRequest(notFound(conversationId)))
          return state.responses === "observed" ? observedGet(stored.value) : documentedGet(stored.value)
        })
      )
      .handle("search", ({ query }) =>
        Effect.gen(function* () {
          const refusal = state.takeRefusal("search", "")
          if (refusal !== undefined) return refuse(refusal)
          const problem = SearchIndex.problemOf(query)
          if (problem !== undefined) return yield* Effect.fail(RequestErrors.badRequest(problem))
          const { page, total } = state.search(query, yield* Clock.currentTimeMillis)
          const conversations = page.map(state.responses === "observed" ? observedItem : documentedItem)
          return HttpServerResponse.jsonUnsafe({ conversations, total })
        })
      )
  )
)
