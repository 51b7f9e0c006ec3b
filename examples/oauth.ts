/**
 * An app that customers connect, as an Effect HTTP server.
 *
 * `GET /install` sends a customer to HighLevel's page, `GET /callback` ends the
 * authorization and stores the tokens, and `POST /read/:locationId/:conversationId`
 * marks a conversation read in the customer's name, with a token that is refreshed
 * when it has to be.
 *
 * Reads HIGHLEVEL_CLIENT_ID, HIGHLEVEL_CLIENT_SECRET, and, where set, PORT (8080),
 * PUBLIC_URL (http://localhost:PORT), TOKENS (./tokens) and, to try it with the
 * sandbox instead of HighLevel, HIGHLEVEL_BASE_URL.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { Conversations, HighLevelClient, OAuth, TokenStore } from "effect-highlevel"
import { createServer } from "node:http"

const settings = Config.all({
  port: Config.Int("PORT").pipe(Config.withDefault(8080)),
  publicUrl: Config.option(Config.String("PUBLIC_URL")),
  tokens: Config.String("TOKENS").pipe(Config.withDefault("./tokens")),
  baseUrl: Config.option(Config.String("HIGHLEVEL_BASE_URL"))
})

// The state lives in the browser that began, and is good for one authorization.
const cookie = "highlevel_state"
const cookieOptions = { httpOnly: true, sameSite: "lax", path: "/callback" } as const

const refuse = (status: number, text: string) => Effect.succeed(HttpServerResponse.text(text, { status }))

const Routes = Layer.unwrap(
  Effect.gen(function* () {
    const oauth = yield* OAuth.OAuth
    const client = yield* HighLevelClient.HighLevelClient
    const { baseUrl, port, publicUrl } = yield* settings
    const origin = Option.getOrElse(publicUrl, () => `http://localhost:${port}`)
    const redirectUri = `${origin}/callback`
    // The sandbox serves the page, too, and its customer says yes at once.
    const page = Option.getOrElse(
      Option.map(baseUrl, (url) => `${url}/v2/oauth/chooselocation?version_id=sandbox`),
      () => OAuth.defaultPage
    )

    const install = HttpRouter.add(
      "GET",
      "/install",
      Effect.gen(function* () {
        const { state, url } = yield* oauth.authorizationUrl({ redirectUri, page })
        return yield* HttpServerResponse.setCookie(HttpServerResponse.redirect(url), cookie, Redacted.value(state), {
          ...cookieOptions,
          secure: origin.startsWith("https:"),
          maxAge: "10 minutes"
        })
      }).pipe(Effect.orDie)
    )

    const Callback = Schema.Struct({
      code: Schema.optionalKey(Schema.String),
      state: Schema.optionalKey(Schema.String),
      error: Schema.optionalKey(Schema.String),
      error_description: Schema.optionalKey(Schema.String)
    })

    const callback = HttpRouter.add(
      "GET",
      "/callback",
      Effect.gen(function* () {
        const { cookies } = yield* HttpServerRequest.HttpServerRequest
        const query = yield* HttpServerRequest.schemaSearchParams(Callback)
        const kept = cookies[cookie]
        const connected = yield* oauth.exchangeCode(query, {
          redirectUri,
          state: kept === undefined ? undefined : Redacted.make(kept)
        })
        return yield* HttpServerResponse.text(`Connected location ${connected.locationId}`).pipe(
          HttpServerResponse.expireCookie(cookie, cookieOptions)
        )
      }).pipe(
        Effect.catchTags({
          AuthorizationFailed: (error) => refuse(400, `${error.message}. Start again at ${origin}/install`),
          SchemaError: () => refuse(400, "This is not HighLevel's redirect")
        }),
        Effect.orDie
      )
    )

    const read = HttpRouter.add(
      "POST",
      "/read/:locationId/:conversationId",
      Effect.gen(function* () {
        const { conversationId = "", locationId = "" } = yield* HttpRouter.params
        const { conversation } = yield* Effect.provideService(
          Conversations.update({ conversationId, locationId, unreadCount: 0 }),
          HighLevelClient.HighLevelClient,
          client
        )
        return HttpServerResponse.text(`Unread messages: ${conversation.unreadCount ?? "unknown"}`)
      }).pipe(
        Effect.catchTag("ReconnectRequired", (error) => refuse(409, `${error.message}: ${origin}/install`)),
        Effect.catch((error) => refuse(502, error.message))
      )
    )

    return Layer.mergeAll(install, callback, read)
  })
)

const HighLevel = HighLevelClient.layerConfig({ token: false }).pipe(
  Layer.provide(OAuth.layerLocations),
  Layer.provideMerge(OAuth.layerConfig()),
  Layer.provide(Layer.unwrap(Effect.map(settings, ({ tokens }) => TokenStore.layerFile({ directory: tokens })))),
  Layer.provide([FetchHttpClient.layer, NodeServices.layer])
)

const Server = Layer.unwrap(
  Effect.map(settings, ({ port }) => NodeHttpServer.layer(() => createServer(), { port, host: "127.0.0.1" }))
)

HttpRouter.serve(Routes).pipe(Layer.provide(HighLevel), Layer.provide(Server), Layer.launch, NodeRuntime.runMain)
