/** Runs the command line: takes arguments and returns an exit code. */
import * as Cause from "effect/Cause"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Terminal from "effect/Terminal"
import * as CliConfig from "effect/cli/CliConfig"
import * as CliError from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import { version } from "../client/version.ts"
import * as ExitCode from "./exitCode.ts"
import { accounts } from "./accounts.ts"
import { connect } from "./connect.ts"
import { enqueue } from "./enqueue.ts"
import { failures } from "./failures.ts"
import * as Output from "./output.ts"
import { get } from "./get.ts"
import { markRead } from "./markRead.ts"
import { search } from "./search.ts"
import { sandbox } from "./sandbox.ts"
import { update } from "./update.ts"
import { updateAll } from "./updateAll.ts"
import { work } from "./work.ts"

const root = Command.make("effect-highlevel").pipe(
  Command.withDescription("Find, read and update conversations in HighLevel"),
  Command.withSubcommands([
    update,
    get,
    search,
    markRead,
    updateAll,
    enqueue,
    work,
    failures,
    connect,
    accounts,
    sandbox
  ])
)

// Requested help goes to stdout, help after a mistake to stderr.
const presenter = (json: boolean): CliOutput.Presenter => ({
  present: (event) =>
    Effect.gen(function* () {
      if (event._tag === "Version" || (event._tag === "Help" && event.reason === "Requested")) {
        return yield* CliOutput.defaultPresenter.present(event)
      }
      const errors = event._tag === "Help" ? [] : event.errors
      if (json) {
        const message = errors.map((error) => error.message).join("\n") || "Expected a command"
        return yield* Console.error(Output.printable(JSON.stringify({ _tag: "Usage", message })))
      }
      const formatter = CliOutput.defaultFormatter({ colors: false })
      yield* Console.error(formatter.formatHelpDoc(event.helpDoc))
      if (errors.length > 0) yield* Console.error(formatter.formatErrors(errors))
    })
})

// Prompts go to stderr: stdout is for results, and may be a pipe.
const promptOnStderr = Layer.effect(
  Terminal.Terminal,
  Effect.map(Terminal.Terminal, (terminal) =>
    Terminal.make({
      ...terminal,
      display: (text) => Effect.sync(() => process.stderr.write(text))
    })
  )
)

// Arguments that cannot be parsed have no flags, so --json is looked up by its spelling.
const looksLikeJson = (args: ReadonlyArray<string>) => {
  const end = args.indexOf("--")
  return (end === -1 ? args : args.slice(0, end)).some((arg) => arg === "--json" || arg === "--json=true")
}

// Wizards are disabled, since they prompt on stdout.
const withoutWizard = CliConfig.layer({
  builtIns: CliConfig.defaults.builtIns.filter((flag) => flag !== GlobalFlag.Wizard)
})

export const run = (args: ReadonlyArray<string>) => {
  const json = looksLikeJson(args)
  return Command.runWith(root, { version })(args).pipe(
    Effect.as(ExitCode.done),
    Effect.catchTag("CliFailure", (failure) =>
      // A job has already printed everything.
      failure.text === ""
        ? Effect.succeed(failure.exitCode)
        : Effect.as(
            Console.error(failure.asJson === true ? Output.printable(JSON.stringify(failure.json)) : failure.text),
            failure.exitCode
          )
    ),
    Effect.catchIf(CliError.isCliError, () => Effect.succeed(ExitCode.usage)),
    Effect.catchCause((cause) =>
      Cause.hasInterruptsOnly(cause)
        ? Effect.succeed(ExitCode.interrupted)
        : Effect.as(
            Console.error(
              json
                ? Output.printable(JSON.stringify({ _tag: "Defect", message: Cause.pretty(cause) }))
                : Cause.pretty(cause)
            ),
            ExitCode.failed
          )
    ),
    Effect.provide(
      Layer.mergeAll(
        CliOutput.layerPresenter(presenter(json)),
        withoutWizard,
        promptOnStderr,
        // Logs, such as that of a lost connection, go to stderr.
        Layer.succeed(Logger.LogToStderr, true)
      )
    )
  )
}
