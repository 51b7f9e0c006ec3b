/** The program that is run where no test runner is: an update, each documented error caught by its tag, a webhook verified. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Conversations from "../../src/client/Conversations.ts"
import * as HighLevelClient from "../../src/client/HighLevelClient.ts"
import * as Webhooks from "../../src/webhooks/Webhooks.ts"

// The documentation's example, with which a sandbox starts.
const conversationId = "tDtDnQdgm2LXpyiqYvZ6"
const locationId = "tDtDnQdgm2LXpyiqYvZ6"

/** What the documentation says can go wrong. The sandbox refuses an update of the conversation `refused-400` with a 400. */
export const refusals = [400, 401, 422]

export const expected: ReadonlyArray<string> = [
  "unreadCount: 0, starred: true",
  "400 BadRequest",
  "401 Unauthorized (InvalidToken)",
  "422 Unprocessable",
  "unread: 1",
  "webhook InvalidSignature"
]

const update = Effect.map(
  Conversations.update({ conversationId, locationId, unreadCount: 0, starred: true }),
  ({ conversation: { starred, unreadCount } }) => `unreadCount: ${unreadCount}, starred: ${starred}`
)

const refused = (status: number) =>
  Conversations.update({ conversationId: `refused-${status}`, locationId, starred: true }).pipe(
    Effect.as("applied"),
    Effect.catchTags({
      BadRequest: (error) => Effect.succeed(`${error.status} BadRequest`),
      Unauthorized: (error) => Effect.succeed(`${error.status} Unauthorized (${error.reason})`),
      Unprocessable: (error) => Effect.succeed(`${error.status} Unprocessable`)
    })
  )

// An event, signed by a sandbox with a key of its own.
const signed = {
  key: "MCowBQYDK2VwAyEAaKUswHf93GTbIxbatDzLh27R1MrhOY77Qcz28VkESUg=",
  signature: "7dX6/ycHxpZ+NDXz3PH/itwpE3UZSDoqseViJLAC1Zr9iFD+wiQeiHBJHe7F+P/YcJ5EgQRZTi0NzAUBJ7bNAw==",
  body: `{"type":"ConversationUnreadUpdate","unreadCount":1.0,"appId":"sandbox","webhookId":"w"}`
}

const verify = (body: string) =>
  Webhooks.verify({ "x-ghl-signature": signed.signature }, new TextEncoder().encode(body), {
    appId: "sandbox",
    keys: [signed.key]
  }).pipe(
    Effect.map((event) => (event._tag === "ConversationUnreadUpdate" ? `unread: ${event.unreadCount}` : event._tag)),
    Effect.catchTag("WebhookRejected", ({ reason }) => Effect.succeed(`webhook ${reason}`))
  )

const webhooks = [verify(signed.body), verify(signed.body.replace("1.0", "1"))]

const caught = <R>(step: Effect.Effect<string, { readonly _tag: string; readonly message: string }, R>) =>
  Effect.catch(step, (error) => Effect.succeed(`${error._tag}: ${error.message}`))

/** What it saw, in order; what it did not expect is among it, and ends nothing. */
export const smoke = (baseUrl: string): Promise<ReadonlyArray<string>> =>
  Effect.all([caught(update), ...refusals.map((status) => caught(refused(status))), ...webhooks.map(caught)]).pipe(
    Effect.provide(
      HighLevelClient.layer({ token: Redacted.make("sandbox-token"), baseUrl }).pipe(
        Layer.provide(FetchHttpClient.layer)
      )
    ),
    Effect.runPromise
  )
