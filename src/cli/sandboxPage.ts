/** Serves the sandbox's page: its conversations and requests, live, and the documentation of the API. */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as HttpApiScalar from "effect/http-api/HttpApiScalar"
import * as OpenApi from "effect/http-api/OpenApi"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as OptionsCheck from "../client/options.ts"
import * as Sandbox from "../testing/Sandbox.ts"
import { HighLevelApi } from "../wire/HighLevelApi.ts"
import * as Assets from "./sandboxPageAssets.ts"

const Status = Schema.Int.check(Schema.isBetween({ minimum: 400, maximum: 599 }))
const Count = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000_000 }))
const Action = Schema.Union([
  Schema.TaggedStruct("refuse", { status: Status, times: Count }),
  Schema.TaggedStruct("fault", {
    kind: Schema.Literals(Sandbox.faultKinds),
    times: Count
  }),
  Schema.TaggedStruct("limit", { max: Count }),
  Schema.TaggedStruct("receive", { conversationId: Schema.NonEmptyString, body: Schema.String }),
  Schema.TaggedStruct("deactivate", { locationId: Schema.NonEmptyString })
])

const act = (sandbox: Sandbox.Service, action: typeof Action.Type) => {
  switch (action._tag) {
    case "refuse":
      return sandbox.refuse(action)
    case "fault":
      return sandbox.fault(action)
    case "limit":
      return sandbox.limit({ max: action.max })
    case "receive":
      return Effect.flatMap(sandbox.receive(action), (found) =>
        Option.isSome(found) ? Effect.void : Effect.fail(`conversationId: there is no ${action.conversationId}`)
      )
    case "deactivate":
      return sandbox.deactivate(action.locationId)
  }
}

/** A request to the API, and its response. */
interface Seen {
  readonly number: number
  readonly at: number
  readonly method: string
  readonly path: string
  readonly body: string
  readonly status: number | undefined
  readonly message: string
}

const ErrorBody = Schema.fromJsonString(
  Schema.Struct({ message: Schema.Union([Schema.String, Schema.Array(Schema.String)]) })
)
const messageOf = ({ body, status }: HttpServerResponse.HttpServerResponse) => {
  if (status < 400 || body._tag !== "Uint8Array") return ""
  const decoded = Schema.decodeUnknownExit(ErrorBody)(new TextDecoder().decode(body.body))
  return Exit.isSuccess(decoded) ? [decoded.value.message].flat().join("; ") : ""
}

/** The maximum rows of each table. */
const rows = 200

const policy = (scripts: string) =>
  `default-src 'none'; script-src ${scripts}; style-src 'self' 'unsafe-inline'; connect-src 'self'; img-src 'self' data:; ` +
  "font-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
const secured = (scripts: string) =>
  HttpServerResponse.setHeaders({
    "content-security-policy": policy(scripts),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer"
  })
const asset = (text: string, contentType: string) =>
  Effect.succeed(
    HttpServerResponse.text(text, { contentType: `${contentType}; charset=utf-8` }).pipe(secured("'self'"))
  )
const refused = (status: number, message: string) => HttpServerResponse.jsonUnsafe({ message }, { status })

// Any other host name could be a web page that resolves to this address: DNS rebinding.
const isLoopback = (host: string) =>
  URL.canParse(`http://${host}`) && OptionsCheck.isLoopback(new URL(`http://${host}`).hostname)

export const notServed = (host: string) => `The page at / is served on loopback addresses only, not on ${host}.`

