/**
 * One process of callers. Arguments: base URL, first and number of conversations,
 * `bursty` or `smooth`, calls a second when smooth, port of Redis or 0.
 */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeRedis from "@effect/platform-node/NodeRedis"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientError from "effect/http/HttpClientError"
import { Conversations, HighLevelClient, RateLimiter } from "../src/index.ts"

const [baseUrl = "", first = "0", count = "0", callers = "bursty", rate = "100", redisPort = "0"] =
  process.argv.slice(2)

const rateLimiter =
  redisPort === "0"
    ? RateLimiter.layerMemory
    : RateLimiter.layerRedis({ prefix: `bench:${new URL(baseUrl).port}:` }).pipe(
        Layer.provide(NodeRedis.layer({ socket: { host: "127.0.0.1", port: Number(redisPort) } }))
      )

const latencies: Array<number> = []
const timed = HttpClient.transform<HttpClientError.HttpClientError, never, HttpClientError.HttpClientError, never>(
  (effect) =>
    Effect.suspend(() => {
      const start = performance.now()
      return Effect.ensuring(
        effect,
        Effect.sync(() => latencies.push(performance.now() - start))
      )
    })
)

const update = (index: number) =>
  Conversations.update({ conversationId: `c-${Number(first) + index}`, locationId: "location", starred: true }).pipe(
    Effect.as("applied"),
    Effect.catch((error) => Effect.succeed(error._tag)),
    Effect.map((outcome) => console.log(outcome)),
    callers === "smooth" ? Effect.delay((index * 1000) / Number(rate)) : (effect) => effect
  )

await Effect.runPromise(
  Effect.forEach(Array.from({ length: Number(count) }), (_, index) => update(index), {
    concurrency: "unbounded",
    discard: true
  }).pipe(
    Effect.provide(
      HighLevelClient.layer({
        token: Redacted.make("sandbox-token"),
        app: "bench",
        baseUrl,
        transformClient: timed
      }).pipe(Layer.provide(rateLimiter), Layer.provide(NodeHttpClient.layerUndici))
    )
  )
)

console.log(`latency ${latencies.reduce((sum, latency) => sum + latency, 0) / latencies.length}`)
