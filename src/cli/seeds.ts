/** Reads the initial conversations of a sandbox from lines of JSON, such as those of `search --json`. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Predicate from "effect/Predicate"
import * as Record from "effect/Record"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as FileProblem from "../jobs/fileProblem.ts"
import type { Seed } from "../testing/SandboxModel.ts"
import * as Conversation from "../wire/Conversation.ts"
import * as CliFailure from "./failure.ts"
import * as Input from "./input.ts"
import * as Output from "./output.ts"

const { id: _id, locationId: _locationId, ...others } = Conversation.fields

// A null field counts as missing.
const SeedLine = Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown))
const SeedFields = Schema.Struct({
  ...others,
  id: Schema.NonEmptyString,
  locationId: Schema.NonEmptyString,
  type: Schema.optionalKey(Schema.String),
  fullName: Schema.optionalKey(Schema.String),
  contactName: Schema.optionalKey(Schema.String),
  email: Schema.optionalKey(Schema.String),
  phone: Schema.optionalKey(Schema.String),
  dateAdded: Schema.optionalKey(Schema.Finite),
  lastMessageAction: Schema.optionalKey(Schema.Literals(["automated", "manual"])),
  lastMessageDirection: Schema.optionalKey(Schema.Literals(["inbound", "outbound"]))
})

const parse = (text: string): Effect.Effect<Seed, { readonly message: string }> =>
  Schema.decodeUnknownEffect(SeedLine)(text).pipe(
    Effect.map(Record.filter(Predicate.isNotNull)),
    Effect.flatMap(Schema.decodeUnknownEffect(SeedFields))
  )

/** Reads the conversations of a file, or makes a number of them. */
export const read = Effect.fnUntraced(function* (given: string) {
  if (/^\d+$/.test(given)) return Number(given)
  const fileSystem = yield* FileSystem.FileSystem
  return yield* Input.lines(fileSystem.stream(given)).pipe(
    Stream.mapEffect(({ number, text }) =>
      Effect.mapError(
        Result.isFailure(text) ? Effect.fail({ message: text.failure }) : parse(text.success),
        ({ message }) =>
          CliFailure.usage(`${given}, line ${number}: ${Output.printable(message.replaceAll(/\n\s*/g, " "))}`)
      )
    ),
    Stream.runCollect,
    Effect.catchTag("PlatformError", (error) =>
      Effect.fail(CliFailure.usage(`Cannot read ${given}: ${FileProblem.describe(error)}`))
    )
  )
})
