/** HighLevel's authorization page, with a customer who approves at once. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as OAuthState from "./oauthState.ts"
import { State } from "./state.ts"

const Query = Schema.Struct({
  client_id: Schema.optionalKey(Schema.String),
  version_id: Schema.optionalKey(Schema.String),
  redirect_uri: Schema.optionalKey(Schema.String),
  scope: Schema.optionalKey(Schema.String),
  state: Schema.optionalKey(Schema.String),
  location_id: Schema.optionalKey(Schema.String)
})

const refuse = (text: string) => HttpServerResponse.text(text, { status: 400 })
const unknownApp = (clientId: string) => refuse(`No integration found with the id: ${OAuthState.appIdOf(clientId)}`)

/** The old page does not know today's apps. */
const first = HttpServerRequest.schemaSearchParams(Query).pipe(
  Effect.map(({ client_id: clientId = "" }) => unknownApp(clientId))
)

const second = Effect.fnUntraced(function* ({ approve, oauth }: State["Service"]) {
  const { client_id: clientId, location_id: locationId, ...query } = yield* HttpServerRequest.schemaSearchParams(Query)
  if (clientId === undefined) return HttpServerResponse.empty({ status: 200 })
  // Today it is the app id, although that is undocumented.
  if (query.version_id !== oauth.appId) return refuse("error.noAppVersionIdFound")
  if (clientId !== oauth.settings.clientId) return unknownApp(clientId)
  const { redirect_uri: redirectUri = "", scope = "" } = query
  if (!URL.canParse(redirectUri)) return refuse("error.invalidRedirectUri")
  const { code, state } = approve(
    { redirectUri, scope, state: query.state },
    locationId === undefined ? {} : { locationId },
    yield* Clock.currentTimeMillis
  )
  const target = new URL(redirectUri)
  target.searchParams.set("code", code)
  if (state !== undefined) target.searchParams.set("state", state)
  return HttpServerResponse.redirect(target)
})

const page = (path: `/${string}`, handler: ReturnType<typeof second>) =>
  HttpRouter.add(
    "GET",
    path,
    Effect.catchTag(handler, "SchemaError", (error) => Effect.succeed(refuse(error.message)))
  )

export const layer = Layer.unwrap(
  Effect.map(State, (state) =>
    Layer.merge(page("/oauth/chooselocation", first), page("/v2/oauth/chooselocation", second(state)))
  )
)
