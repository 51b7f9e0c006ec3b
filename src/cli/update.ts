/** `effect-highlevel update`: one update from a shell. */
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
import * as ExitCode from "./exitCode.ts"
import * as Output from "./output.ts"
import * as Shared from "./shared.ts"

export const update = Command.make(
  "update",
  {
    conversationId: Argument.String("conversation-id").pipe(Argument.withDescription("The conversation to update")),
    locationId: Flag.String("location-id").pipe(Flag.withDescription("The location of the conversation")),
    ...Shared.changeFlags,
    ...Shared.serverFlags,
    json: Flag.Boolean("json").pipe(Flag.withDescription("Print one line of JSON, errors too"), Flag.withDefault(false))
  },
  Effect.fnUntraced(function* ({ conversationId, json, locationId, ...given }) {
    const changes = yield* Shared.changes(given)
    if (Object.keys(changes).length === 0) {
      return yield* CliFailure.usage("Nothing to update: pass --unread-count, --starred, --no-starred or --feedback")
    }

    const { conversation } = yield* Conversations.update({ conversationId, locationId, ...changes }).pipe(
      Effect.provide(
        HighLevelClient.layerConfig(Shared.clientOptions(given)).pipe(Layer.provide(Credentials.layer(given)))
      ),
      CliFailure.catchErrors
    )
    const rendered = yield* (json ? Output.json(conversation) : Output.table(conversation)).pipe(
      Effect.mapError(
        () =>
          new CliFailure.CliFailure({
            exitCode: ExitCode.done,
            text: "The update was applied, but its response cannot be printed.",
            json: { _tag: "Unprintable", message: "The update was applied, but its response cannot be printed." }
          })
      )
    )
    yield* Console.log(rendered)
  }, CliFailure.asAsked)
).pipe(
  Command.withDescription("Update a conversation"),
  Command.withExamples([
    {
      command: "effect-highlevel update <conversation-id> --location-id <id> --unread-count 0",
      description: "Mark as read"
    },
    {
      command: "effect-highlevel update <conversation-id> --location-id <id> --starred --json",
      description: "Star, and print one line of JSON"
    }
  ])
)
