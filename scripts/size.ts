/**
 * What a program weighs in a browser: bundled, minified, gzipped, Effect
 * included. Each has a budget; the first one is a promise.
 */
import { build } from "esbuild"
import { gzipSync } from "node:zlib"

const kilobytes = (bytes: number) => `${(bytes / 1000).toFixed(1)} kB`

const fetching = `
  import * as Effect from "effect/Effect"
  import * as Layer from "effect/Layer"
  import * as Redacted from "effect/Redacted"
  import * as FetchHttpClient from "effect/http/FetchHttpClient"`

const updating = `
  const layer = HighLevelClient.layer({ token: Redacted.make("t") }).pipe(Layer.provide(FetchHttpClient.layer))
  const update = { conversationId: "c", locationId: "l", unreadCount: 0 }`

const programs = [
  {
    title: "Effect's `HttpClient` and `Schema` alone",
    budget: 45_000,
    code: `${fetching}
      import * as Schema from "effect/Schema"
      import * as HttpClient from "effect/http/HttpClient"
      import * as HttpClientRequest from "effect/http/HttpClientRequest"
      import * as HttpClientResponse from "effect/http/HttpClientResponse"
      const read = HttpClientResponse.schemaBodyJson(Schema.Struct({ success: Schema.Boolean }))
      HttpClient.execute(HttpClientRequest.put("/").pipe(HttpClientRequest.bodyJsonUnsafe({}))).pipe(
        Effect.flatMap(read), Effect.provide(FetchHttpClient.layer), Effect.runPromise)`
  },
  {
    title: "`Conversations.update`, every policy on",
    budget: 63_000,
    code: `${fetching}
      import * as Conversations from "effect-highlevel/Conversations"
      import * as HighLevelClient from "effect-highlevel/HighLevelClient"
      ${updating}
      Effect.runPromise(Effect.provide(Conversations.update(update), layer))`
  },
  {
    // A bundler keeps all of a module that is reached through a barrel, but no other module.
    title: "the same, imported from `effect-highlevel`",
    budget: 68_500,
    code: `${fetching}
      import { Bulk, Conversations, HighLevelClient, Journal, OAuth, RateLimiter, TokenStore, UpdateQueue } from "effect-highlevel"
      ${updating}
      Effect.runPromise(Effect.provide(Conversations.update(update), layer))`
  },
  {
    title: "`Conversations.search`, and an update of each",
    budget: 67_000,
    code: `${fetching}
      import * as Stream from "effect/Stream"
      import * as Conversations from "effect-highlevel/Conversations"
      import * as HighLevelClient from "effect-highlevel/HighLevelClient"
      ${updating}
      const marked = Conversations.search({ locationId: "l", status: "unread" }).pipe(
        Stream.mapEffect(({ id }) => Conversations.update({ ...update, conversationId: id })))
      Effect.runPromise(Effect.provide(Stream.runDrain(marked), layer))`
  },
  {
    title: "with `OAuth` and `TokenStore`",
    // Without the encryption of `TokenStore`, which is 4 kB.
    budget: 78_500,
    code: `${fetching}
      import * as Conversations from "effect-highlevel/Conversations"
      import * as HighLevelClient from "effect-highlevel/HighLevelClient"
      import * as OAuth from "effect-highlevel/OAuth"
      import * as TokenStore from "effect-highlevel/TokenStore"
      ${updating}
      const tokens = OAuth.layer({ clientId: "i", clientSecret: Redacted.make("s") }).pipe(
        Layer.provide(TokenStore.layerMemory), Layer.provide(FetchHttpClient.layer))
      const connected = HighLevelClient.layer().pipe(Layer.provide(tokens), Layer.provide(FetchHttpClient.layer))
      Effect.runPromise(Effect.provide(Conversations.update(update), connected))`
  },
  {
    title: "with `Bulk` and `Journal`",
    budget: 76_000,
    code: `${fetching}
      import * as Stream from "effect/Stream"
      import * as Bulk from "effect-highlevel/Bulk"
      import * as Conversations from "effect-highlevel/Conversations"
      import * as HighLevelClient from "effect-highlevel/HighLevelClient"
      import * as Journal from "effect-highlevel/Journal"
      ${updating}
      const job = Effect.flatMap(Journal.open({ path: "j" }), (journal) =>
        Stream.runDrain(Bulk.updateAll(Stream.make(update), { journal })))
      Effect.runPromise(job.pipe(Effect.scoped, Effect.provide(layer)))`
  },
  {
    title: "with `UpdateQueue`, it and the rate limit in Redis",
    // The queue's store in Redis is Effect's own.
    budget: 81_500,
    code: `${fetching}
      import * as Stream from "effect/Stream"
      import * as Conversations from "effect-highlevel/Conversations"
      import * as HighLevelClient from "effect-highlevel/HighLevelClient"
      import * as RateLimiter from "effect-highlevel/RateLimiter"
      import * as UpdateQueue from "effect-highlevel/UpdateQueue"
      ${updating}
      const shared = Layer.merge(Layer.provide(layer, RateLimiter.layerRedis()), UpdateQueue.layerRedis())
      Effect.runPromise(Stream.runDrain(UpdateQueue.work()).pipe(Effect.provide(shared)))`
  },
  {
    title: "with `Webhooks.verify`",
    budget: 71_000,
    code: `${fetching}
      import * as Conversations from "effect-highlevel/Conversations"
      import * as HighLevelClient from "effect-highlevel/HighLevelClient"
      import * as Webhooks from "effect-highlevel/Webhooks"
      ${updating}
      const star = Webhooks.on({ InboundMessage: () => Conversations.update(update) })
      const receive = (request, bytes) =>
        Webhooks.verify(request.headers, bytes, { appId: "a" }).pipe(Effect.flatMap(star), Effect.provide(layer))
      export default { fetch: async (request) => {
        await Effect.runPromise(receive(request, new Uint8Array(await request.arrayBuffer())))
        return new Response()
      } }`
  },
  {
    // What `Webhooks.layer` stands on.
    title: "with Effect's `HttpRouter` and `PersistedCache`",
    budget: 88_000,
    code: `${fetching}
      import * as HttpRouter from "effect/http/HttpRouter"
      import * as HttpServerRequest from "effect/http/HttpServerRequest"
      import * as HttpServerResponse from "effect/http/HttpServerResponse"
      import * as Persistable from "effect/persistence/Persistable"
      import * as PersistedCache from "effect/persistence/PersistedCache"
      import * as Persistence from "effect/persistence/Persistence"
      import * as Conversations from "effect-highlevel/Conversations"
      import * as HighLevelClient from "effect-highlevel/HighLevelClient"
      ${updating}
      class Delivery extends Persistable.Class()("Delivery", { primaryKey: ({ id }) => id }) {}
      const route = Layer.unwrap(Effect.gen(function* () {
        const events = yield* PersistedCache.make(() => Conversations.update(update), { storeId: "s", timeToLive: () => 1 })
        return HttpRouter.add("POST", "/webhooks", Effect.gen(function* () {
          const { arrayBuffer } = yield* HttpServerRequest.HttpServerRequest
          yield* events.get(new Delivery({ id: String(yield* arrayBuffer) }))
          return HttpServerResponse.empty({ status: 200 })
        }))
      }))
      const { handler: fetch } = HttpRouter.toWebHandler(
        route.pipe(Layer.provide(layer), Layer.provide(Persistence.layerMemory)))
      export default { fetch }`
  },
  {
    title: "with `Webhooks.layer`, remembering in memory",
    budget: 94_000,
    code: `${fetching}
      import * as HttpRouter from "effect/http/HttpRouter"
      import * as Persistence from "effect/persistence/Persistence"
      import * as Conversations from "effect-highlevel/Conversations"
      import * as HighLevelClient from "effect-highlevel/HighLevelClient"
      import * as Webhooks from "effect-highlevel/Webhooks"
      ${updating}
      const handler = Webhooks.on({ InboundMessage: () => Conversations.update(update) })
      const route = Webhooks.layer({ path: "/webhooks", appId: "a", handler })
      const { handler: fetch } = HttpRouter.toWebHandler(
        route.pipe(Layer.provide(layer), Layer.provide(Persistence.layerMemory)))
      export default { fetch }`
  },
  {
    title: "against `Sandbox.layer`, as in a test",
    budget: 140_000,
    code: `${fetching}
      import * as Conversations from "effect-highlevel/Conversations"
      import * as HighLevelClient from "effect-highlevel/HighLevelClient"
      import { Sandbox } from "effect-highlevel/testing"
      const layer = HighLevelClient.layer({ token: Redacted.make("t") }).pipe(Layer.provide(Sandbox.layer()))
      Effect.runPromise(Effect.provide(Conversations.update({ conversationId: "c", locationId: "l" }), layer))`
  }
]

let base = 0
const heavy: Array<string> = []
console.log("| a program of | minified, gzipped | more than Effect's alone | budget |\n| --- | --- | --- | --- |")
for (const { budget, code, title } of programs) {
  const { outputFiles } = await build({
    stdin: { contents: code, resolveDir: "." },
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    // No import of Node can be bundled for it.
    platform: "browser"
  })
  const size = gzipSync(outputFiles[0]?.contents ?? "").length
  base ||= size
  console.log(
    `| ${title} | ${kilobytes(size)} | ${size === base ? "" : `+ ${kilobytes(size - base)}`} | ${kilobytes(budget)} |`
  )
  if (size > budget) heavy.push(title)
}
if (heavy.length > 0) throw new Error(`Over budget: ${heavy.join("; ")}`)
