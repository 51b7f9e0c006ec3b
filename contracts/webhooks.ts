/** Both sides of a webhook: the real receiver of its contents, and the sandbox that sends them. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import { Conversation, Conversations, HighLevelClient, Webhooks } from "effect-highlevel"
import { Sandbox } from "effect-highlevel/testing"
import type { Json, JsonObject } from "./documented/documentation.ts"
import type { Message } from "./interaction.ts"
import type { MessageContract } from "./pact.ts"

// Examples are of any time.
const maxAge = "36500 days"

/** What the handler of its type gets of a document that the sandbox has signed. */
export const receive = (document: JsonObject): Promise<Json> => {
  const handled: Array<object> = []
  const handle = (event: Webhooks.Event) => Effect.sync(() => handled.push(event))
  const handler = Webhooks.on({
    ConversationUnreadUpdate: handle,
    InboundMessage: handle,
    OutboundMessage: handle,
    INSTALL: handle,
    UNINSTALL: handle
  })
  return Effect.gen(function* () {
    const sandbox = yield* Sandbox.Sandbox
    const { body, headers } = yield* sandbox.signBytes(new TextEncoder().encode(JSON.stringify(document)))
    const appId = String(document["appId"] ?? "sandbox")
    yield* handler(yield* Webhooks.verify(headers, body, { appId, keys: [yield* sandbox.webhookKey], maxAge }))
    return JSON.parse(JSON.stringify(handled[0] ?? null)) as Json
  }).pipe(Effect.provide(Sandbox.layer()), Effect.runPromise)
}

const seedOf = Schema.decodeUnknownEffect(Conversation.Conversation)

/** Makes the sandbox send the event of a state. */
const cause = Effect.fnUntraced(function* ({ name, params }: Message["state"]) {
  const sandbox = yield* Sandbox.Sandbox
  const conversation: JsonObject = Object(params["conversation"])
  const conversationId = String(conversation["id"])
  const locationId = String(params["locationId"] ?? conversation["locationId"])
  const companyId = params["companyId"] === undefined ? undefined : String(params["companyId"])
  switch (name) {
    case "the unread count changes":
      yield* sandbox.seed({ ...(yield* seedOf(conversation)), id: conversationId, locationId })
      yield* Conversations.update({ conversationId, locationId, unreadCount: Number(params["unreadCount"]) })
      return
    case "a message arrives": {
      const { body, direction }: JsonObject = Object(params["message"])
      yield* sandbox.seed({ ...(yield* seedOf(conversation)), id: conversationId, locationId })
      yield* sandbox.receive({
        conversationId,
        body: String(body),
        direction: direction === "outbound" ? "outbound" : "inbound"
      })
      return
    }
    case "the app is installed":
      return yield* sandbox.install({ companyId, locationIds: [locationId] })
    case "the app is uninstalled":
      return yield* sandbox.uninstall(companyId === undefined ? { locationId } : { companyId })
    default:
      return yield* Effect.die(new Error(`The sandbox has no state "${name}"`))
  }
})

/** What the sandbox delivers for the state of a message; its signature must be valid. */
export const produce = (contract: MessageContract, { operation, state }: Message): Promise<Json> => {
  let deliver: (request: Request) => void = () => {}
  const delivered = new Promise<Request>((resolve) => (deliver = resolve))
  const fetch: typeof globalThis.fetch = async (input, init) => {
    const request = new Request(input, init)
    const { type }: JsonObject = Object(await request.clone().json())
    if (type === operation) deliver(request)
    return new Response(null, { status: 200 })
  }
  return Effect.gen(function* () {
    const sandbox = yield* Sandbox.Sandbox
    yield* cause(state)
    const request = yield* Effect.promise(() => delivered)
    const bytes = new Uint8Array(yield* Effect.promise(() => request.arrayBuffer()))
    yield* Webhooks.verify(request.headers, bytes, { appId: "sandbox", keys: [yield* sandbox.webhookKey] })
    return JSON.parse(new TextDecoder().decode(bytes)) as Json
  }).pipe(
    Effect.provide(
      HighLevelClient.layer({ token: Redacted.make(Sandbox.defaultToken) }).pipe(
        Layer.provideMerge(
          Sandbox.layer({ webhooks: "https://app.example/webhooks", responses: contract.name }).pipe(
            Layer.provide(Layer.succeed(FetchHttpClient.Fetch, fetch))
          )
        )
      )
    ),
    Effect.runPromise
  )
}
