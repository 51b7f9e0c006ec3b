/**
 * Webhooks in a Cloudflare Worker: `POST /webhooks` marks a conversation read when a
 * person has answered. Web standards only, so it also runs on Deno, Bun and Node.
 *
 * Bindings: HIGHLEVEL_TOKEN (a secret), HIGHLEVEL_APP_ID, and, to try it with the sandbox
 * instead of HighLevel, HIGHLEVEL_BASE_URL and HIGHLEVEL_WEBHOOK_KEY.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Redacted from "effect/Redacted"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Conversations from "effect-highlevel/Conversations"
import * as HighLevelClient from "effect-highlevel/HighLevelClient"
import * as Webhooks from "effect-highlevel/Webhooks"

export interface Environment {
  readonly HIGHLEVEL_TOKEN: string
  readonly HIGHLEVEL_APP_ID: string
  readonly HIGHLEVEL_BASE_URL?: string
  readonly HIGHLEVEL_WEBHOOK_KEY?: string
}

const makeRuntime = ({ HIGHLEVEL_BASE_URL, HIGHLEVEL_TOKEN }: Environment) =>
  ManagedRuntime.make(
    HighLevelClient.layer({
      token: Redacted.make(HIGHLEVEL_TOKEN),
      baseUrl: HIGHLEVEL_BASE_URL,
      timeout: "15 seconds",
      // A request that waits here would be woken by another, which Workers do not allow: it would hang.
      rateLimit: false
    }).pipe(Layer.provide(FetchHttpClient.layer))
  )

// Made by the first request, which brings the bindings, for all of the isolate.
let runtime: ReturnType<typeof makeRuntime> | undefined

// Nothing is remembered here, so an event may come twice: this sets the same again.
const handle = Webhooks.on({
  OutboundMessage: ({ conversationId, locationId, userId }) =>
    userId == null || conversationId == null || locationId == null
      ? Effect.void
      : Conversations.update({ conversationId, locationId, unreadCount: 0 })
})

const receive = Effect.fnUntraced(
  function* (request: Request, { HIGHLEVEL_APP_ID, HIGHLEVEL_WEBHOOK_KEY }: Environment) {
    const bytes = new Uint8Array(yield* Effect.promise(() => request.arrayBuffer()))
    const event = yield* Webhooks.verify(request.headers, bytes, {
      appId: HIGHLEVEL_APP_ID,
      keys: HIGHLEVEL_WEBHOOK_KEY === undefined ? undefined : [HIGHLEVEL_WEBHOOK_KEY]
    })
    yield* handle(event)
    return new Response()
  },
  Effect.catchTag("WebhookRejected", ({ reason }) => Effect.succeed(new Response(reason, { status: 401 }))),
  // HighLevel delivers the event again.
  Effect.catch((error) => Effect.as(Effect.logError(error.message), new Response("Failed", { status: 500 })))
)

export default {
  fetch: async (request: Request, environment: Environment): Promise<Response> => {
    if (request.method !== "POST" || new URL(request.url).pathname !== "/webhooks") {
      return new Response("Not found", { status: 404 })
    }
    runtime ??= makeRuntime(environment)
    return runtime.runPromise(receive(request, environment))
  }
}
