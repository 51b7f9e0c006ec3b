/** A failure on its way out of the process: what to print and how to exit. */
import type * as Config from "effect/Config"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as HighLevelError from "../HighLevelError.ts"
import * as ExitCode from "./ExitCode.ts"
import * as Output from "./Output.ts"

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

const Reported = Schema.toCodecJson(Schema.Union([HighLevelError.UpdateError, HighLevelError.InvalidOptions]))
const encodeReported = Schema.encodeEffect(Reported)

/** An error as JSON; its tag and its message where it holds what JSON cannot. */
export const encode = (error: HighLevelError.UpdateError | HighLevelError.InvalidOptions) =>
  Effect.orElseSucceed(encodeReported(error), (): Schema.Json => ({ _tag: error._tag, message: error.message }))

const advice = (error: HighLevelError.UpdateError | HighLevelError.InvalidOptions) => {
  if (error._tag !== "Unauthorized") return ""
  switch (error.reason) {
    case "InvalidToken":
      return "\nThe token is invalid, expired or revoked."
    case "MissingScope":
      return "\nThe token is valid but lacks the scope conversations.write."
    case "VersionHeader":
      return "\nThe API version is refused, not the token: see --api-version."
    case "WrongLocation":
      return "\nThe token belongs to another location."
    case "WrongTokenType":
      return "\nA token of a sub-account is needed, or a Private Integration token of one."
    case "Unknown":
      return ""
  }
}

export const fromError = (error: HighLevelError.UpdateError | HighLevelError.InvalidOptions) =>
  Effect.map(
    encode(error),
    (json) =>
      new CliFailure({
        exitCode: ExitCode.fromError(error),
        text: `${error._tag}: ${Output.printable(error.message)}${advice(error)}`,
        json
      })
  )

/** To be printed as the command's flag says, not as its arguments look. */
export const asAsked = <A, E, R>(effect: Effect.Effect<A, E, R>, { json }: { readonly json: boolean }) =>
  Effect.mapError(effect, (error) => (error instanceof CliFailure ? as(error, json) : error))

/** Whatever a command fails with, as what to print and how to exit. */
export const catchErrors = <A, R>(
  effect: Effect.Effect<
    A,
    CliFailure | Config.ConfigError | HighLevelError.UpdateError | HighLevelError.InvalidOptions,
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
