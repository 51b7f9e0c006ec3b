/** Runs `effect-highlevel connect`. Loaded on demand, since a server loads slowly. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Console from "effect/Console"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as ChildProcess from "effect/process/ChildProcess"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import { createServer } from "node:http"
import * as OAuth from "../oauth/OAuth.ts"
import type { ApiVersion } from "../wire/Operation.ts"
import * as CliFailure from "./failure.ts"
import * as Listen from "./listen.ts"
import * as Output from "./output.ts"
import * as StoredTokens from "./storedTokens.ts"

const Callback = Schema.Struct({
  code: Schema.optionalKey(Schema.String),
  state: Schema.optionalKey(Schema.String),
  error: Schema.optionalKey(Schema.String),
  error_description: Schema.optionalKey(Schema.String)
})

const opener =
  process.platform === "darwin"
    ? ["open"]
    : process.platform === "win32"
      ? ["rundll32", "url.dll,FileProtocolHandler"]
      : ["xdg-open"]

/** Opens a page in the browser, if there is one. */
const open = (url: string) =>
  Effect.gen(function* () {
    const { exitCode } = yield* ChildProcessSpawner.ChildProcessSpawner
    const [command = "", ...args] = opener
    yield* exitCode(ChildProcess.make(command, [...args, url], { stdin: "ignore", stdout: "ignore", stderr: "ignore" }))
  }).pipe(Effect.ignore)

const describe = (connected: OAuth.Authorized) => {
  if (connected.userType === "Location") return `Connected location ${connected.locationId}.`
  const { companyId, locations } = connected
  return Result.isSuccess(locations)
    ? `Connected agency ${companyId} with ${Output.counted(locations.success.length, "location")}.`
    : `Connected agency ${companyId}. Its locations cannot be listed: ${locations.failure.message}`
}

const jsonOf = (connected: OAuth.Authorized) => {
  if (connected.userType === "Location") return connected
  const { locations, ...agency } = connected
  return { ...agency, ...(Result.isSuccess(locations) ? { locations: locations.success } : {}) }
}

export const authorize = Effect.fnUntraced(function* (options: {
  readonly redirectUri: string
  readonly port: Option.Option<number>
  readonly scopes: ReadonlyArray<string>
  readonly browser: boolean
  readonly baseUrl: Option.Option<string>
  readonly version: Option.Option<ApiVersion>
  readonly json: boolean
}) {
  const { browser, json, redirectUri, scopes } = options
  if (!URL.canParse(redirectUri)) return yield* CliFailure.usage("--redirect-uri: expected an absolute URL")
  const redirect = new URL(redirectUri)
  if (redirect.protocol !== "http:" && Option.isNone(options.port)) {
    return yield* CliFailure.usage("--redirect-uri: an https: URL needs --port, where its proxy forwards to over HTTP")
  }
  const port = Option.getOrElse(options.port, () => Number(redirect.port || 80))

  const authorized = Effect.gen(function* () {
    const oauth = yield* OAuth.OAuth
    const { state, url } = yield* oauth.authorizationUrl({
      redirectUri,
      ...(scopes.length === 0 ? {} : { scopes })
    })
    const ended = yield* Deferred.make<OAuth.Authorized, OAuth.AuthorizationFailed>()
    // A kept-alive connection of the browser would keep the command running.
    const respond = (status: number, text: string) =>
      HttpServerResponse.text(text, { status, headers: { connection: "close" } })
    const callback = Effect.gen(function* () {
      const query = yield* HttpServerRequest.schemaSearchParams(Callback)
      const connected = yield* oauth.exchangeCode(query, { redirectUri, state })
      yield* Deferred.succeed(ended, connected)
      return respond(200, `${describe(connected)} You can close this window.`)
    }).pipe(
      Effect.catchTags({
        AuthorizationFailed: (error) =>
          // A redirect of another authorization does not end this one.
          Effect.as(
            error.reason === "StateMismatch" ? Effect.void : Deferred.fail(ended, error),
            respond(400, error.message)
          ),
        SchemaError: () => Effect.succeed(respond(400, "This is not HighLevel's redirect"))
      })
    )
    const server = HttpRouter.serve(HttpRouter.add("GET", `/${redirect.pathname.replace(/^\/+/, "")}`, callback), {
      disableListenLog: true,
      disableLogger: true
    }).pipe(Layer.provide(NodeHttpServer.layer(() => createServer(), { port, host: "127.0.0.1" })))
    yield* Layer.build(server)
    yield* Console.error(`Choose what to connect at\n${url}\nWaiting on port ${port} for the redirect; Ctrl-C ends.`)
    if (browser) yield* Effect.forkScoped(open(url))
    return yield* Deferred.await(ended)
  })
  const connected = yield* authorized.pipe(
    Effect.scoped,
    Effect.provide(StoredTokens.layer(options)),
    Effect.catchTag("ServeError", (error) => Effect.fail(Listen.cannotListen(port, error))),
    StoredTokens.catchErrors
  )
  yield* Console.log(Output.printable(json ? JSON.stringify(jsonOf(connected)) : describe(connected)))
})
