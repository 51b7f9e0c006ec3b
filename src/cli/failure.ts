/** The failure of a command: what to print and how to exit. */
import type * as Config from "effect/Config"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { SearchIncomplete } from "../client/Conversations.ts"
import * as HighLevelError from "../client/HighLevelError.ts"
import * as ExitCode from "./exitCode.ts"
import * as Output from "./output.ts"

export class CliFailure extends Data.TaggedError("CliFailure")<{
  readonly exitCode: number
  readonly text: string
  /** The failure for machines: a JSON value with a `_tag`. */
  readonly json: Schema.Json
  /** Whether to print the JSON. */
  readonly asJson?: boolean
}> {}

/** The command line, the environment or the input is at fault. */
export const usage = (message: string) =>
  new CliFailure({ exitCode: ExitCode.usage, text: message, json: { _tag: "Usage", message } })

/** The output failed: the pipe was closed, or the disk is full. */
export const cannotWrite = (what: string, { message }: Error) =>
  new CliFailure({
    exitCode: ExitCode.failed,
    text: `Cannot write ${what}: ${message}`,
    json: { _tag: "WriteFailed", message }
  })

export const unprintable = () => {
  const message = "The conversation cannot be printed."
  return new CliFailure({ exitCode: ExitCode.failed, text: message, json: { _tag: "Unprintable", message } })
}

const searchIncomplete = ({ _tag, message }: SearchIncomplete) =>
  new CliFailure({
    exitCode: ExitCode.failed,
    text: `${_tag}: ${Output.printable(message)}`,
    json: { _tag, message }
  })

export const as = ({ exitCode, json, text }: CliFailure, asJson: boolean) =>
  new CliFailure({ exitCode, json, text, asJson })

const Reported = Schema.toCodecJson(Schema.Union([HighLevelError.HighLevelError, HighLevelError.InvalidOptions]))
const encodeReported = Schema.encodeEffect(Reported)

/** Encodes an error as JSON, or only its tag and message if it cannot be encoded. */
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

/** Sets the format by the command's `--json`. */
export const asAsked = <A, E, R>(effect: Effect.Effect<A, E, R>, { json }: { readonly json: boolean }) =>
  Effect.mapError(effect, (error) => (error instanceof CliFailure ? as(error, json) : error))

/** Turns every error of a command into its failure. */
export const catchErrors = <A, R>(
  effect: Effect.Effect<
    A,
    CliFailure | Config.ConfigError | HighLevelError.HighLevelError | HighLevelError.InvalidOptions | SearchIncomplete,
    R
  >
): Effect.Effect<A, CliFailure, R> =>
  effect.pipe(
    Effect.catchTags({
      ConfigError: (error) => Effect.fail(usage(error.message)),
      SearchIncomplete: (error) => Effect.fail(searchIncomplete(error))
    }),
    Effect.catchIf(
      (error) => error._tag !== "CliFailure",
      (error) => Effect.flatMap(fromError(error), Effect.fail)
    )
  )
