/** `effect-highlevel update-all`: many updates from a file or a pipe. */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Bulk from "../jobs/Bulk.ts"
import type * as ConversationUpdate from "../wire/updateConversation.ts"
import * as HighLevelClient from "../client/HighLevelClient.ts"
import * as Journal from "../jobs/Journal.ts"
import * as CliFailure from "./failure.ts"
import * as Credentials from "./credentials.ts"
import * as ExitCode from "./exitCode.ts"
import * as Input from "./input.ts"
import * as Progress from "./progress.ts"
import * as Report from "./report.ts"
import * as Shared from "./shared.ts"

const journalFailed = (error: Journal.JournalError) =>
  new CliFailure.CliFailure({
    exitCode: error.line === undefined ? ExitCode.failed : ExitCode.usage,
    text: error.message,
    json: { _tag: error._tag, message: error.message }
  })

export const updateAll = Command.make(
  "update-all",
  {
    ...Shared.inputFlags,
    ...Shared.changeFlags,
    ...Shared.serverFlags,
    journal: Flag.String("journal").pipe(
      Flag.withDescription("Record outcomes in this file; run again, it skips what was applied"),
      Flag.withMetavar("file"),
      Flag.optional
    ),
    dryRun: Flag.Boolean("dry-run").pipe(
      Flag.withDescription("Send nothing; print what would be sent"),
      Flag.withDefault(false)
    ),
    concurrency: Shared.concurrencyFlag("Maximum concurrent updates (64, and 16 in a location)"),
    json: Shared.jsonFlag
  },
  Effect.fnUntraced(function* ({ concurrency, dryRun, input, journal: journalPath, json, ...given }) {
    const changes = yield* Shared.changes(given)
    const defaults = { changes, locationId: Option.getOrUndefined(given.locationId) }
    const { bytes, total } = yield* Shared.open(input)
    const state = Progress.make(yield* Clock.currentTimeMillis, total)
    const report = yield* Report.make(state, json)
    const stop = yield* Deferred.make<void>()
    const lineOf = new WeakMap<ConversationUpdate.ConversationUpdate, number>()

    const job = Effect.gen(function* () {
      const journal = Option.isSome(journalPath)
        ? yield* Effect.mapError(Journal.open({ path: journalPath.value }), journalFailed)
        : undefined
      const updates = Stream.map(Input.updates(bytes, defaults, report.invalid), ({ line, update }) => {
        lineOf.set(update, line)
        return update
      })
      const outcomes = Bulk.updateAll(updates, {
        ...(journal === undefined ? {} : { journal }),
        ...(Option.isSome(concurrency)
          ? { concurrency: concurrency.value, concurrencyPerLocation: concurrency.value }
          : {}),
        index: (update) => (lineOf.get(update) ?? 0) - 1,
        stop: Deferred.await(stop),
        dryRun
      })
      yield* Stream.runForEachArray(outcomes, report.outcomes).pipe(
        Effect.catchTag("JournalError", (error) => Effect.fail(journalFailed(error)))
      )
    }).pipe(
      Effect.scoped,
      Effect.provide(
        HighLevelClient.layerConfig({
          ...Shared.clientOptions(given),
          // A backlog can wait: transient failures are retried for long.
          retry: { maxAttempts: 10 },
          transformClient: report.watch
        }).pipe(Layer.provide(Credentials.layer(given)))
      ),
      CliFailure.catchErrors
    )

    return yield* report.follow(job, stop)
  }, CliFailure.asAsked)
).pipe(
  Command.withDescription("Update many conversations, one outcome a line"),
  Command.withExamples([
    {
      command: "effect-highlevel update-all --input ids.txt --location-id <id> --unread-count 0 --journal read.ndjson",
      description: "Mark as read; run it again to continue"
    },
    {
      command: "effect-highlevel update-all --input updates.ndjson --dry-run",
      description: "Print what would be sent"
    }
  ])
)
