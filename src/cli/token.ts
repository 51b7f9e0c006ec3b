/** Reads the token from the environment, or prompts for it. */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stdio from "effect/Stdio"
import * as Prompt from "effect/cli/Prompt"
import * as CliFailure from "./failure.ts"

/**
 * The token is never an argument, which every process on the machine can read, and never
 * read from a pipe, which may carry other input.
 */
export const token = Effect.gen(function* () {
  const given = yield* Config.option(Config.Redacted("HIGHLEVEL_TOKEN"))
  if (Option.isSome(given) && Redacted.value(given.value).trim() !== "") return given.value
  const { stderrIsTerminal, stdinIsTerminal } = yield* Stdio.Stdio
  if ((yield* stdinIsTerminal) && (yield* stderrIsTerminal)) {
    return yield* Effect.catchTag(
      Prompt.run(Prompt.Hidden({ message: "HighLevel token" })),
      "QuitError",
      () => Effect.interrupt
    )
  }
  return yield* CliFailure.usage("No token: set HIGHLEVEL_TOKEN, or run this in a terminal to be asked for it.")
})
