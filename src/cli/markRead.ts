/** `effect-highlevel mark-read`: marks the unread conversations of a location as read. */
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Prompt from "effect/cli/Prompt"
import * as HighLevelClient from "../client/HighLevelClient.ts"
import * as Inbox from "../jobs/Inbox.ts"
import * as CliFailure from "./failure.ts"
import * as Credentials from "./credentials.ts"
import * as ExitCode from "./exitCode.ts"
import * as Filters from "./filters.ts"
import * as InboxPlan from "./inboxPlan.ts"
import * as InboxReport from "./inboxReport.ts"
import * as Progress from "./progress.ts"
import * as Report from "./report.ts"
import * as Shared from "./shared.ts"

const noAnswer = new CliFailure.CliFailure({
  exitCode: ExitCode.interrupted,
  text: "Nothing was sent.",
  json: { _tag: "Declined", message: "Nothing was sent." }
})

const ask = Prompt.run(Prompt.Confirm({ message: "Mark them as read?" })).pipe(
  Effect.catchTag("QuitError", () => Effect.interrupt),
  Effect.flatMap((isYes) => (isYes ? Effect.void : Effect.fail(noAnswer)))
)

export const markRead = Command.make(
  "mark-read",
  {
    locationId: Filters.locationFlag,
    before: Filters.timeFlag(
      "before",
      "Leave conversations unread whose last message is newer (than the newest message at the start)"
    ),
    ...Filters.filterFlags,
    starred: Flag.Boolean("starred").pipe(
      Flag.withDescription("Also star them; --no-starred unstars them"),
      Flag.optional
    ),
    recheck: Flag.Boolean("recheck").pipe(
      Flag.withDescription("Read each conversation again right before its update, which doubles the requests"),
      Flag.withDefault(false)
    ),
    dryRun: Flag.Boolean("dry-run").pipe(
      Flag.withDescription("Change nothing; print the conversations that would be marked"),
      Flag.withDefault(false)
    ),
    maxFailures: Shared.maxFailuresFlag,
    concurrency: Shared.concurrencyFlag("Maximum requests in flight (16)"),
    yes: Flag.Boolean("yes").pipe(
      Flag.withDescription("Skip the confirmation; required without a terminal"),
      Flag.withDefault(false)
    ),
    ...Shared.serverFlags,
    json: Shared.jsonFlag
  },
  Effect.fnUntraced(function* ({ before, concurrency, dryRun, json, locationId, maxFailures, recheck, yes, ...given }) {
    const { stderrIsTerminal, stdinIsTerminal } = yield* Stdio.Stdio
    const asks = !yes && !dryRun
    if (asks && (json || !(yield* stdinIsTerminal) || !(yield* stderrIsTerminal))) {
      return yield* CliFailure.usage("Pass --yes to skip the confirmation, or --dry-run.")
    }
    const query = { ...Filters.filters(given), locationId }
    let plan: InboxPlan.Plan = { unread: undefined, before: undefined }
    const state = Progress.make(yield* Clock.currentTimeMillis, () =>
      plan.unread === undefined ? undefined : { count: Math.max(plan.unread, Progress.done(state)), isExact: true }
    )
    const report = yield* Report.make(state, json)
    const stop = yield* Deferred.make<void>()
    const lines = InboxReport.make(state, {
      locationId,
      before: () => plan.before,
      isStopped: () => Deferred.isDoneUnsafe(stop)
    })

    yield* Effect.gen(function* () {
      plan = yield* InboxPlan.make(query, before)
      if (plan.unread === 0) {
        return yield* Console.error(
          json ? JSON.stringify({ _tag: "Summary", ...lines.json(state.startedAt) }) : "No conversation is unread."
        )
      }
      yield* Console.error(
        json
          ? JSON.stringify({ _tag: "Plan", ...InboxPlan.json(plan, recheck, state.quota) })
          : InboxPlan.text(plan, recheck, dryRun, state.quota)
      )
      if (asks) yield* ask
      state.startedAt = yield* Clock.currentTimeMillis
      const outcomes = Inbox.markRead({
        ...query,
        ...(plan.before === undefined ? {} : { before: plan.before }),
        ...(Option.isSome(given.starred) ? { starred: given.starred.value } : {}),
        ...(Option.isSome(maxFailures) ? { maxFailures: maxFailures.value } : {}),
        ...(Option.isSome(concurrency) ? { concurrency: concurrency.value } : {}),
        stop: Deferred.await(stop),
        recheck,
        dryRun
      })
      const job = Stream.runForEachArray(outcomes, (all) =>
        Effect.flatMap(Effect.forEach(all, lines.record), report.print)
      )
      yield* report.follow(job, stop, lines)
    }).pipe(
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
  }, CliFailure.asAsked)
).pipe(
  Command.withDescription(
    "Mark the unread conversations of a location as read, except those that receive a message meanwhile"
  ),
  Command.withExamples([
    { command: "effect-highlevel mark-read --location-id <id>", description: "All of them; run it again to continue" },
    {
      command: "effect-highlevel mark-read --location-id <id> --assigned-to unassigned --before 2026-11-24T09:00:00Z",
      description: "Unassigned conversations, up to a cut-off"
    }
  ])
)
