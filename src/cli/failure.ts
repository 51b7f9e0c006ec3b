/** The failure of a command: what to print and how to exit. */
import type * as Config from "effect/Config"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as HighLevelError from "../client/HighLevelError.ts"
import * as ExitCode from "./exitCode.ts"
import * as Output from "./output.ts"

export class CliFailure extends Data.TaggedError("CliFailure")<{
  readonly exitCode: number
  readonly text: string
  /** The same for machines: one JSON value with a `_tag`. */
  readonly json: Schema.Json
  /** Which of the two the command was asked to print. */
  readonly asJson?: boolean
}> {}

/** The command line, the environment or the input is at fault. */
export const usage = (message: string) =>
  new CliFailure({ exitCode: ExitCode.usage, text: message, json: { _tag: "Usage", message } })

export const as = ({ exitCode, json, text }: CliFailure, asJson: boolean) =>
  new CliFailure({ exitCode, json, text, asJson })

const Reported = Schema.toCodecJson(Schema.Union([HighLevelError.HighLevelError, HighLevelError.InvalidOptions]))
const encodeReported = Schema.encodeEffect(Reported)

/** An error as JSON; its tag and its message where it holds what JSON cannot. */
export const encode = (error: HighLevelError.HighLevelError | HighLevelError.InvalidOptions) =>
  Effect.orElseSucceed(encodeReported(error), (): Schema.Json => ({ _tag: error._tag, message: error.message }))

export const fromError = (error: HighLevelError.HighLevelError | HighLevelError.InvalidOptions) =>
  Effect.map(
    encode(error),
    (json) =>
      new CliFailure({
        exitCode: ExitCode.fromError(error),
        text: [
          `${error._tag}: ${Output.printable(error.message)}`,
          ...(error._tag === "InvalidOptions" ? [] : [HighLevelError.advice(error)])
        ].join("\n"),
        json
      })
  )

/** Printed as the command's `--json` says. */
export const asAsked = <A, E, R>(effect: Effect.Effect<A, E, R>, { json }: { readonly json: boolean }) =>
  Effect.mapError(effect, (error) => (error instanceof CliFailure ? as(error, json) : error))

/** Turns every error of a command into its failure. */
export const catchErrors = <A, R>(
  effect: Effect.Effect<
    A,
    CliFailure | Config.ConfigError | HighLevelError.HighLevelError | HighLevelError.InvalidOptions,
    R
  >
): Effect.Effect<A, CliFailure, R> =>
  effect.pipe(
    Effect.catchTag("ConfigError", (error) => Effect.fail(usage(error.message))),
    Effect.catchIf(
      (error) => error._tag !== "CliFailure",
      (error) => Effect.flatMap(fromError(error), Effect.fail)
    )
  )
