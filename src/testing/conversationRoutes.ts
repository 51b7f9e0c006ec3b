/** The conversations of the sandbox. */
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
import { State, type StoredConversation } from "./state.ts"

const locationIn = (body: string): string | undefined => {
  try {
    const parsed: unknown = JSON.parse(body)
    return Predicate.hasProperty(parsed, "locationId") ? String(parsed.locationId) : undefined
  } catch {
    return undefined
  }
}

/** The location of a request: that of its body, else that of its conversation. */
export const locationOf = (state: State["Service"], url: string, body: string): string => {
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

const refuse = (refusal: Refusal) => {
  const body = refusalBody(refusal)
  const options = { status: refusal.status, headers: refusal.headers }
  return Predicate.isString(body)
    ? HttpServerResponse.text(body, options)
    : HttpServerResponse.jsonUnsafe(body, options)
}

const notFound = (conversationId: string) => `Conversation with id ${conversationId} not found`

// The recorded response of 2026-07-17 carried these fields and no others.
const observedUpdate = (conversation: StoredConversation, traceId: string, now: number) =>
  HttpServerResponse.jsonUnsafe({
    success: true,
    conversation: {
      id: conversation.id,
      dateAdded: "2026-07-17T10:22:59.598Z",
      deleted: conversation.deleted,
      contactId: conversation.contactId,
      locationId: conversation.locationId,
      lastMessageDate: "2026-07-17T10:22:59.598Z",
      lastMessageType: 100,
      dateUpdated: new Date(now).toISOString(),
      starred: conversation.starred
    },
    traceId
  })

// Recorded reads leave out `inbox` and `starred`, and have dates of another encoding.
const observedGet = (stored: StoredConversation) => {
  const { lastMessageDate, ...conversation } = stored
  const millis = lastMessageDate == null ? 1_628_008_053_263 : DateTime.toEpochMillis(lastMessageDate)
  return HttpServerResponse.jsonUnsafe({
    ...Struct.omit(conversation, ["inbox", "starred"]),
    lastMessageDate: { seconds: Math.floor(millis / 1000), nanoseconds: (millis % 1000) * 1_000_000 },
    lastMessageType: 100
  })
}

export const handlers = HttpApiBuilder.group(RequestErrors.SandboxApi, "conversations", (handlers) =>
  Effect.map(State, (state) =>
    handlers
      .handle("update", ({ params: { conversationId }, payload }) =>
        Effect.gen(function* () {
          const refusal = state.takeRefusal("update", conversationId)
          if (refusal !== undefined) return refuse(refusal)
          const changed = state.apply(conversationId, payload)
          if (Option.isNone(changed)) {
            const message = notFound(conversationId)
            // Undocumented; a sibling operation was seen to respond with 500.
            if (state.responses === "observed") return refuse({ status: 500, body: { statusCode: 500, message } })
            return yield* Effect.fail(RequestErrors.badRequest(message))
          }
          return state.responses === "observed"
            ? observedUpdate(changed.value, state.nextTraceId(), yield* Clock.currentTimeMillis)
            : { success: true, conversation: changed.value }
        })
      )
      .handle("get", ({ params: { conversationId } }) =>
        Effect.gen(function* () {
          const refusal = state.takeRefusal("get", conversationId)
          if (refusal !== undefined) return refuse(refusal)
          const stored = state.conversation(conversationId)
          if (Option.isNone(stored)) return yield* Effect.fail(RequestErrors.badRequest(notFound(conversationId)))
          return state.responses === "observed" ? observedGet(stored.value) : stored.value
        })
      )
  )
)
