/** Where the token comes from: the environment, or a person at a terminal. */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stdio from "effect/Stdio"
import * as Prompt from "effect/cli/Prompt"
import * as CliFailure from "./failure.ts"

/**
 * Never an argument, which every process on the machine can read, and never
 * piped input, which would swallow whatever is piped.
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
