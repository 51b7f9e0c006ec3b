/**
 * Generated calls of the client through Prism, made of the excerpts of the vendor's OpenAPI
 * files: to the sandbox, each violation compared with the declared ones, and to its mock,
 * each result a decoded value or an error of the union. `COUNT` and `SEED` repeat a run.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Cause from "effect/Cause"
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
import { Conversations, HighLevelClient, HighLevelError } from "../../src/index.ts"
import { Sandbox } from "../../src/testing/index.ts"
import { freePort } from "../redis.ts"

const count = Number(process.env["COUNT"] ?? 10_000)
let seed = Number(process.env["SEED"] ?? 1)
const below = (bound: number) => {
  seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0
  return Math.floor((seed / 2 ** 32) * bound)
}
const { id: conversationId, locationId } = Sandbox.documentedConversation

const operations = {
  "update-conversation.v2": () =>
    Conversations.update({
      conversationId,
      locationId,
      ...(below(2) ? { unreadCount: below(1_000) } : {}),
      ...(below(2) ? { starred: below(2) === 1 } : {}),
      ...(below(4) ? {} : { feedback: { rating: below(5) } })
    }),
  "get-conversation.v2": () =>
    Conversations.get({ locationId, conversationId: below(2) ? conversationId : `other${below(99)}` }),
  "search-conversation.v2": () =>
    Conversations.searchPage({
      locationId,
      limit: 1 + below(100),
      ...(below(2) ? { sort: below(2) ? "asc" : "desc" } : {}),
      ...(below(2) ? { status: below(2) ? "unread" : "all" } : {})
    })
}

const isHighLevelError = Schema.is(HighLevelError.HighLevelError)
const violations = new Map<string, number>()
const outcomes = new Map<string, number>()
const add = (to: Map<string, number>, key: string) => to.set(key, (to.get(key) ?? 0) + 1)

interface Violation {
  readonly location: ReadonlyArray<string>
  readonly code: string | number
  readonly message: string
}

const call = Effect.fnUntraced(function* (name: keyof typeof operations, side: string, baseUrl: string) {
  const status = side === "mock" ? ["", "400", "401", "422"][below(4)] : ""
  const client = HighLevelClient.layer({
    token: Redacted.make(Sandbox.defaultToken),
    baseUrl,
    // The files allow this one alone, and the mock refuses any other.
    ...(side === "mock" ? { version: "2021-04-15" as const } : {}),
    rateLimit: false,
    retry: false,
    transformClient: (http) =>
      http.pipe(
        HttpClient.mapRequest((request) =>
          status ? HttpClientRequest.setHeader(request, "prefer", `code=${status}`) : request
        ),
        HttpClient.tap((response) =>
          Effect.sync(() => {
            if (side === "mock") return
            const found: ReadonlyArray<Violation> = JSON.parse(response.headers["sl-violations"] ?? "[]")
            for (const { code, location, message } of found)
              add(violations, `${side} ${name} ${location.join(".")} ${code}: ${message}`.replaceAll(/\.\d+\./g, ".*."))
          })
        )
      )
  }).pipe(Layer.provide(FetchHttpClient.layer))
  const exit = yield* Effect.exit(operations[name]().pipe(Effect.provide(client)))
  const failure = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
  const tag = failure === undefined ? "decoded" : isHighLevelError(failure) ? failure._tag : `DEFECT ${failure}`
  add(outcomes, `${side} ${name} ${status ?? ""} ${tag}`)
})

const side = (name: string, argumentsOf: (file: string) => ReadonlyArray<string>) =>
  Effect.forEach(
    Object.keys(operations) as Array<keyof typeof operations>,
    Effect.fnUntraced(function* (operation) {
      const port = yield* Effect.promise(freePort)
      const prism = spawn(
        "test/conformance/node_modules/.bin/prism",
        [...argumentsOf(`contracts/openapi/${operation}.json`), "-p", String(port), "--verboseLevel", "silent"],
        { stdio: "ignore" }
      )
      const url = `http://127.0.0.1:${port}`
      yield* Effect.promise(async () => {
        while (!(await fetch(url).catch(() => undefined))) await new Promise((resume) => setTimeout(resume, 100))
      })
      yield* Effect.forEach(Array.from({ length: Math.ceil(count / 3) }), () => call(operation, name, url), {
        concurrency: 8,
        discard: true
      }).pipe(Effect.ensuring(Effect.sync(() => prism.kill())))
    }),
    { discard: true }
  )

const sandbox = (responses: "documented" | "observed") =>
  Effect.flatMap(Sandbox.url, (url) => side(responses, (file) => ["proxy", file, url])).pipe(
    Effect.provide(
      Sandbox.layerServer({ responses, rateLimit: { max: 1e9, daily: 1e9 } }).pipe(
        Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" }))
      )
    )
  )

await Effect.runPromise(
  Effect.all([sandbox("documented"), sandbox("observed"), side("mock", (file) => ["mock", "--dynamic", file])])
)
const file = "test/conformance/declared.json"
const declared: Record<string, string> = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : {}
const undeclared = [...violations].filter(([key]) => !(key in declared))
const gone = Object.keys(declared).filter((key) => !violations.has(key))
console.table(Object.fromEntries(outcomes))
for (const [key, times] of undeclared) console.log(`undeclared, ${times} times: ${key}`)
for (const key of gone) console.log(`declared, but gone: ${key}`)
process.exitCode =
  undeclared.length + gone.length + [...outcomes.keys()].filter((key) => /DEFECT/.test(key)).length ? 1 : 0
