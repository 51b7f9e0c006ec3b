/** `effect-highlevel sandbox`: HighLevel's side of the operation, on loopback. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Config from "effect/Config"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { createServer } from "node:http"
import { Sandbox } from "../testing/index.ts"
import * as CliFailure from "./CliFailure.ts"
import * as ExitCode from "./ExitCode.ts"

const shellWord = (text: string) => (/^[\w./:@-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`)

// In a checkout the command is an npm script; say what can be pasted here.
const program = Config.String("npm_lifecycle_event").pipe(
  Config.withDefault(""),
  Config.map((event) => (event === "cli" ? "npm run -s cli --" : "effect-highlevel"))
)

export const sandbox = Command.make(
  "sandbox",
  {
    port: Flag.Int("port").pipe(
      Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 65_535 }))),
      Flag.withDescription("The port to listen on, else a free one"),
      Flag.withDefault(0)
    ),
    token: Flag.String("token").pipe(
      Flag.withSchema(Schema.String.check(Schema.isPattern(/^[\x21-\x7e]+$/))),
      Flag.withDescription("The token the sandbox accepts; not a secret"),
      Flag.withDefault(Sandbox.defaultToken)
    ),
    answers: Flag.Literals("answers", ["documented", "observed"]).pipe(
      Flag.withDescription("Answer as documented, or as observed live"),
      Flag.withDefault("documented")
    ),
    providerStates: Flag.Boolean("provider-states").pipe(
      Flag.withDescription("Take a Pact verifier's provider states at /_pact/provider-states"),
      Flag.withDefault(false)
    )
  },
  Effect.fnUntraced(function* ({ answers, port, providerStates, token }) {
    const ready = Effect.gen(function* () {
      const url = yield* Sandbox.url
      const { id, locationId } = Sandbox.documentedConversation
      yield* Console.log(
        [
          `The sandbox listens on ${url}; Ctrl-C ends it. In another shell:`,
          "",
          `HIGHLEVEL_TOKEN=${shellWord(token)} ${yield* program} update ${id} --location-id ${locationId} --unread-count 0 --starred --base-url ${url}`
        ].join("\n")
      )
      return yield* Effect.never
    })
    yield* ready.pipe(
      Effect.provide(
        Sandbox.layerServer({ token, answers, providerStates }).pipe(
          Layer.provideMerge(NodeHttpServer.layer(() => createServer(), { port, host: "127.0.0.1" }))
        )
      ),
      Effect.catchTags({
        ServeError: (error) =>
          Effect.fail(
            new CliFailure.CliFailure({
              exitCode: ExitCode.failed,
              text: `Cannot listen on port ${port}: ${String(error.cause)}`,
              json: { _tag: "ServeError", message: String(error.cause) }
            })
          ),
        ConfigError: (error) => Effect.fail(CliFailure.usage(error.message))
      })
    )
  })
).pipe(Command.withDescription("Serve a sandbox of HighLevel until interrupted"))
