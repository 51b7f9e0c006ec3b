/** The functions of src that one warm update calls, by V8's own count: `npm run walk`. */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import { Conversations, HighLevelClient } from "effect-highlevel"
import { Session } from "node:inspector/promises"
import { pathToFileURL } from "node:url"
import * as Documented from "../bench/documented.ts"

const id = "tDtDnQdgm2LXpyiqYvZ6"
const body = Documented.body()
const headers = Documented.headers(body, 1_000_000)
const httpClient = HttpClient.make((request) =>
  Effect.succeed(HttpClientResponse.fromWeb(request, new Response(body, { headers })))
)

const client = await Effect.runPromise(
  HighLevelClient.make({ token: Redacted.make("token") }).pipe(Effect.provideService(HttpClient.HttpClient, httpClient))
)
const update = () =>
  Effect.runPromise(
    Conversations.update({ conversationId: id, locationId: id, unreadCount: 0 }).pipe(
      Effect.provideService(HighLevelClient.HighLevelClient, client)
    )
  )
for (let count = 0; count < 10; count++) await update()

const session = new Session()
session.connect()
await session.post("Profiler.enable")
await session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: false })
await session.post("Profiler.takePreciseCoverage")
await update()
const { result } = await session.post("Profiler.takePreciseCoverage")
const source = pathToFileURL("src/").href
const called = result
  .filter(({ url }) => url.startsWith(source))
  .flatMap(({ functions, url }) =>
    functions
      .filter(({ ranges }) => (ranges[0]?.count ?? 0) > 0)
      .map(({ functionName, ranges }) => ({
        module: url.slice(source.length),
        function: functionName || `(at ${ranges[0]?.startOffset})`,
        calls: ranges[0]?.count ?? 0
      }))
  )
console.table(called)
console.log(`${called.length} functions in ${new Set(called.map(({ module }) => module)).size} modules`)
