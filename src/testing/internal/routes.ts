/** The declaration, answered: the routes of the sandbox. */
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { Authorization, HighLevelApi } from "../../HighLevelApi.ts"
import type { Fault, Operation, Refusal } from "../SandboxModel.ts"
import * as OAuthRoutes from "./oauthRoutes.ts"
import * as ProviderStates from "./providerStates.ts"
import * as RequestErrors from "./requestErrors.ts"
import { type Held, State } from "./state.ts"

const SandboxApi = HighLevelApi.middleware(RequestErrors.RequestErrors)

const locationIn = (body: string): string => {
  try {
    const parsed: unknown = JSON.parse(body)
    return Predicate.hasProperty(parsed, "locationId") ? String(parsed.locationId) : ""
  } catch {
    return ""
  }
}

const authorization = Layer.effect(
  Authorization,
  Effect.map(State, (state) =>
    Authorization.of({
      bearer: (httpEffect, { credential }) =>
        Effect.gen(function* () {
          const request = yield* HttpServerRequest.HttpServerRequest
          const locationId = locationIn(yield* Effect.orElseSucceed(request.text, () => ""))
          const refusal = state.refusalOf(Redacted.value(credential), locationId, yield* Clock.currentTimeMillis)
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

// The recorded answer of 2026-07-17 carried these fields and no others.
const observed = (conversation: Held, traceId: string, now: number) =>
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

const handlers = HttpApiBuilder.group(SandboxApi, "conversations", (handlers) =>
  Effect.map(State, (state) =>
    handlers.handle("update", ({ params: { conversationId }, payload }) =>
      Effect.gen(function* () {
        const refusal = state.takeRefusal(conversationId)
        if (refusal !== undefined) return refuse(refusal)
        const changed = state.apply(conversationId, payload)
        if (Option.isNone(changed)) {
          const message = `Conversation with id ${conversationId} not found`
          // Undocumented; a sibling operation was seen to answer 500.
          if (state.answers === "observed") return refuse({ status: 500, body: { statusCode: 500, message } })
          return yield* Effect.fail(RequestErrors.badRequest(message))
        }
        return state.answers === "observed"
          ? observed(changed.value, state.nextTraceId(), yield* Clock.currentTimeMillis)
          : { success: true, conversation: changed.value }
      })
    )
  )
)

const notFound = HttpRouter.add("*", "*", ({ method, url }) =>
  Effect.succeed(
    HttpServerResponse.jsonUnsafe(
      { statusCode: 404, message: `Cannot ${method} ${url}`, error: "Not Found" },
      { status: 404 }
    )
  )
)

const operationOf = (url: string): Operation =>
  url.startsWith("/oauth/locationToken") ? "locationToken" : url.startsWith("/oauth/") ? "token" : "update"

// Through the request's source, since servers differ and this must not import Node.
const disconnect = ({ source }: HttpServerRequest.HttpServerRequest) =>
  Effect.suspend(() => {
    const socket = Predicate.hasProperty(source, "socket") ? source.socket : undefined
    if (Predicate.hasProperty(socket, "destroy") && typeof socket.destroy === "function") socket.destroy()
    return Effect.fail(new Error("The sandbox ended the connection"))
  })

const bytesOf = ({ body }: HttpServerResponse.HttpServerResponse) =>
  body._tag === "Uint8Array" ? body.body : new Uint8Array()

/** The answer with what goes wrong on its way. */
const afflicted = (
  kind: Exclude<Fault["kind"], "disconnect">,
  delay: Duration.Input,
  response: HttpServerResponse.HttpServerResponse,
  request: HttpServerRequest.HttpServerRequest
): Effect.Effect<HttpServerResponse.HttpServerResponse> => {
  const bytes = bytesOf(response)
  const half = bytes.slice(0, Math.floor(bytes.length / 2))
  const { headers, status } = response
  const options = { status, headers, contentType: "application/json" }
  switch (kind) {
    case "slow-headers":
      return Effect.delay(Effect.succeed(response), delay)
    case "slow-body":
      return Effect.succeed(
        HttpServerResponse.stream(
          Stream.concat(
            Stream.make(half),
            Stream.fromEffect(Effect.delay(Effect.succeed(bytes.slice(half.length)), delay))
          ),
          options
        )
      )
    case "reset-body":
      return Effect.succeed(
        HttpServerResponse.stream(Stream.concat(Stream.make(half), Stream.fromEffect(disconnect(request))), options)
      )
    case "truncated-json":
      return Effect.succeed(HttpServerResponse.uint8Array(half, options))
  }
}

const recorded = HttpRouter.middleware(
  Effect.map(
    State,
    (state) => (httpEffect) =>
      Effect.gen(function* () {
        const request = yield* HttpServerRequest.HttpServerRequest
        // Not a request to HighLevel.
        if (request.url === ProviderStates.path) return yield* httpEffect
        const body = yield* request.text
        const receivedAt = yield* Clock.currentTimeMillis
        const { headers, method, url } = request
        const entry = state.receive({ method, path: url, headers, body, receivedAt })
        const { delay = "1 second", kind } = state.takeFault(operationOf(url)) ?? {}
        // Not an answer, which an error would become: the connection just ends, and in
        // memory the client's request with it.
        if (kind === "disconnect") return yield* Effect.orDie(disconnect(request))
        // The quota is that of the API; nothing is known of one of the OAuth server.
        const spent =
          operationOf(url) === "update" ? state.spend(locationIn(body), receivedAt) : { isAllowed: true, headers: {} }
        const answer = spent.isAllowed
          ? yield* httpEffect
          : HttpServerResponse.jsonUnsafe({ statusCode: 429, message: "Too Many Requests" }, { status: 429 })
        const response = HttpServerResponse.setHeaders(answer, spent.headers)
        entry.status = response.status
        return kind === undefined ? response : yield* afflicted(kind, delay, response, request)
      })
  ),
  { global: true }
)

/** HighLevel's side of the operation. */
export const layer = Layer.mergeAll(
  HttpApiBuilder.layer(SandboxApi).pipe(Layer.provide(handlers), Layer.provide(authorization)),
  OAuthRoutes.layer,
  notFound,
  recorded
).pipe(Layer.provide(RequestErrors.layer), Layer.provide(HttpServer.layerServices))

/** The same, which can also be put into the states of the contract. */
export const layerProviderStates = Layer.merge(layer, ProviderStates.layer)
