/**
 * The contract against the real thing, on a test conversation of your own:
 *
 *     HIGHLEVEL_TOKEN=… HIGHLEVEL_LOCATION_ID=… HIGHLEVEL_CONVERSATION_ID=… npm run contracts:live
 *
 * Reads the response to an update of nothing, updates `unreadCount` and `starred`,
 * sets back what the first response showed, and reports where the responses differ
 * from the contract. Values are never printed, only their types.
 *
 * Exit code: 0 no drift, 1 drift, 64 something is missing, else as `update`.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Config from "effect/Config"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import { HighLevelClient, type HighLevelError, UpdateConversation } from "effect-highlevel"
import * as ExitCode from "../src/cli/exitCode.ts"
import * as Documentation from "./documented/documentation.ts"

const names = ["HIGHLEVEL_TOKEN", "HIGHLEVEL_LOCATION_ID", "HIGHLEVEL_CONVERSATION_ID"]

const typeOf = (value: unknown) => (value === null ? "null" : Array.isArray(value) ? "array" : typeof value)

/** How an object of a response differs from the documented fields. */
const driftOf = (path: string, fields: ReadonlyArray<Documentation.Field>, received: Record<string, unknown>) => [
  ...fields.flatMap(({ allowedValues, name, type }) => {
    if (!Object.hasOwn(received, name)) return [`${path}${name}: documented as ${type}, missing`]
    const value = received[name]
    if (typeOf(value) !== type) return [`${path}${name}: documented as ${type}, received as ${typeOf(value)}`]
    if (allowedValues !== undefined && !allowedValues.includes(String(value))) {
      return [`${path}${name}: received as a ${type} that is not among the ${allowedValues.length} documented values`]
    }
    return []
  }),
  ...Object.keys(received)
    .filter((name) => fields.every((field) => field.name !== name))
    .map((name) => `${path}${name}: not documented, received as ${typeOf(received[name])}`)
]

const drift = (body: unknown) => {
  const received: Record<string, unknown> = Object(body)
  const { fields } = Documentation.responseOf("update", 200)
  const inside = fields.filter(({ name }) => name.includes("."))
  return [
    ...driftOf(
      "",
      fields.filter((field) => !inside.includes(field)),
      received
    ),
    ...driftOf(
      "conversation.",
      inside.map((field) => Object.assign({}, field, { name: field.name.replace("conversation.", "") })),
      Object(received["conversation"])
    )
  ]
}

const program = Effect.gen(function* () {
  const token = yield* Config.Redacted("HIGHLEVEL_TOKEN")
  const locationId = yield* Config.String("HIGHLEVEL_LOCATION_ID")
  const conversationId = yield* Config.String("HIGHLEVEL_CONVERSATION_ID")
  const baseUrl = yield* Config.String("HIGHLEVEL_BASE_URL").pipe(Config.withDefault(HighLevelClient.defaultBaseUrl))

  const found = new Set<string>()
  const client = yield* HighLevelClient.make({
    token,
    baseUrl,
    // The responses as they are on the wire, before anything is made of them.
    transformClient: HttpClient.tap((response) =>
      response.status === 200
        ? Effect.map(response.json, (body) => drift(body).forEach((line) => found.add(line)))
        : Effect.void
    )
  })

  const update = (input: UpdateConversation.ConversationUpdate) =>
    Effect.map(client.execute(UpdateConversation.updateConversation, input), ({ output }) => output)
  const before = (yield* update({ conversationId, locationId })).conversation
  const changes = {
    unreadCount: typeof before.unreadCount === "number" && before.unreadCount > 0 ? 0 : 1,
    starred: before.starred !== true
  }

  // Whatever happens to the update, what was shown is set back.
  const shown = {
    ...(typeof before.unreadCount === "number" ? { unreadCount: before.unreadCount } : {}),
    ...(typeof before.starred === "boolean" ? { starred: before.starred } : {})
  }
  const setBack = update({ conversationId, locationId, ...shown }).pipe(
    Effect.flatMap(({ conversation }) => {
      const wrong = Object.entries(shown).filter(
        ([name, value]) => name in conversation && conversation[name] !== value
      )
      return Console.log(
        `Set back: ${Object.keys(shown).join(", ") || "nothing"}${
          wrong.length > 0 ? `; the response still shows another ${wrong.map(([name]) => name).join(", ")}` : ""
        }`
      )
    }),
    Effect.tapError((error) => Console.error(`NOT set back (${error._tag}): ${Object.keys(shown).join(", ")}`))
  )
  const updated = yield* update({ conversationId, locationId, ...changes }).pipe(
    Effect.exit,
    Effect.onInterrupt(() => Effect.ignore(setBack)),
    Effect.tap(() => setBack),
    Effect.flatMap((exit) => exit)
  )

  const lost = Object.keys(changes).filter((name) => !(name in shown))
  if (lost.length > 0) {
    yield* Console.log(`Could not set back, because the first response did not show it: ${lost.join(", ")}`)
  }
  for (const [name, value] of Object.entries(changes)) {
    const received = updated.conversation[name]
    if (received !== undefined && received !== value)
      found.add(`conversation.${name}: updated, but unchanged in the response`)
  }
  yield* Console.log(
    found.size === 0
      ? "No drift: the responses are as documented."
      : [`${found.size} differences between the responses and the contract:`, ...found].join("\n  ")
  )
  return found.size === 0 ? 0 : 1
})

const main = program.pipe(
  Effect.catchTag("ConfigError", () =>
    Effect.as(
      Console.error(
        `This needs ${names.join(", ")} in the environment: a token of the location and a test conversation of your own, ` +
          "whose unreadCount and starred it changes and sets back."
      ),
      ExitCode.usage
    )
  ),
  Effect.catch((error: HighLevelError.HighLevelError | HighLevelError.InvalidOptions) =>
    // The message could quote the conversation; the tag and the status cannot.
    Effect.as(
      Console.error(`The call failed: ${error._tag}${"status" in error ? ` (${error.status})` : ""}`),
      ExitCode.fromError(error)
    )
  ),
  Effect.provide(FetchHttpClient.layer)
)

main.pipe(
  Effect.flatMap((code) => (code === ExitCode.done ? Effect.void : Effect.fail({ [Runtime.errorExitCode]: code }))),
  NodeRuntime.runMain({ disableErrorReporting: true })
)
