/** The sandbox served on a real socket, an OAuth over a store, and a client that takes its tokens. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import { Conversations, HighLevelClient, OAuth, TokenStore } from "effect-highlevel"
import { Sandbox } from "effect-highlevel/testing"
import { createServer } from "node:http"

export const locationId = Sandbox.documentedConversation.locationId
export const ids = { conversationId: Sandbox.documentedConversation.id, locationId }

export const star = Conversations.update({ ...ids, starred: true })

export const layerSandbox = (options?: Sandbox.Options) =>
  Sandbox.layerServer(options).pipe(
    Layer.provideMerge(NodeHttpServer.layer(() => createServer(), { port: 0, host: "127.0.0.1" }))
  )

export const layerOAuth = (options?: Partial<OAuth.Options>) =>
  Layer.unwrap(Effect.map(Sandbox.url, (baseUrl) => OAuth.layer({ ...Sandbox.defaultApp, baseUrl, ...options }))).pipe(
    Layer.provide(FetchHttpClient.layer)
  )

/** The same over the HTTP client in the context, and a client that takes its tokens. */
export const memoryOAuth = (options?: Partial<OAuth.Options>) => OAuth.layer({ ...Sandbox.defaultApp, ...options })
export const memoryClient = (options?: HighLevelClient.Options) => HighLevelClient.layer({ retry: false, ...options })

/** Everything, in memory: a client of many locations, the tokens' store, and the sandbox as its HTTP client. */
export const layer = (
  options: {
    readonly sandbox?: Sandbox.Options
    readonly oauth?: Partial<OAuth.Options>
    readonly client?: HighLevelClient.Options
    readonly store?: Layer.Layer<TokenStore.TokenStore>
  } = {}
) =>
  memoryClient(options.client).pipe(
    Layer.provideMerge(memoryOAuth(options.oauth)),
    Layer.provideMerge(options.store ?? TokenStore.layerMemory),
    Layer.provideMerge(Sandbox.layer(options.sandbox))
  )

/** A customer connects, through the page, the redirect and the exchange. */
export const connect = Effect.fnUntraced(function* (
  choice: Sandbox.Choice = { locationId },
  userType: "Company" | "Location" = "Location"
) {
  const oauth = yield* OAuth.OAuth
  const sandbox = yield* Sandbox.Sandbox
  const redirectUri = "https://app.example/callback"
  const { state, url } = yield* Effect.orDie(oauth.authorizationUrl({ redirectUri }))
  return yield* oauth.exchangeCode(yield* sandbox.approve(url, choice), { state, redirectUri, userType })
})

/** The requests that the OAuth server got since the start, without the first exchange. */
export const refreshes = Effect.gen(function* () {
  const sandbox = yield* Sandbox.Sandbox
  return (yield* sandbox.requests).filter(
    ({ body, path }) => path === "/oauth/token" && body.includes("grant_type=refresh_token")
  )
})

/** The requests for a location's token that agencies made. */
export const exchanges = Effect.gen(function* () {
  const sandbox = yield* Sandbox.Sandbox
  return (yield* sandbox.requests).filter(({ path }) => path === "/oauth/locationToken")
})

/** An agency that has connected, with the app in these locations. */
export const connectAgency = Effect.fnUntraced(function* (id: string, locationIds: ReadonlyArray<string>) {
  const sandbox = yield* Sandbox.Sandbox
  const oauth = yield* OAuth.OAuth
  yield* sandbox.install({ companyId: id, locationIds })
  const { refreshToken } = yield* sandbox.issue({ userType: "Company", companyId: id })
  yield* oauth.importRefreshToken({ companyId: id }, refreshToken)
})

export const updates = Effect.gen(function* () {
  const sandbox = yield* Sandbox.Sandbox
  return (yield* sandbox.requests).filter(({ path }) => path.startsWith("/conversations/"))
})

export const bearerOf = (request: Sandbox.ReceivedRequest | undefined) => request?.headers["authorization"]

/** The text that a store holds for a location. */
export const stored = Effect.fnUntraced(function* (location = locationId) {
  const store = yield* TokenStore.TokenStore
  return Option.getOrUndefined(Option.map(yield* store.get(`sandbox-app:location:${location}`), Redacted.value)) ?? ""
})

/** A store whose next replacements can be held, broken or watched. */
export const steered = () => {
  const hooks = {
    gets: 0,
    onGet: Effect.void as Effect.Effect<void>,
    afterGet: Effect.void as Effect.Effect<void>,
    beforeRemove: (_key: string): Effect.Effect<void> => Effect.void,
    before: (_next: string): Effect.Effect<void, TokenStore.TokenStoreError> => Effect.void,
    after: (_next: string): Effect.Effect<void, TokenStore.TokenStoreError> => Effect.void
  }
  const layer = Layer.effect(
    TokenStore.TokenStore,
    Effect.map(TokenStore.makeMemory, ({ get, list, remove, replace }) => ({
      list,
      get: (key) => {
        hooks.gets++
        const { afterGet, onGet } = hooks
        return onGet.pipe(
          Effect.andThen(get(key)),
          Effect.tap(() => afterGet)
        )
      },
      remove: (key, current) =>
        Effect.andThen(
          Effect.suspend(() => hooks.beforeRemove(key)),
          remove(key, current)
        ),
      replace: (key, current, next) =>
        Effect.suspend(() => hooks.before(Redacted.value(next))).pipe(
          Effect.andThen(replace(key, current, next)),
          Effect.tap(() => hooks.after(Redacted.value(next)))
        )
    }))
  )
  return { hooks, layer }
}
