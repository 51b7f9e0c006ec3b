/**
 * An application's own HTTP API: `POST /conversations/:conversationId/read` marks a
 * conversation read, and each error of the update becomes a response that says what
 * to do about it. `GET /openapi.json` describes the API.
 *
 * Reads HIGHLEVEL_TOKEN, HIGHLEVEL_LOCATION_ID, and, where set, PORT (8080) and, to
 * try it with the sandbox instead of HighLevel, HIGHLEVEL_BASE_URL.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import { Conversations, HighLevelClient, HighLevelError, UpdateConversation } from "effect-highlevel"
import { createServer } from "node:http"

const said = { messages: Schema.Array(Schema.String) }

class Refused extends Schema.TaggedError<Refused>()("Refused", said, { httpApiStatus: 422 }) {}
class ReconnectFirst extends Schema.TaggedError<ReconnectFirst>()("ReconnectFirst", said, { httpApiStatus: 409 }) {}
class SpentForToday extends Schema.TaggedError<SpentForToday>()(
  "SpentForToday",
  { resetsAt: Schema.DateTimeUtc },
  { httpApiStatus: 429 }
) {}
class TryAgain extends Schema.TaggedError<TryAgain>()("TryAgain", {}, { httpApiStatus: 503 }) {}

const read = HttpApiEndpoint.post("read", "/conversations/:conversationId/read", {
  params: { conversationId: UpdateConversation.ConversationId },
  success: Schema.Struct({ unreadCount: Schema.Finite }),
  error: [Refused, ReconnectFirst, SpentForToday, TryAgain]
})

class InboxApi extends HttpApi.make("inbox").add(HttpApiGroup.make("conversations").add(read)) {}

const Handlers = HttpApiBuilder.group(
  InboxApi,
  "conversations",
  Effect.fnUntraced(function* (handlers) {
    const client = yield* HighLevelClient.HighLevelClient
    const locationId = yield* Config.String("HIGHLEVEL_LOCATION_ID")

    return handlers.handle("read", ({ params: { conversationId } }) =>
      // Somebody waits for the response, so the call may not take as long as a backlog may.
      Conversations.update({ conversationId, locationId, unreadCount: 0 }, { timeout: "10 seconds" }).pipe(
        Effect.provideService(HighLevelClient.HighLevelClient, client),
        Effect.map(({ conversation }) => ({ unreadCount: conversation.unreadCount ?? 0 })),
        Effect.tapError((error) => Effect.logWarning(error.message)),
        // An error without a case here does not compile: it is none of the endpoint's.
        Effect.catchTags({
          UnreadableResponse: () => Effect.succeed({ unreadCount: 0 }),
          DailyLimitExceeded: ({ resetsAt }) => Effect.fail(new SpentForToday({ resetsAt })),
          InvalidRequest: ({ message }) => Effect.fail(new Refused({ messages: [message] })),
          UnexpectedStatus: (error) =>
            Effect.fail(HighLevelError.isTransient(error) ? new TryAgain() : new Refused({ messages: error.messages }))
        }),
        Effect.catchTag(["Unauthorized", "ReconnectRequired"], (error) =>
          Effect.fail(
            HighLevelError.isTransient(error) ? new TryAgain() : new ReconnectFirst({ messages: error.messages })
          )
        ),
        Effect.catchTag(["BadRequest", "Unprocessable", "Unsuccessful"], ({ messages }) =>
          Effect.fail(new Refused({ messages }))
        ),
        Effect.catchTag(
          ["TransportFailure", "RequestTimeout", "UnexpectedBody", "TokenUnavailable", "RateLimiterUnavailable"],
          () => Effect.fail(new TryAgain())
        )
      )
    )
  })
)

const Routes = HttpApiBuilder.layer(InboxApi, { openapiPath: "/openapi.json" }).pipe(
  Layer.provide(Handlers),
  Layer.provide(HighLevelClient.layerConfig({ token: Config.Redacted("HIGHLEVEL_TOKEN") })),
  Layer.provide(FetchHttpClient.layer)
)

const Server = Layer.unwrap(
  Effect.gen(function* () {
    const port = yield* Config.Int("PORT").pipe(Config.withDefault(8080))
    return NodeHttpServer.layer(() => createServer(), { port, host: "127.0.0.1" })
  })
)

HttpRouter.serve(Routes).pipe(Layer.provide(Server), Layer.launch, NodeRuntime.runMain)
