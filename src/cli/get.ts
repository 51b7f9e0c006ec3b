/** `effect-highlevel get`: reads a conversation. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Conversations from "../client/Conversations.ts"
import * as HighLevelClient from "../client/HighLevelClient.ts"
import * as CliFailure from "./failure.ts"
import * as Credentials from "./credentials.ts"
import * as Output from "./output.ts"
import * as Shared from "./shared.ts"

export const get = Command.make(
  "get",
  {
    conversationId: Argument.String("conversation-id").pipe(Argument.withDescription("The conversation to read")),
    locationId: Flag.String("location-id").pipe(
      Flag.withDescription("The location of the conversation"),
      Flag.withMetavar("id")
    ),
    ...Shared.serverFlags,
    json: Flag.Boolean("json").pipe(Flag.withDescription("Print one line of JSON, errors too"), Flag.withDefault(false))
  },
  Effect.fnUntraced(function* ({ conversationId, json, locationId, ...server }) {
    const conversation = yield* Conversations.get({ conversationId, locationId }).pipe(
      Effect.provide(
        HighLevelClient.layerConfig(Shared.clientOptions(server)).pipe(Layer.provide(Credentials.layer(server)))
      ),
      CliFailure.catchErrors
    )
    const rendered = json ? Output.json(conversation) : Output.table(conversation)
    yield* Console.log(yield* Effect.mapError(rendered, CliFailure.unprintable))
  }, CliFailure.asAsked)
).pipe(
  Command.withDescription("Read a conversation"),
  Command.withExamples([
    { command: "effect-highlevel get <conversation-id> --location-id <id>", description: "Print its fields" }
  ])
)
