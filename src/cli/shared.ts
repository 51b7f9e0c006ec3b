/** Flags that several commands share. */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as FileSystem from "effect/FileSystem"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Flag from "effect/cli/Flag"
import * as ConversationUpdate from "../wire/updateConversation.ts"
import type * as HighLevelClient from "../client/HighLevelClient.ts"
import * as FileProblem from "../jobs/fileProblem.ts"
import { ApiVersion } from "../wire/Operation.ts"
import * as CliFailure from "./failure.ts"
import * as Input from "./input.ts"

const decodeFeedback = Schema.decodeUnknownEffect(Schema.fromJsonString(ConversationUpdate.Feedback))

const readFeedback = (text: string): Effect.Effect<ConversationUpdate.Feedback, CliFailure.CliFailure> =>
  text === "positive" || text === "negative"
    ? Effect.succeed(text)
    : Effect.mapError(decodeFeedback(text), () =>
        CliFailure.usage("--feedback: expected a JSON object, positive or negative")
      )

/** The flags of an update's fields. */
export const changeFlags = {
  unreadCount: Flag.Int("unread-count").pipe(Flag.withDescription("Unread messages: 0 marks as read"), Flag.optional),
  starred: Flag.Boolean("starred").pipe(
    Flag.withDescription("Star the conversation; --no-starred unstars it"),
    Flag.optional
  ),
  feedback: Flag.String("feedback").pipe(
    Flag.withDescription("Feedback: a JSON object, positive or negative"),
    Flag.withMetavar("json"),
    Flag.optional
  )
}

/** The flags of the client. */
export const serverFlags = {
  version: Flag.Literals("api-version", ApiVersion.literals).pipe(
    Flag.withDescription("The Version header (HIGHLEVEL_API_VERSION, else 2021-07-28)"),
    Flag.optional
  ),
  baseUrl: Flag.String("base-url").pipe(
    Flag.withDescription("The base URL of the API (HIGHLEVEL_BASE_URL, else HighLevel)"),
    Flag.withMetavar("url"),
    Flag.optional
  )
}

/** The given fields. */
export const changes = Effect.fnUntraced(function* (given: {
  readonly unreadCount: Option.Option<number>
  readonly starred: Option.Option<boolean>
  readonly feedback: Option.Option<string>
}) {
  const { feedback, starred, unreadCount } = given
  return {
    ...(Option.isSome(unreadCount) ? { unreadCount: unreadCount.value } : {}),
    ...(Option.isSome(starred) ? { starred: starred.value } : {}),
    ...(Option.isSome(feedback) ? { feedback: yield* readFeedback(feedback.value) } : {})
  }
})

/** The given client options. Tokens come from the context. */
export const clientOptions = ({
  baseUrl,
  version
}: {
  readonly baseUrl: Option.Option<string>
  readonly version: Option.Option<ApiVersion>
}): Omit<HighLevelClient.ConfigOptions, "token"> => ({
  ...(Option.isSome(baseUrl) ? { baseUrl: Config.succeed(baseUrl.value) } : {}),
  ...(Option.isSome(version) ? { version: Config.succeed(version.value) } : {})
})

/** The flags of the input. */
export const inputFlags = {
  input: Flag.String("input").pipe(
    Flag.withDescription(
      "Updates or conversations as JSON objects, or conversation ids, one per line, or CSV; - is stdin"
    ),
    Flag.withMetavar("file"),
    Flag.withDefault("-")
  ),
  csv: Flag.Boolean("csv").pipe(
    Flag.withDescription("Read CSV with a header (the default for .csv files)"),
    Flag.withDefault(false)
  ),
  locationId: Flag.String("location-id").pipe(
    Flag.withDescription("Default location for lines without a locationId"),
    Flag.optional
  )
}

/** Parses the input, and tells which part of a file has been read, from 0 to 1. */
export const open = Effect.fnUntraced(function* (
  given: {
    readonly input: string
    readonly csv: boolean
    readonly locationId: Option.Option<string>
  } & Parameters<typeof changes>[0]
) {
  const { input } = given
  const fileSystem = yield* FileSystem.FileSystem
  const stdio = yield* Stdio.Stdio
  const defaults = { changes: yield* changes(given), locationId: Option.getOrUndefined(given.locationId) }
  const unreadable = (error: unknown) => CliFailure.usage(`Cannot read ${input}: ${FileProblem.describe(error)}`)
  const isCsv = given.csv || /\.csv$/i.test(input)
  if (input === "-") {
    if (yield* stdio.stdinIsTerminal) {
      return yield* CliFailure.usage("No input: pass --input <file>, or pipe in updates or ids.")
    }
    return { found: Stream.mapError(Input.read(stdio.stdin, defaults, isCsv), unreadable), readPart: () => undefined }
  }
  const { size, type } = yield* Effect.mapError(fileSystem.stat(input), unreadable)
  if (type === "Directory") return yield* CliFailure.usage(`Cannot read ${input}: it is a folder`)
  let bytesRead = 0
  const bytes = Stream.tap(fileSystem.stream(input), ({ length }) => Effect.sync(() => (bytesRead += length)))
  const found = Stream.mapError(Input.read(bytes, defaults, isCsv), unreadable)
  return { found, readPart: () => (type === "File" ? Math.min(1, bytesRead / Number(size)) : undefined) }
})

export const queueFlag = Flag.String("queue").pipe(
  Flag.withDescription("The name of the queue (highlevel-updates)"),
  Flag.optional
)

export const jsonFlag = Flag.Boolean("json").pipe(
  Flag.withDescription("Print progress, summary and errors as JSON"),
  Flag.withDefault(false)
)

export const concurrencyFlag = (description: string) =>
  Flag.Int("concurrency").pipe(
    Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 10_000 }))),
    Flag.withDescription(description),
    Flag.optional
  )

export const maxFailuresFlag = Flag.Int("max-failures").pipe(
  Flag.withSchema(Schema.Int.check(Schema.isGreaterThan(0))),
  Flag.withDescription("Stop after this many failures (unlimited)"),
  Flag.optional
)
