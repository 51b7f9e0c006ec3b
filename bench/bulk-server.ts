/** The sandbox for the bench of jobs: many conversations, limits out of the way, and no memory of what was asked. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Sandbox from "../src/testing/Sandbox.ts"
import { createServer } from "node:http"

const conversations = Array.from({ length: 10_000 }, (_, index) => ({
  id: `c${index}`,
  locationId: `l${index % 10}`,
  unreadCount: 1
}))

const program = Effect.gen(function* () {
  const sandbox = yield* Sandbox.Sandbox
  console.log(yield* Sandbox.url)
  // It keeps every request; a million of them would be its memory and not the job's.
  yield* Effect.forever(Effect.andThen(Effect.sleep("5 seconds"), sandbox.reset))
})

await Effect.runPromise(
  program.pipe(
    Effect.provide(
      Sandbox.layerServer({ conversations, rateLimit: { max: 1_000_000, intervalMillis: 1000, daily: 1e9 } }).pipe(
        Layer.provideMerge(NodeHttpServer.layer(() => createServer(), { port: 0, host: "127.0.0.1" }))
      )
    )
  )
)
