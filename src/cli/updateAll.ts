/** `effect-highlevel update-all`: many updates from a file or a pipe. */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { hostname } from "node:os"
import * as HighLevelClient from "../client/HighLevelClient.ts"
import * as Bulk from "../jobs/Bulk.ts"
import * as Journal from "../jobs/Journal.ts"
import * as CliFailure from "./failure.ts"
import * as Credentials from "./credentials.ts"
import * as ExitCode from "./exitCode.ts"
import * as Input from "./input.ts"
import * as LineReport from "./lineReport.ts"
import * as Progress from "./progress.ts"
import * as Report from "./report.ts"
import * as Shared from "./shared.ts"

const exitCodes: Record<Journal.JournalError["reason"], number> = {
  Unavailable: ExitCode.failed,
  NotAJournal: ExitCode.usage,
  OtherServer: ExitCode.usage,
  InUse: ExitCode.temporary
}

const journalFailed = ({ _tag, message, reason }: Journal.JournalError) =>
  new CliFailure.CliFailure({ exitCode: exitCodes[reason], text: message, json: { _tag, reason, message } })

export const updateAll = Command.make(
  "update-all",
  {
    ...Shared.inputFlags,
    ...Shared.changeFlags,
    ...Shared.serverFlags,
    journal: Flag.String("journal").pipe(
      Flag.withDescription("Record outcomes in this file; the next run skips applied updates"),
      Flag.withMetavar("file"),
      Flag.optional
    ),
    dryRun: Flag.Boolean("dry-run").pipe(
      Flag.withDescription("Send nothing; print the updates that would be sent"),
      Flag.withDefault(false)
    ),
    maxFailures: Shared.maxFailuresFlag,
    concurrency: Shared.concurrencyFlag("Maximum requests in flight (64, and 16 in a location)"),
    json: Shared.jsonFlag
  },
  Effect.fnUntraced(function* ({ concurrency, dryRun, json, maxFailures, ...given }) {
    const { found, readPart } = yield* Shared.open(given)
    const path = Option.getOrUndefined(given.journal)
    let read = 0
    const state = Progress.make(yield* Clock.currentTimeMillis, () => Progress.extrapolate(read, readPart()))
    const report = yield* Report.make(state, json)
    const lines = LineReport.make(state, path)
    const stop = yield* Deferred.make<void>()

    const job = Effect.gen(function* () {
      const journal =
        path === undefined
          ? undefined
          : yield* Effect.mapError(
              Journal.open({ path, owner: `process ${process.pid} on ${hostname()}` }),
              journalFailed
            )
      const counted = Stream.mapArrayEffect(found, (reads) =>
        Effect.sync(() => {
          read += reads.length
          lines.countIds(reads.filter(({ isId }) => isId).length)
          return reads
        })
      )
      const rows = Input.rows(counted, (line, error) =>
        Effect.flatMap(lines.invalid(line, error), (value) => report.print([value]))
      )
      const outcomes = Bulk.updateAll(rows, ({ update }) => update, {
        ...(journal === undefined ? {} : { journal }),
        ...(Option.isSome(maxFailures) ? { maxFailures: maxFailures.value } : {}),
        ...(Option.isSome(concurrency)
          ? { concurrency: concurrency.value, concurrencyPerLocation: concurrency.value }
          : {}),
        stop: Deferred.await(stop),
        dryRun
      })
      yield* Stream.runForEachArray(outcomes, (all) =>
        Effect.flatMap(Effect.forEach(all, lines.record), report.print)
      ).pipe(Effect.catchTag("JournalError", (error) => Effect.fail(journalFailed(error))))
    }).pipe(
      Effect.scoped,
      Effect.provide(
        HighLevelClient.layerConfig({
          ...Shared.clientOptions(given),
          // A backlog can wait, so transient failures are retried for long.
          retry: { maxAttempts: 10 },
          transformClient: report.watch
        }).pipe(Layer.provide(Credentials.layer(given)))
      ),
      CliFailure.catchErrors
    )

    return yield* report.follow(job, stop, lines)
  }, CliFailure.asAsked)
).pipe(
  Command.withDescription("Update many conversations, and print one outcome per line"),
  Command.withExamples([
    {
      command: "effect-highlevel update-all --input ids.txt --location-id <id> --unread-count 0 --journal read.ndjson",
      description: "Mark as read; run it again to continue"
    },
    {
      command: "effect-highlevel update-all --input updates.csv --dry-run",
      description: "Print the updates that would be sent"
    }
  ])
)
