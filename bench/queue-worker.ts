/** One worker of a queue in Redis. Arguments: base URL, port of Redis. */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeRedis from "@effect/platform-node/NodeRedis"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { HighLevelClient, RateLimiter, UpdateQueue } from "../src/index.ts"

const [baseUrl = "", port = "0"] = process.argv.slice(2)

const shared = Layer.merge(
  HighLevelClient.layer({ token: Redacted.make("sandbox-token"), app: "bench", baseUrl }).pipe(
    Layer.provide(RateLimiter.layerRedis({ prefix: `bench:${new URL(baseUrl).port}:` })),
    Layer.provide(NodeHttpClient.layerUndici)
  ),
  UpdateQueue.layerRedis()
).pipe(Layer.provide(NodeRedis.layer({ socket: { host: "127.0.0.1", port: Number(port) } })))

await Effect.runPromise(
  UpdateQueue.work({ name: baseUrl, idle: "3 seconds" }).pipe(
    Stream.runForEach((outcome) =>
      Effect.sync(
        () => outcome._tag !== "Returned" && console.log(outcome._tag === "Applied" ? "applied" : outcome._tag)
      )
    ),
    Effect.provide(shared)
  )
)
