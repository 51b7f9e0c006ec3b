/**
 * `npm run bench:jobs`: what a job makes of the quota.
 *
 * A job of 600 updates against 100 requests a second, while a tenth of its requests go
 * wrong; and ten locations, one of which refuses everything, with an input that is
 * grouped by location and one that alternates. Writes results/jobs.json.
 */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { createServer } from "node:http"
import { mkdirSync, writeFileSync } from "node:fs"
import { Bulk, HighLevelClient } from "../src/index.ts"
import { Sandbox } from "../src/testing/index.ts"

const max = 100

interface Update {
  readonly conversationId: string
  readonly locationId: string
  readonly unreadCount: number
}

const sandboxOf = (updates: ReadonlyArray<Update>) =>
  Sandbox.layerServer({
    conversations: updates.map(({ conversationId, locationId }) => ({ id: conversationId, locationId })),
    rateLimit: { max, intervalMillis: 1000, daily: 1_000_000 }
  }).pipe(Layer.provideMerge(NodeHttpServer.layer(() => createServer(), { port: 0, host: "127.0.0.1" })))

const clientOf = Layer.unwrap(
  Effect.map(Sandbox.url, (baseUrl) =>
    HighLevelClient.layer({ token: Redacted.make(Sandbox.defaultToken), baseUrl, retry: { maxAttempts: 10 } })
  )
).pipe(Layer.provide(NodeHttpClient.layerUndici))

const updatesOf = (locations: number, each: number, isGrouped: boolean) =>
  Array.from({ length: locations * each }, (_, index): Update => {
    const location = isGrouped ? Math.floor(index / each) : index % locations
    return { conversationId: `c-${index}`, locationId: `l-${location}`, unreadCount: 0 }
  })

const faults = Effect.gen(function* () {
  const updates = updatesOf(1, 600, true)
  return yield* Effect.gen(function* () {
    const sandbox = yield* Sandbox.Sandbox
    yield* sandbox.fault({ kind: "disconnect", every: 40, times: Infinity })
    yield* sandbox.fault({ kind: "reset-body", every: 40, times: Infinity })
    yield* sandbox.refuse({ status: 502, every: 40, times: Infinity })
    yield* sandbox.refuse({ status: 503, every: 40, times: Infinity })
    const outcomes = yield* Stream.runCollect(Bulk.updateAll(Stream.fromIterable(updates)))
    const requests = yield* sandbox.requests
    const first = new Map<string, number>()
    for (const { path, receivedAt } of requests) if (!first.has(path)) first.set(path, receivedAt)
    const start = Math.min(...requests.map(({ receivedAt }) => receivedAt))
    const lastTried = Math.max(...first.values()) - start
    const end = Math.max(...requests.map(({ receivedAt }) => receivedAt)) - start
    const until = (millis: number) => requests.filter(({ receivedAt }) => receivedAt - start <= millis).length
    // The first window is whole at once.
    const share = (millis: number) => `${((100 * until(millis)) / (max * (millis / 1000 + 1))).toFixed(1)} %`
    return {
      job: "600 updates, a tenth of the requests go wrong",
      applied: outcomes.filter(({ _tag }) => _tag === "Applied").length,
      requests: requests.length,
      "429s": requests.filter(({ status }) => status === 429).length,
      seconds: end / 1000,
      "of the quota until the last update was tried": share(lastTried),
      "of the quota in all": share(end)
    }
  }).pipe(Effect.provide(clientOf.pipe(Layer.provideMerge(sandboxOf(updates)))))
})

const locations = (isGrouped: boolean) =>
  Effect.gen(function* () {
    const updates = updatesOf(10, 200, isGrouped)
    return yield* Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      for (const { conversationId, locationId } of updates) {
        if (locationId === "l-0") yield* sandbox.refuse({ status: 429, conversationId, times: Infinity })
      }
      const startedAt = performance.now()
      yield* Bulk.updateAll(Stream.fromIterable(updates)).pipe(
        Stream.filter(({ update }) => update.locationId !== "l-0"),
        Stream.take(1800),
        Stream.runDrain
      )
      return {
        job: `9 of 10 locations x 200, ${isGrouped ? "grouped" : "alternating"}, the first refuses all`,
        seconds: Number(((performance.now() - startedAt) / 1000).toFixed(2))
      }
    }).pipe(Effect.provide(clientOf.pipe(Layer.provideMerge(sandboxOf(updates)))))
  })

const results: Array<object> = []
for (const run of [faults, locations(true), locations(false)]) {
  const result = await Effect.runPromise(run)
  console.table(result)
  results.push(result)
}
mkdirSync("bench/results", { recursive: true })
writeFileSync("bench/results/jobs.json", `${JSON.stringify(results, undefined, 2)}\n`)
