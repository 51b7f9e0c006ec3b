/** Runs the command line as a process, with its signals and its exit code. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Runtime from "effect/Runtime"
import * as UndiciHttpClient from "../node/UndiciHttpClient.ts"
import * as Cli from "./cli.ts"
import * as ExitCode from "./exitCode.ts"

// A closed pipe is reported by the failing write.
process.stdout.on("error", () => {})
process.stderr.on("error", () => {})

// The first signal lets requests in flight finish; the second one does not wait.
let interrupts = 0
process.on("SIGINT", () => {
  if (++interrupts > 1) process.exit(ExitCode.interrupted)
})

Cli.run(process.argv.slice(2)).pipe(
  Effect.flatMap((code) => (code === ExitCode.done ? Effect.void : Effect.fail({ [Runtime.errorExitCode]: code }))),
  Effect.provide(Layer.merge(NodeServices.layer, UndiciHttpClient.layer)),
  NodeRuntime.runMain({ disableErrorReporting: true })
)
