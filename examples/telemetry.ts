/**
 * Traces and metrics of updates, exported with Effect's own OTLP exporter to a
 * collector. The collector here is a few lines on loopback that print what they
 * are sent; yours has another URL.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Otlp from "effect/observability/Otlp"
import { Conversations, HighLevelClient } from "effect-highlevel"
import { Sandbox } from "effect-highlevel/testing"
import { createServer } from "node:http"

const locationId = "tDtDnQdgm2LXpyiqYvZ6"
const conversationId = "tDtDnQdgm2LXpyiqYvZ6"

// Names of spans, events and metrics, wherever they are in an OTLP document.
const namesIn = (document: string) =>
  Array.from(
    document.matchAll(/"name":"((?:highlevel_|Conversations\.|rate_limit\.|retry|PUT)[^"]*)"/g),
    ([, name]) => name
  )

const Collector = HttpRouter.serve(
  HttpRouter.add(
    "POST",
    "*",
    Effect.gen(function* () {
      const request = yield* HttpServerRequest.HttpServerRequest
      const names = new Set(namesIn(yield* request.text))
      if (names.size > 0) yield* Console.log(`${request.url}: ${[...names].toSorted().join(", ")}`)
      return HttpServerResponse.jsonUnsafe({})
    })
  ),
  { disableListenLog: true, disableLogger: true }
)

const loopback = NodeHttpServer.layer(() => createServer(), { port: 0, host: "127.0.0.1" })

const program = Effect.gen(function* () {
  const sandbox = yield* Sandbox.Sandbox
  // One retry to see, and, with a limit of two a second, a wait for the rate limit.
  yield* sandbox.refuse({ status: 503 })
  yield* Effect.forEach([0, 1, 2], (unreadCount) => Conversations.update({ conversationId, locationId, unreadCount }))
})

const Client = HighLevelClient.layer({
  token: Redacted.make(Sandbox.defaultToken),
  retry: { baseDelay: "10 millis" }
}).pipe(Layer.provideMerge(Sandbox.layer({ rateLimit: { max: 2, intervalMillis: 200 } })))

const Telemetry = Layer.unwrap(
  Effect.map(HttpServer.addressFormattedWith(Effect.succeed), (baseUrl) =>
    Otlp.layerJson({
      baseUrl,
      resource: { serviceName: "inbox-hygiene" },
      tracerExportInterval: "50 millis",
      metricsExportInterval: "50 millis"
    })
  )
).pipe(Layer.provide(FetchHttpClient.layer))

program.pipe(
  Effect.provide(Client),
  Effect.provide(Telemetry.pipe(Layer.provideMerge(Collector), Layer.provide(loopback))),
  NodeRuntime.runMain
)
