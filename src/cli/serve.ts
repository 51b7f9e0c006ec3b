/** Runs `effect-highlevel sandbox`. Loaded on demand, since a server loads slowly. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Config from "effect/Config"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { createServer } from "node:http"
import * as OptionsCheck from "../client/options.ts"
import * as Sandbox from "../testing/Sandbox.ts"
import * as CliFailure from "./failure.ts"
import * as Listen from "./listen.ts"
import * as SandboxPage from "./sandboxPage.ts"
import * as Seeds from "./seeds.ts"

const shellWord = (text: string) => (/^[\w./:@-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`)

// The command as it can be pasted: in a checkout it is an npm script, in a project npx runs it.
const program = Config.String("npm_lifecycle_event").pipe(
  Config.withDefault(""),
  Config.map((event) =>
    event === "cli" ? "npm run -s cli --" : event === "npx" ? "npx effect-highlevel" : "effect-highlevel"
  )
)

/** The URL to use on this machine, and whether the server is also reachable from others. */
const addressOf = (bound: string) => {
  const url = new URL(bound)
  const isEvery = url.hostname === "0.0.0.0" || url.hostname === "[::]"
  if (isEvery) url.hostname = "127.0.0.1"
  const isLoopback = OptionsCheck.isLoopback(url.hostname)
  return { url: url.origin, isLoopback, isShared: isEvery || !isLoopback }
}

const webhookLines = Effect.fnUntraced(function* (url: string) {
  const { webhookKey } = yield* Sandbox.Sandbox
  const appId = Sandbox.defaultApp.clientId.split("-")[0]
  return ["", `It delivers webhooks to ${url}, for the app ${appId}, signed with the key`, yield* webhookKey]
})

export const serve = Effect.fnUntraced(function* (options: {
  readonly port: number
  readonly host: string
  readonly conversations: string
  readonly token: Option.Option<string>
  readonly responses: "documented" | "observed"
  readonly webhooks: Option.Option<string>
  readonly providerStates: boolean
}) {
  const { host, responses, port, providerStates } = options
  const conversations = yield* Seeds.read(options.conversations)
  const token = Option.getOrElse(options.token, () => Sandbox.defaultToken)
  const webhooks = Option.getOrUndefined(options.webhooks)
  const page = OptionsCheck.isLoopback(host === "::1" ? "[::1]" : host) ? yield* SandboxPage.make : undefined
  const ready = Effect.gen(function* () {
    const { isLoopback, isShared, url } = addressOf(yield* Sandbox.url)
    const name = yield* program
    const [first] = typeof conversations === "number" ? [] : conversations
    const { id, locationId } = first ?? Sandbox.documentedConversation
    const location = `--location-id ${shellWord(locationId)}`
    const { clientId, clientSecret } = Sandbox.defaultApp
    const commands = [
      `export HIGHLEVEL_BASE_URL=${url} HIGHLEVEL_TOKEN=${shellWord(token)}${isLoopback ? "" : " HIGHLEVEL_ALLOW_INSECURE_HTTP=true"}`,
      `${name} get ${shellWord(id)} ${location}`,
      `${name} update ${shellWord(id)} ${location} --unread-count 0 --starred`,
      `${name} search ${location} --status unread`,
      `${name} mark-read ${location}`
    ]
    if (page === undefined) yield* Console.error(SandboxPage.notServed(host))
    else yield* page.open(yield* Sandbox.Sandbox, commands)
    yield* Console.log(
      [
        `The sandbox listens on ${url}; Ctrl-C ends it. In another shell:`,
        "",
        ...commands,
        ...(page === undefined ? [] : ["", `Watch it in a browser: ${url}/`, `API documentation: ${url}/docs`]),
        "",
        `Its OAuth app is ${clientId}, with the secret ${Redacted.value(clientSecret)}, and its page ${url}/v2/oauth/chooselocation approves at once:`,
        "",
        `HIGHLEVEL_CLIENT_ID=${clientId} HIGHLEVEL_CLIENT_SECRET=${Redacted.value(clientSecret)} ${name} connect`,
        ...(isShared
          ? [
              "",
              "Other machines can reach it at this machine's address, with this token and without encryption. Their",
              "clients refuse plain HTTP unless HIGHLEVEL_ALLOW_INSECURE_HTTP=true."
            ]
          : []),
        ...(webhooks === undefined ? [] : yield* webhookLines(webhooks))
      ].join("\n")
    )
    return yield* Effect.ensuring(Effect.never, page === undefined ? Effect.void : page.close)
  })
  yield* ready.pipe(
    Effect.provide(
      Sandbox.layerServer({ conversations, token, responses, providerStates, webhooks }).pipe(
        Layer.provideMerge(page === undefined ? Layer.empty : page.layer),
        Layer.provideMerge(NodeHttpServer.layer(() => createServer(), { port, host }))
      )
    ),
    Effect.catchTags({
      ServeError: (error) => Effect.fail(Listen.cannotListen(port, error)),
      CryptoError: (error) => Effect.fail(CliFailure.usage(`This runtime cannot sign webhooks: ${error.message}`)),
      ConfigError: (error) => Effect.fail(CliFailure.usage(error.message))
    })
  )
})
