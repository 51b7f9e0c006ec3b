/** `effect-highlevel search`: finds conversations. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Conversations from "../client/Conversations.ts"
import * as HighLevelClient from "../client/HighLevelClient.ts"
import * as CliFailure from "./failure.ts"
import * as Credentials from "./credentials.ts"
import * as Filters from "./filters.ts"
import * as FoundTable from "./foundTable.ts"
import * as Output from "./output.ts"
import * as Shared from "./shared.ts"

/** The largest page that HighLevel returns. */
const pageLength = 100

export const search = Command.make(
  "search",
  {
    locationId: Filters.locationFlag,
    status: Flag.Literals("status", ["all", "read", "unread", "starred", "recents"]).pipe(
      Flag.withDescription("Only these"),
      Flag.optional
    ),
    ...Filters.filterFlags,
    sort: Flag.Literals("sort", ["asc", "desc"]).pipe(
      Flag.withDescription("Order by the last message: asc starts with the oldest, desc with the newest"),
      Flag.withDefault("asc")
    ),
    limit: Flag.Int("limit").pipe(
      Flag.withSchema(Schema.Int.check(Schema.isGreaterThan(0))),
      Flag.withDescription("Maximum number of conversations (all)"),
      Flag.optional
    ),
    ...Shared.serverFlags,
    json: Flag.Boolean("json").pipe(
      Flag.withDescription("Print JSON lines, which update-all reads, including errors"),
      Flag.withDefault(false)
    )
  },
  Effect.fnUntraced(function* ({ json, limit, locationId, sort, status, ...given }) {
    const { stdout, stdoutIsTerminal } = yield* Stdio.Stdio
    const query = {
      ...Filters.filters(given),
      ...(Option.isSome(status) ? { status: status.value } : {}),
      locationId,
      sort,
      limit: Math.min(
        pageLength,
        Option.getOrElse(limit, () => pageLength)
      )
    }
    const table = FoundTable.make((yield* stdoutIsTerminal) ? process.stdout.columns || 80 : Infinity)
    let count = 0
    const found = Conversations.search(query)
    yield* (Option.isSome(limit) ? Stream.take(found, limit.value) : found).pipe(
      Stream.mapArrayEffect((page) => {
        count += page.length
        if (!json) return Effect.succeed([table(page)] as const)
        const lines = Effect.forEach(page, (conversation) =>
          Output.json({ ...conversation, locationId: conversation.locationId ?? locationId })
        )
        return Effect.mapError(
          Effect.map(lines, (all) => [all.join("\n")] as const),
          CliFailure.unprintable
        )
      }),
      Stream.map((text) => `${text}\n`),
      Stream.run(stdout()),
      Effect.catchTag("PlatformError", (error) =>
        // A closed pipe, such as that of `| head`, is no failure.
        Predicate.hasProperty(error.cause, "code") && error.cause.code === "EPIPE"
          ? Effect.void
          : Effect.fail(CliFailure.cannotWrite("conversations", error))
      ),
      Effect.provide(
        HighLevelClient.layerConfig(Shared.clientOptions(given)).pipe(Layer.provide(Credentials.layer(given)))
      ),
      CliFailure.catchErrors
    )
    yield* Console.error(
      json ? JSON.stringify({ _tag: "Found", conversations: count }) : `${Output.counted(count, "conversation")}.`
    )
  }, CliFailure.asAsked)
).pipe(
  Command.withDescription("Find conversations"),
  Command.withExamples([
    {
      command: "effect-highlevel search --location-id <id> --status unread --assigned-to unassigned",
      description: "Unread and unassigned conversations"
    },
    {
      command:
        "effect-highlevel search --location-id <id> --query refund --json | effect-highlevel update-all --starred",
      description: "Star what it finds"
    }
  ])
)
