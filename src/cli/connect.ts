/** `effect-highlevel connect`: connects a location or an agency from a shell. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as CliFailure from "./failure.ts"
import * as Shared from "./shared.ts"

export const connect = Command.make(
  "connect",
  {
    redirectUri: Flag.String("redirect-uri").pipe(
      Flag.withDescription(
        "Where HighLevel redirects to: this machine, as registered with the app (http://localhost:8976/callback)"
      ),
      Flag.withMetavar("url"),
      Flag.withDefault("http://localhost:8976/callback")
    ),
    port: Flag.Int("port").pipe(
      Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 65_535 }))),
      Flag.withDescription("The port to listen on, if it is not that of the redirect URI"),
      Flag.optional
    ),
    scopes: Flag.String("scope").pipe(
      Flag.withDescription(
        "A scope to request; repeat the flag for more (conversations.readonly and conversations.write)"
      ),
      Flag.atLeast(0)
    ),
    browser: Flag.Boolean("browser").pipe(
      Flag.withDescription("Open the page in a browser; --no-browser only prints its URL"),
      Flag.withDefault(true)
    ),
    ...Shared.serverFlags,
    json: Flag.Boolean("json").pipe(Flag.withDescription("Print one line of JSON, errors too"), Flag.withDefault(false))
  },
  Effect.fnUntraced(function* (options) {
    const { authorize } = yield* Effect.promise(() => import("./authorize.ts"))
    return yield* authorize(options)
  }, CliFailure.asAsked)
).pipe(
  Command.withDescription(
    "Connect a location or an agency to the app (HIGHLEVEL_CLIENT_ID, HIGHLEVEL_CLIENT_SECRET); its tokens are stored in the folder HIGHLEVEL_TOKENS, else in Redis (HIGHLEVEL_REDIS_URL), else in your configuration folder"
  ),
  Command.withShortDescription(
    "Connect a location or an agency to the app (HIGHLEVEL_CLIENT_ID, HIGHLEVEL_CLIENT_SECRET)"
  ),
  Command.withExamples([
    { command: "effect-highlevel connect", description: "Choose a location in a browser, and store its tokens" },
    {
      command: "effect-highlevel connect --scope conversations.write --scope oauth.readonly --scope oauth.write",
      description: "Connect an agency, for the locations in which it installs the app"
    }
  ])
)