/** Makes the page. Its layer adds it to the server in the context, in front of the API; `open` connects it to the sandbox. */
export const make = Effect.gen(function* () {
  const opened = yield* Deferred.make<{ sandbox: Sandbox.Service; commands: ReadonlyArray<string> }>()
  const changes = yield* PubSub.sliding<void>(1)
  const seen: Array<Seen> = []
  let count = 0
  let limits: Readonly<Record<string, string | undefined>> = {}

  const docs = yield* Effect.cached(
    HttpRouter.toHttpEffect(
      HttpApiScalar.layer(
        // "Test Request" goes to the sandbox instead of HighLevel.
        HighLevelApi.annotateMerge(OpenApi.annotations({ title: "HighLevel API (sandbox)", servers: [{ url: "/" }] })),
        { scalar: { withDefaultFonts: false, showOperationId: true, defaultOpenAllTags: true } }
      )
    )
  )

  const snapshot = Effect.gen(function* () {
    const { commands, sandbox } = yield* Deferred.await(opened)
    const all = yield* sandbox.conversations
    const named = new Set(seen.flatMap(({ path }) => path.split(/[/?]/)[2] ?? []))
    const latest = all.length <= rows ? [] : all.filter(({ id }) => typeof id === "string" && named.has(id))
    const shown = [...new Set([...latest, ...all.slice(0, rows)])].slice(0, rows)
    const conversations = shown.map(({ fullName, id, lastMessageBody, locationId, starred, unreadCount }) => ({
      id,
      locationId,
      fullName,
      lastMessageBody,
      unreadCount,
      starred
    }))
    const unread = all.reduce((sum, { unreadCount }) => sum + ((unreadCount ?? 0) > 0 ? 1 : 0), 0)
    return `data: ${JSON.stringify({ commands, conversations, total: all.length, unread, requests: seen, count, limits })}\n\n`
  })

  const events = Stream.unwrap(
    Effect.map(PubSub.subscribe(changes), (subscription) =>
      Stream.concat(Stream.make(undefined), Stream.fromSubscription(subscription)).pipe(
        // At most ten snapshots a second.
        Stream.mapEffect(() => Effect.delay(snapshot, "100 millis"))
      )
    )
  ).pipe(Stream.encodeText)

  const perform = Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    if (request.headers["origin"] !== `http://${request.headers["host"]}`)
      return refused(403, "Only the sandbox's own page may send actions.")
    const action = yield* HttpServerRequest.schemaBodyJson(Action)
    const { sandbox } = yield* Deferred.await(opened)
    yield* act(sandbox, action)
    yield* PubSub.publish(changes, undefined)
    return HttpServerResponse.empty({ status: 204 })
  }).pipe(Effect.catch((error) => Effect.succeed(refused(400, typeof error === "string" ? error : error.message))))

  const routes = {
    "GET /": asset(Assets.html, "text/html"),
    "GET /_sandbox/page.js": asset(Assets.script, "text/javascript"),
    "GET /_sandbox/page.css": asset(Assets.style, "text/css"),
    "GET /_sandbox/events": Effect.succeed(HttpServerResponse.stream(events, { contentType: "text/event-stream" })),
    "POST /_sandbox/actions": perform,
    "GET /docs": Effect.flatten(docs).pipe(Effect.map(secured("'unsafe-inline' 'unsafe-eval'")))
  }
  const isRoute = (route: string): route is keyof typeof routes => Object.hasOwn(routes, route)

  const observe = Effect.fnUntraced(function* (
    request: HttpServerRequest.HttpServerRequest,
    response: HttpServerResponse.HttpServerResponse | undefined
  ) {
    // The sandbox has already read the body, which the request caches.
    const body = yield* Effect.orElseSucceed(request.text, () => "")
    const { method, url: path } = request
    const at = yield* Clock.currentTimeMillis
    const message = response === undefined ? "The connection was closed" : messageOf(response)
    seen.unshift({ number: ++count, at, method, path, body: body.slice(0, 500), status: response?.status, message })
    seen.length = Math.min(seen.length, rows)
    if (response?.headers["x-ratelimit-max"] !== undefined) limits = { ...response.headers }
    yield* PubSub.publish(changes, undefined)
  })

  const before = <E, R>(api: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>) =>
    Effect.gen(function* () {
      const request = yield* HttpServerRequest.HttpServerRequest
      const route = `${request.method} ${request.url.replace(/\?.*/, "")}`
      if (!isRoute(route))
        return yield* Effect.onExit(api, (exit) => observe(request, Exit.isSuccess(exit) ? exit.value : undefined))
      if (!isLoopback(request.headers["host"] ?? ""))
        return refused(403, "The page is served on loopback addresses only.")
      return yield* routes[route]
    })

  return {
    open: (sandbox: Sandbox.Service, commands: ReadonlyArray<string>) =>
      Deferred.succeed(opened, { sandbox, commands }),
    /** Ends the streams of events, which the server would otherwise wait for. */
    close: PubSub.shutdown(changes),
    layer: Layer.effect(
      HttpServer.HttpServer,
      Effect.map(HttpServer.HttpServer, (server) =>
        HttpServer.make({
          address: server.address,
          serve: (api, middleware) =>
            middleware === undefined ? server.serve(before(api)) : server.serve(before(api), middleware)
        })
      )
    )
  }
})
