/**
 * The main job, end to end, without an account: `npm start`.
 *
 * A sandbox of HighLevel listens on loopback, a conversation is updated over
 * real HTTP, and three refusals are recovered by their tags.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import { Conversations, HighLevelClient } from "effect-highlevel"
import { Sandbox } from "effect-highlevel/testing"
import { createServer } from "node:http"

const conversationId = "tDtDnQdgm2LXpyiqYvZ6"
const locationId = "tDtDnQdgm2LXpyiqYvZ6"

const show = Effect.fnUntraced(function* (title: string) {
  const sandbox = yield* Sandbox.Sandbox
  const { starred, unreadCount } = Option.getOrThrow(yield* sandbox.conversation(conversationId))
  yield* Console.log(`${title.padEnd(8)} unreadCount: ${unreadCount}, starred: ${starred}`)
})

const program = Effect.gen(function* () {
  const sandbox = yield* Sandbox.Sandbox

  yield* show("before")
  yield* Conversations.update({ conversationId, locationId, unreadCount: 0, starred: true })
  yield* show("after")

  // What the documentation says can go wrong, each under its own tag.
  const recovered = Conversations.update({ conversationId, locationId }).pipe(
    Effect.map(() => "applied"),
    Effect.catchTags({
      BadRequest: (error) => Effect.succeed(`400 BadRequest: ${error.messages.join("; ")}`),
      Unauthorized: (error) => Effect.succeed(`401 Unauthorized (${error.reason}): ${error.messages.join("; ")}`),
      Unprocessable: (error) => Effect.succeed(`422 Unprocessable: ${error.messages.join("; ")}`)
    })
  )
  for (const status of [400, 401, 422]) {
    yield* sandbox.refuse({ status })
    yield* Console.log(`recovered ${yield* recovered}`)
  }
})

const Client = Layer.unwrap(
  Effect.map(Sandbox.url, (baseUrl) => HighLevelClient.layer({ token: Redacted.make(Sandbox.defaultToken), baseUrl }))
).pipe(Layer.provide(FetchHttpClient.layer))

const Server = Sandbox.layerServer().pipe(
  Layer.provideMerge(NodeHttpServer.layer(() => createServer(), { port: 0, host: "127.0.0.1" }))
)

program.pipe(Effect.provide(Client.pipe(Layer.provideMerge(Server))), NodeRuntime.runMain)
