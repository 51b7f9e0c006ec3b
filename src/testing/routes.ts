/** The endpoints of the sandbox, with its recording, rate limits and faults. */
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Headers from "effect/http/Headers"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as ConversationRoutes from "./conversationRoutes.ts"
import * as OAuthRoutes from "./oauthRoutes.ts"
import * as Page from "./page.ts"
import * as ProviderStates from "./providerStates.ts"
import * as RequestErrors from "./requestErrors.ts"
import type { Fault, Operation } from "./SandboxModel.ts"
import { State } from "./state.ts"

const notFound = HttpRouter.add("*", "*", ({ method, url }) =>
  Effect.succeed(
    HttpServerResponse.jsonUnsafe(
      { statusCode: 404, message: `Cannot ${method} ${url}`, error: "Not Found" },
      { status: 404 }
    )
  )
)

const operationOf = (method: string, url: string): Operation | undefined => {
  const [, group, name] = /^\/(\w+)\/(\w+)/.exec(url) ?? []
  if (group === "conversations") {
    if (method !== "GET") return "update"
    return ConversationRoutes.isSearch(url) ? "search" : "get"
  }
  if (group !== "oauth") return undefined
  return name === "token" || name === "locationToken" || name === "installedLocations" ? name : undefined
}

// Through the request's source, since servers differ and this module must not import Node.
const disconnect = ({ source }: HttpServerRequest.HttpServerRequest) =>
  Effect.suspend(() => {
    const socket = Predicate.hasProperty(source, "socket") ? source.socket : undefined
    if (Predicate.hasProperty(socket, "destroy") && typeof socket.destroy === "function") socket.destroy()
    return Effect.fail(new Error("The sandbox ended the connection"))
  })

const bytesOf = ({ body }: HttpServerResponse.HttpServerResponse) =>
  body._tag === "Uint8Array" ? body.body : new Uint8Array()

/** Adds a fault to a response. */
const withFault = (
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
    case "empty-body":
      return Effect.succeed(HttpServerResponse.empty({ status, headers: Headers.remove(headers, "content-length") }))
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
        const operation = operationOf(method, url)
        const { delay = "1 second", kind } = (operation && state.takeFault(operation)) ?? {}
        // Ends the connection, and in memory the client's request. An error would become a
        // response.
        if (kind === "disconnect") return yield* Effect.orDie(disconnect(request))
        // The rate limit is that of the API; none is known for the OAuth server.
        const consumed = /^\/(v2\/)?oauth\//.test(url)
          ? { isAllowed: true, headers: {} }
          : state.consume(ConversationRoutes.locationOf(state, url, body), receivedAt)
        const handled = consumed.isAllowed
          ? yield* httpEffect
          : HttpServerResponse.jsonUnsafe({ statusCode: 429, message: "Too Many Requests" }, { status: 429 })
        const response = HttpServerResponse.setHeaders(handled, consumed.headers)
        entry.status = response.status
        return kind === undefined ? response : yield* withFault(kind, delay, response, request)
      })
  ),
  { global: true }
)

/** The endpoints of the sandbox. */
export const layer = Layer.mergeAll(
  HttpApiBuilder.layer(RequestErrors.SandboxApi).pipe(
    Layer.provide([ConversationRoutes.handlers, OAuthRoutes.handlers]),
    Layer.provide([ConversationRoutes.authorization, OAuthRoutes.agencyAuthorization])
  ),
  Page.layer,
  notFound,
  recorded
).pipe(Layer.provide(RequestErrors.layer), Layer.provide(HttpServer.layerServices))

/** The endpoints of the sandbox, and its provider states. */
export const layerProviderStates = Layer.merge(layer, ProviderStates.layer)
