/** What a consumer does: every kind of entry, imported by its published name, and one update against the sandbox. */
import { Effect, Layer, Redacted } from "effect"
import { Conversations, HighLevelApi } from "effect-highlevel"
import * as Bulk from "effect-highlevel/Bulk"
import * as HighLevelClient from "effect-highlevel/HighLevelClient"
import type { HighLevelError } from "effect-highlevel/HighLevelError"
import { Sandbox } from "effect-highlevel/testing"
import pact from "effect-highlevel/pacts/effect-highlevel-highlevel-api.json" with { type: "json" }

if (pact.interactions.length < 10) throw new Error("not the contract")
if (HighLevelApi.HighLevelApi === undefined || Bulk.updateAll === undefined) throw new Error("an entry is empty")

const { id } = Sandbox.documentedConversation
const layer = HighLevelClient.layer({ token: Redacted.make("sandbox-token") }).pipe(Layer.provide(Sandbox.layer()))

const program: Effect.Effect<boolean | null | undefined, HighLevelError, HighLevelClient.HighLevelClient> = Effect.map(
  Conversations.update({ conversationId: id, locationId: id, starred: true }),
  ({ conversation }) => conversation.starred
)

// The error channel is typed: each tag is known, and no other.
const tags = Effect.catchTags(program, {
  BadRequest: (error) => Effect.succeed(error.messages.length > 0),
  Unauthorized: (error) => Effect.succeed(error.reason === "InvalidToken"),
  Unprocessable: () => Effect.succeed(false)
})

// @ts-expect-error There is no such option.
HighLevelClient.layer({ token: Redacted.make("sandbox-token"), retries: 3 })

const starred: boolean | null | undefined = await Effect.runPromise(
  Effect.provide(tags, layer).pipe(Effect.catchCause((cause) => Effect.die(cause)))
)
if (starred !== true) throw new Error("not updated")
console.log("updated")
