/** `effect-highlevel update`: one update from a shell. */
import * as Config from "effect/Config"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { Conversations, ConversationUpdate, HighLevelApi } from "../index.ts"
import * as CliFailure from "./CliFailure.ts"
import * as ExitCode from "./ExitCode.ts"
import * as Output from "./Output.ts"
import * as Token from "./Token.ts"

const decodeFeedback = Schema.decodeUnknownEffect(Schema.fromJsonString(ConversationUpdate.Feedback))

const readFeedback = (text: string) =>
  text === "positive" || text === "negative"
    ? Effect.succeed(text)
    : Effect.mapError(decodeFeedback(text), () =>
        CliFailure.usage("--feedback: expected a JSON object, positive or negative")
      )

const flags = {
  locationId: Flag.String("location-id").pipe(Flag.withDescription("The location of the conversation")),
  unreadCount: Flag.Int("unread-count").pipe(Flag.withDescription("Unread messages: 0 marks as read"), Flag.optional),
  starred: Flag.Boolean("starred").pipe(
    Flag.withDescription("Star the conversation; --no-starred takes the star away"),
    Flag.optional
  ),
  feedback: Flag.String("feedback").pipe(
    Flag.withDescription("Feedback: a JSON object, positive or negative"),
    Flag.withMetavar("json"),
    Flag.optional
  ),
  version: Flag.Literals("api-version", HighLevelApi.ApiVersion.literals).pipe(
    Flag.withDescription("The Version header (HIGHLEVEL_API_VERSION, else 2021-07-28)"),
    Flag.optional
  ),
  baseUrl: Flag.String("base-url").pipe(
    Flag.withDescription("Another server (HIGHLEVEL_BASE_URL, else HighLevel)"),
    Flag.withMetavar("url"),
    Flag.optional
  ),
  json: Flag.Boolean("json").pipe(Flag.withDescription("Print one line of JSON, errors too"), Flag.withDefault(false))
}

const present = <Name extends string, Value>(name: Name, value: Option.Option<Value>) =>
  Option.match(value, { onNone: () => ({}), onSome: (value) => ({ [name]: value }) })

export const update = Command.make(
  "update",
  {
    conversationId: Argument.String("conversation-id").pipe(Argument.withDescription("The conversation to update")),
    ...flags
  },
  Effect.fnUntraced(
    function* ({ baseUrl, conversationId, feedback, json, locationId, starred, unreadCount, version }) {
      const parsedFeedback = Option.isSome(feedback)
        ? Option.some(yield* readFeedback(feedback.value))
        : Option.none<ConversationUpdate.Feedback>()
      const changes = {
        ...present("unreadCount", unreadCount),
        ...present("starred", starred),
        ...present("feedback", parsedFeedback)
      }
      if (Object.keys(changes).length === 0) {
        return yield* CliFailure.usage("Nothing to update: give --unread-count, --starred, --no-starred or --feedback")
      }
      const token = yield* Token.token

      const { conversation } = yield* Conversations.update({ conversationId, locationId, ...changes }).pipe(
        Effect.provide(
          Conversations.layerConfig({
            token: Config.succeed(token),
            ...(Option.isSome(baseUrl) ? { baseUrl: Config.succeed(baseUrl.value) } : {}),
            ...(Option.isSome(version) ? { version: Config.succeed(version.value) } : {})
          })
        ),
        Effect.catchTag("ConfigError", (error) => Effect.fail(CliFailure.usage(error.message))),
        Effect.catchIf(
          (error) => error._tag !== "CliFailure",
          (error) => Effect.flatMap(CliFailure.fromError(error), Effect.fail)
        )
      )
      const rendered = yield* (json ? Output.json(conversation) : Output.table(conversation)).pipe(
        Effect.mapError(
          () =>
            new CliFailure.CliFailure({
              exitCode: ExitCode.done,
              text: "The update was applied, but its answer cannot be printed.",
              json: { _tag: "Unprintable", message: "The update was applied, but its answer cannot be printed." }
            })
        )
      )
      yield* Console.log(rendered)
    },
    // As the flag says, not as the arguments look.
    (effect, { json }) => Effect.catchTag(effect, "CliFailure", (failure) => Effect.fail(CliFailure.as(failure, json)))
  )
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
