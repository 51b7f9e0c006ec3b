/**
 * A server that stars a conversation when a message says that it is urgent, and marks
 * it read when a person has answered. It also keeps the accounts of the app: a location
 * that an agency adds is served, one that uninstalls the app is forgotten.
 *
 * Reads HIGHLEVEL_CLIENT_ID, HIGHLEVEL_CLIENT_SECRET, and, where set, PORT (8080),
 * TOKENS (./tokens) and, to try it with the sandbox instead of HighLevel,
 * HIGHLEVEL_BASE_URL and HIGHLEVEL_WEBHOOK_KEY. Customers connect as in oauth.ts, or by
 * `effect-highlevel connect`.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Persistence from "effect/persistence/Persistence"
import { Conversations, HighLevelClient, HighLevelError, OAuth, TokenStore, Webhooks } from "effect-highlevel"
import { createServer } from "node:http"

/** What becomes of a conversation. A later delivery sets the same again, so it is idempotent. */
const update = (
  { conversationId, locationId }: Webhooks.InboundMessage | Webhooks.OutboundMessage,
  changes: { readonly starred: boolean } | { readonly unreadCount: number }
) =>
  conversationId == null || locationId == null
    ? Effect.void
    : Conversations.update({ conversationId, locationId, ...changes }, { timeout: "15 seconds" }).pipe(
        // What is transient fails, and HighLevel delivers the event again; nothing else is better later.
        Effect.catchIf(
          (error) => !HighLevelError.isTransient(error),
          (error) => Effect.logWarning(error.message)
        )
      )

const handler = Webhooks.on({
  ...Webhooks.installs,
  InboundMessage: (message) =>
    /\burgent\b/i.test(message.body ?? "") ? update(message, { starred: true }) : Effect.void,
  // Without a user, it was sent by a workflow.
  OutboundMessage: (message) => (message.userId == null ? Effect.void : update(message, { unreadCount: 0 }))
})

const Routes = Layer.unwrap(
  Effect.gen(function* () {
    const { clientId } = yield* OAuth.OAuth
    const key = yield* Config.String("HIGHLEVEL_WEBHOOK_KEY").pipe(Config.withDefault(Webhooks.highLevelKey))
    const [appId = clientId] = clientId.split("-")
    return Webhooks.layer({ path: "/webhooks", appId, keys: [key], handler })
  })
)

const HighLevel = HighLevelClient.layerConfig().pipe(
  Layer.provideMerge(OAuth.layerConfig()),
  Layer.provide(
    Layer.unwrap(
      Effect.map(Config.String("TOKENS").pipe(Config.withDefault("./tokens")), (directory) =>
        TokenStore.layerFile({ directory })
      )
    )
  ),
  Layer.provide([FetchHttpClient.layer, NodeServices.layer])
)

const Server = Layer.unwrap(
  Effect.map(Config.Int("PORT").pipe(Config.withDefault(8080)), (port) =>
    NodeHttpServer.layer(() => createServer(), { port, host: "127.0.0.1" })
  )
)

HttpRouter.serve(Routes).pipe(
  Layer.provide(HighLevel),
  // Several processes share what they have handled through Persistence.layerRedis.
  Layer.provide(Persistence.layerMemory),
  Layer.provide(Server),
  Layer.launch,
  NodeRuntime.runMain
)
