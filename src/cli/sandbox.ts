/** `effect-highlevel sandbox`: serves a sandbox of HighLevel. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"

export const sandbox = Command.make(
  "sandbox",
  {
    port: Flag.Int("port").pipe(
      Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 65_535 }))),
      Flag.withDescription("The port to listen on, else a free one"),
      Flag.withDefault(0)
    ),
    host: Flag.String("host").pipe(
      Flag.withDescription("The address to listen on; with 0.0.0.0 other machines and containers reach it"),
      Flag.withMetavar("address"),
      Flag.withDefault("127.0.0.1")
    ),
    conversations: Flag.String("conversations").pipe(
      Flag.withDescription(
        "The conversations to start with: a file of JSON lines, as search --json prints them, or how many"
      ),
      Flag.withMetavar("file | count"),
      Flag.withDefault("1")
    ),
    token: Flag.String("token").pipe(
      Flag.withSchema(Schema.String.check(Schema.isPattern(/^[\x21-\x7e]+$/))),
      Flag.withDescription("The token the sandbox accepts, else the one it prints; not a secret"),
      Flag.optional
    ),
    responses: Flag.Literals("responses", ["documented", "observed"]).pipe(
      Flag.withDescription("Respond as documented, or as observed live"),
      Flag.withDefault("documented")
    ),
    webhooks: Flag.String("webhooks").pipe(
      Flag.withSchema(Schema.String.check(Schema.isPattern(/^https?:\/\/[^\s]+$/))),
      Flag.withDescription("Deliver signed webhooks to this URL: unread counts that an update changed"),
      Flag.optional
    ),
    providerStates: Flag.Boolean("provider-states").pipe(
      Flag.withDescription("Take a Pact verifier's provider states at /_pact/provider-states"),
      Flag.withDefault(false)
    )
  },
  Effect.fnUntraced(function* (options) {
    const { serve } = yield* Effect.promise(() => import("./serve.ts"))
    return yield* serve(options)
  })
).pipe(
  Command.withDescription("Serve a sandbox of HighLevel until interrupted"),
  Command.withExamples([
    { command: "effect-highlevel sandbox --conversations 1000", description: "With 300 that are unread" }
  ])
)
