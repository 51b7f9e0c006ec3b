/** What `effect-highlevel sandbox` does; loaded when it is asked for, since a server takes its time. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Config from "effect/Config"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { createServer } from "node:http"
import * as Sandbox from "../testing/Sandbox.ts"
import * as CliFailure from "./failure.ts"
import * as Listen from "./listen.ts"

const shellWord = (text: string) => (/^[\w./:@-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`)

// In a checkout the command is an npm script; say what can be pasted here.
const program = Config.String("npm_lifecycle_event").pipe(
  Config.withDefault(""),
  Config.map((event) => (event === "cli" ? "npm run -s cli --" : "effect-highlevel"))
)

const webhookLines = Effect.fnUntraced(function* (url: string) {
  const { webhookKey } = yield* Sandbox.Sandbox
  const appId = Sandbox.defaultApp.clientId.split("-")[0]
  return ["", `It delivers webhooks to ${url}, for the app ${appId}, signed with the key`, yield* webhookKey]
})

export const serve = Effect.fnUntraced(function* (options: {
  readonly port: number
  readonly token: Option.Option<string>
  readonly responses: "documented" | "observed"
  readonly webhooks: Option.Option<string>
  readonly providerStates: boolean
}) {
  const { responses, port, providerStates } = options
  const token = Option.getOrElse(options.token, () => Sandbox.defaultToken)
  const webhooks = Option.getOrUndefined(options.webhooks)
  const ready = Effect.gen(function* () {
    const url = yield* Sandbox.url
    const { clientId, clientSecret } = Sandbox.defaultApp
    const { id, locationId } = Sandbox.documentedConversation
    yield* Console.log(
      [
        `The sandbox listens on ${url}; Ctrl-C ends it. In another shell:`,
        "",
        `HIGHLEVEL_TOKEN=${shellWord(token)} ${yield* program} update ${id} --location-id ${locationId} --unread-count 0 --starred --base-url ${url}`,
        "",
        "The same as an app, whose tokens connect stores:",
        "",
        `export HIGHLEVEL_CLIENT_ID=${clientId} HIGHLEVEL_CLIENT_SECRET=${Redacted.value(clientSecret)} HIGHLEVEL_BASE_URL=${url}`,
        `${yield* program} connect`,
        ...(webhooks === undefined ? [] : yield* webhookLines(webhooks))
      ].join("\n")
    )
    return yield* Effect.never
  })
  yield* ready.pipe(
    Effect.provide(
      Sandbox.layerServer({ token, responses, providerStates, webhooks }).pipe(
        Layer.provideMerge(NodeHttpServer.layer(() => createServer(), { port, host: "127.0.0.1" }))
      )
    ),
    Effect.catchTags({
      ServeError: (error) => Effect.fail(Listen.cannotListen(port, error)),
      CryptoError: (error) => Effect.fail(CliFailure.usage(`This runtime cannot sign webhooks: ${error.message}`)),
      ConfigError: (error) => Effect.fail(CliFailure.usage(error.message))
    })
  )
})
