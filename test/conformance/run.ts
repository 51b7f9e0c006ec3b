/**
 * Generated calls of the client through Prism, made of the excerpts of the vendor's OpenAPI
 * files: to the sandbox, each violation compared with the declared ones, and to its mock,
 * each result a decoded value or an error of the union. `COUNT` and `SEED` repeat a run.
 * Neither the excerpts nor the whole conversations file declare a 422, so the mock sends none.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Cause from "effect/Cause"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import { spawn } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { createServer } from "node:http"
import process from "node:process"
import {
  Conversations,
  GetConversation,
  HighLevelClient,
  HighLevelError,
  SearchConversations,
  UpdateConversation
} from "../../src/index.ts"
import { Sandbox } from "../../src/testing/index.ts"
import { freePort } from "../redis.ts"

const count = Number(process.env["COUNT"] ?? 10_000)
const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31))
console.log(`COUNT=${count} SEED=${seed}`)
/** Another file of the vendor's conversations, a path or a URL, instead of the excerpts. */
const [newest] = process.argv.slice(2)
const { id: conversationId, locationId } = Sandbox.documentedConversation

// The sandbox knows one conversation; what else is in an input is generated from its schema.
const known = <Input extends { readonly conversationId: string }>(input: Input, index: number) => ({
  ...input,
  locationId,
  conversationId: index % 4 === 0 ? input.conversationId : conversationId
})
const sample = <Input>(schema: Schema.Codec<Input, unknown>, amount: number) =>
  Arbitrary.sampleEffect(Arbitrary.schema(schema), { count: amount, seed })
const each = Math.ceil(count / 4)

const update = Effect.map(sample(UpdateConversation.updateConversation.input, each), (inputs) =>
  inputs.map((input, index) => Conversations.update(known(input, index)))
)
type Call = Effect.Effect<unknown, unknown, HighLevelClient.HighLevelClient>
const operations: Record<string, Effect.Effect<ReadonlyArray<Call>, unknown>> = {
  "update-conversation.v2": update,
  "update-conversation.v3": update,
  "get-conversation.v2": Effect.map(sample(GetConversation.getConversation.input, each), (inputs) =>
    inputs.map((input, index) => Conversations.get(known(input, index)))
  ),
  "search-conversation.v2": Effect.map(sample(SearchConversations.searchConversations.input, each), (inputs) =>
    inputs.map((input) => Conversations.searchPage({ ...input, locationId }))
  )
}

const isHighLevelError = Schema.is(HighLevelError.HighLevelError)
const violations = new Map<string, number>()
const outcomes = new Map<string, number>()
const add = (to: Map<string, number>, key: string) => to.set(key, (to.get(key) ?? 0) + 1)

interface Violation {
  readonly location: ReadonlyArray<string>
  /** Missing for a status that is not declared. */
  readonly code?: string | number
  readonly message: string
}

const names = Object.keys(operations).filter((name) => !newest || !name.endsWith("v3"))
// The statuses that the excerpts declare; "" is the mock's choice, a 200.
const statuses = ["", "400", "401"]

const layerClient = (name: string, side: string, baseUrl: string) => {
  let sent = 0
  return HighLevelClient.layer({
    token: Redacted.make(Sandbox.defaultToken),
    baseUrl,
    // A file allows one version alone, and the mock refuses any other.
    ...(name.endsWith("v3") ? { version: "v3" } : side === "mock" ? { version: "2021-04-15" } : {}),
    rateLimit: false,
    retry: false,
    transformClient: (http) =>
      http.pipe(
        HttpClient.mapRequest((request) => {
          const status = side === "mock" && statuses[sent++ % statuses.length]
          return status ? HttpClientRequest.setHeader(request, "prefer", `code=${status}`) : request
        }),
        HttpClient.tap((response) =>
          Effect.sync(() => {
            if (side === "mock") return
            const found: ReadonlyArray<Violation> = JSON.parse(response.headers["sl-violations"] ?? "[]")
            for (const { code = "status", location, message } of found)
              add(
                violations,
                `${side} ${name} ${location.join(".")} ${code}: ${message}`.replaceAll(/\.\d+(?=[. ])/g, ".*")
              )
          })
        )
      )
  }).pipe(Layer.provide(FetchHttpClient.layer))
}

