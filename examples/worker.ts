/**
 * A Cloudflare Worker: `POST /conversations/:conversationId/read` marks a
 * conversation read. Web standards only, so it also runs on Deno, Bun and Node.
 *
 * Bindings: HIGHLEVEL_TOKEN (a secret), HIGHLEVEL_LOCATION_ID, and, to try it with
 * the sandbox instead of HighLevel, HIGHLEVEL_BASE_URL.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Redacted from "effect/Redacted"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import { Conversations, HighLevelClient } from "effect-highlevel"

export interface Environment {
  readonly HIGHLEVEL_TOKEN: string
  readonly HIGHLEVEL_LOCATION_ID: string
  readonly HIGHLEVEL_BASE_URL?: string
}

const makeRuntime = ({ HIGHLEVEL_BASE_URL, HIGHLEVEL_TOKEN }: Environment) =>
  ManagedRuntime.make(
    HighLevelClient.layer({
      token: Redacted.make(HIGHLEVEL_TOKEN),
      baseUrl: HIGHLEVEL_BASE_URL,
      timeout: "20 seconds",
      // A request that waits here would be woken by another, which Workers do not allow: it would hang.
      rateLimit: false
    }).pipe(Layer.provide(FetchHttpClient.layer))
  )

// Made by the first request, which brings the bindings, for all of the isolate.
let runtime: ReturnType<typeof makeRuntime> | undefined

const read = (conversationId: string, locationId: string) =>
  Conversations.update({ conversationId, locationId, unreadCount: 0 }).pipe(
    Effect.map(({ conversation }) => Response.json({ unreadCount: conversation.unreadCount ?? 0 })),
    Effect.catchTags({
      UnreadableResponse: () => Effect.succeed(Response.json({ unreadCount: 0 })),
      BadRequest: ({ messages }) => Effect.succeed(Response.json({ messages }, { status: 422 })),
      Unprocessable: ({ messages }) => Effect.succeed(Response.json({ messages }, { status: 422 }))
    }),
    Effect.catch((error) =>
      Effect.as(Effect.logWarning(error.message), Response.json({ error: error._tag }, { status: 503 }))
    )
  )

const path = new URLPattern({ pathname: "/conversations/:conversationId/read" })

export default {
  fetch: async (request: Request, environment: Environment): Promise<Response> => {
    const conversationId = path.exec(request.url)?.pathname.groups["conversationId"]
    if (request.method !== "POST" || conversationId === undefined) return new Response("Not found", { status: 404 })
    runtime ??= makeRuntime(environment)
    return runtime.runPromise(read(conversationId, environment.HIGHLEVEL_LOCATION_ID))
  }
}
