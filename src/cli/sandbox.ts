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
      Flag.withDescription("The port to listen on (a free one)"),
      Flag.withDefault(0)
    ),
    host: Flag.String("host").pipe(
      Flag.withDescription("The address to listen on; 0.0.0.0 makes it reachable from other machines and containers"),
      Flag.withMetavar("address"),
      Flag.withDefault("127.0.0.1")
    ),
    conversations: Flag.String("conversations").pipe(
      Flag.withDescription(
        "The initial conversations: a file of JSON lines, such as the output of search --json, or a number"
      ),
      Flag.withMetavar("file | count"),
      Flag.withDefault("1")
    ),
    token: Flag.String("token").pipe(
      Flag.withSchema(Schema.String.check(Schema.isPattern(/^[\x21-\x7e]+$/))),
      Flag.withDescription("The token that the sandbox accepts (by default one that it prints); not a secret"),
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
      Flag.withDescription("Serve Pact provider states at /_pact/provider-states"),
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