const record = (name: string, side: string) => (exit: Exit.Exit<unknown, unknown>) => {
  const failure = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
  const tag = failure === undefined ? "decoded" : isHighLevelError(failure) ? failure._tag : `DEFECT ${failure}`
  add(outcomes, `${side} ${name} ${tag}`)
}

/** Prism, which ends with the scope. A start that fails, or takes a minute, fails the run. */
const prism = (argumentsOf: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const port = yield* Effect.promise(freePort)
    const child = yield* Effect.acquireRelease(
      Effect.sync(() =>
        spawn(
          "test/conformance/node_modules/.bin/prism",
          [...argumentsOf, "-p", String(port), "--verboseLevel", "silent"],
          { stdio: ["ignore", "ignore", "inherit"] }
        )
      ),
      (started) => Effect.sync(() => started.kill())
    )
    const url = `http://127.0.0.1:${port}`
    for (let tries = 0; tries < 600; tries++) {
      if (child.exitCode !== null) break
      if (
        yield* Effect.promise(() =>
          fetch(url).then(
            () => true,
            () => false
          )
        )
      )
        return url
      yield* Effect.sleep("100 millis")
    }
    return yield* Effect.die(new Error(`Prism does not start: ${argumentsOf.join(" ")}`))
  })

const side = (name: string, argumentsOf: (file: string) => ReadonlyArray<string>) =>
  Effect.forEach(
    names,
    Effect.fnUntraced(function* (operation) {
      const url = yield* prism(argumentsOf(newest ?? `contracts/openapi/${operation}.json`))
      const calls = yield* operations[operation] ?? Effect.succeed([])
      yield* Effect.forEach(calls, (call) => Effect.map(Effect.exit(call), record(operation, name)), {
        concurrency: 8,
        discard: true
      }).pipe(Effect.provide(layerClient(operation, name, url)))
    }, Effect.scoped),
    { discard: true }
  )

// The sandbox returns a conversation as it is seeded; the vendor's search requires all of these.
const complete = {
  ...Sandbox.documentedConversation,
  type: "TYPE_PHONE",
  fullName: "John Doe",
  contactName: "John Doe Company",
  email: "johndoe@mailingdomain.com",
  phone: "+15550001234"
}

const sandbox = (responses: "documented" | "observed") =>
  Effect.flatMap(Sandbox.url, (url) => side(responses, (file) => ["proxy", file, url])).pipe(
    Effect.provide(
      Sandbox.layerServer({
        conversations: responses === "documented" ? [complete] : 1,
        responses,
        rateLimit: { max: 1e9, daily: 1e9 }
      }).pipe(Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" })))
    )
  )

const program = Effect.runFork(
  Effect.all([sandbox("documented"), sandbox("observed"), side("mock", (file) => ["mock", "--dynamic", file])])
)
for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.once(signal, () => void Effect.runPromise(Fiber.interrupt(program)))
await Effect.runPromise(Fiber.join(program))
const file = "test/conformance/declared.json"
const declared: Record<string, string> = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : {}
const undeclared = [...violations].filter(([key]) => !(key in declared))
// Another file has no v3 operation to deviate from.
const gone = Object.keys(declared).filter((key) => !violations.has(key) && names.includes(key.split(" ")[1] ?? ""))
console.table(Object.fromEntries(outcomes))
for (const [key, times] of undeclared) console.log(`undeclared, ${times} times: ${key}`)
for (const key of gone) console.log(`declared, but gone: ${key}`)
process.exitCode =
  undeclared.length + gone.length + [...outcomes.keys()].filter((key) => /DEFECT/.test(key)).length ? 1 : 0
