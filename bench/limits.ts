/**
 * `npm run bench:limits`: what the rate limit costs.
 *
 * A hundred thousand updates that wait for one location in one process: how long until
 * all of them wait, and their memory. And updates under the limit in Redis: round trips,
 * commands and CPU of Redis for each. Writes results/limits.json.
 */
import * as NodeRedis from "@effect/platform-node/NodeRedis"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Redis from "effect/persistence/Redis"
import { mkdirSync, writeFileSync } from "node:fs"
import * as Conversations from "../src/client/Conversations.ts"
import * as HighLevelClient from "../src/client/HighLevelClient.ts"
import * as RateLimiter from "../src/rateLimit/RateLimiter.ts"
import { isMissing, startRedis } from "../test/redis.ts"

const update = (index: number, locationId: string) =>
  Conversations.update({ conversationId: `c-${index}`, locationId, unreadCount: 0, starred: true })

const clientOver = (respond: Parameters<typeof HttpClient.make>[0]) =>
  HighLevelClient.layer({ token: Redacted.make("token"), app: "app", attemptTimeout: "10 minutes" }).pipe(
    Layer.provide(Layer.succeed(HttpClient.HttpClient, HttpClient.make(respond)))
  )

const collectGarbage = () => {
  if (globalThis.gc === undefined) throw new Error("Run with --expose-gc")
  globalThis.gc()
}

const waiting = Effect.fnUntraced(function* (count: number) {
  collectGarbage()
  const before = process.memoryUsage().heapUsed
  const startedAt = performance.now()
  const state = { begun: 0 }
  const all = Effect.forEach(
    Array.from({ length: count }, (_, index) => index),
    (index) =>
      Effect.suspend(() => {
        state.begun++
        return update(index, "location")
      }),
    { concurrency: "unbounded", discard: true }
  )
  // Its location is cold: one request is in flight, and is never answered.
  yield* Effect.forkScoped(
    Effect.provide(
      all,
      clientOver(() => Effect.never)
    )
  )
  yield* Effect.sleep(1).pipe(Effect.repeat({ until: () => state.begun === count }))
  const seconds = (performance.now() - startedAt) / 1000
  yield* Effect.sleep(200)
  collectGarbage()
  const megabytes = (process.memoryUsage().heapUsed - before) / 1e6
  return {
    waiting: count,
    secondsUntilAllWait: Number(seconds.toFixed(2)),
    heapMegabytes: Number(megabytes.toFixed(0))
  }
}, Effect.scoped)

const answer = JSON.stringify({ success: true, conversation: { id: "c", locationId: "location" } })
const headers = {
  "content-type": "application/json",
  "x-ratelimit-max": "1000000",
  "x-ratelimit-remaining": "999999",
  "x-ratelimit-interval-milliseconds": "10000"
}

const field = (info: string, name: string) => {
  const found = new RegExp(`^${name}:(.*)$`, "m").exec(info)?.[1]
  return Number(found)
}

const calls = (info: string) =>
  Object.fromEntries(
    [...info.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)].map(([, name = "", count]) => [name, Number(count)])
  )

const shared = Effect.fnUntraced(function* (count: number, locations: number) {
  const redis = yield* Redis.Redis
  const info = redis.send<string>("INFO", "everything")
  const run = (from: number, length: number) =>
    Effect.forEach(
      Array.from({ length }, (_, index) => from + index),
      (index) => update(index, `location-${index % locations}`),
      { concurrency: 32, discard: true }
    )
  yield* run(0, 1000)
  yield* redis.send("CONFIG", "RESETSTAT")
  const before = yield* info
  const startedAt = performance.now()
  yield* run(1000, count)
  const seconds = (performance.now() - startedAt) / 1000
  const after = yield* info
  const scripts = Object.entries(calls(after)).filter(([name]) => name.startsWith("eval"))
  const roundTrips = scripts.reduce((sum, [, calls]) => sum + calls, 0)
  const own = new Set(["info", "config|resetstat", ...scripts.map(([name]) => name)])
  const inner = Object.entries(calls(after)).reduce((sum, [name, calls]) => (own.has(name) ? sum : sum + calls), 0)
  const cpu =
    field(after, "used_cpu_user") +
    field(after, "used_cpu_sys") -
    field(before, "used_cpu_user") -
    field(before, "used_cpu_sys")
  return {
    updates: count,
    locations,
    perSecond: Math.round(count / seconds),
    roundTripsPerUpdate: Number((roundTrips / count).toFixed(2)),
    commandsPerUpdate: Number((inner / count).toFixed(1)),
    redisCpuMicroseconds: Number(((cpu * 1e6) / count).toFixed(1))
  }
})

const results: Array<object> = [await Effect.runPromise(waiting(100_000))]
if (!isMissing) {
  const redis = await startRedis()
  const layer = clientOver((request) =>
    Effect.succeed(HttpClientResponse.fromWeb(request, new Response(answer, { headers })))
  ).pipe(
    Layer.provide(RateLimiter.layerRedis()),
    Layer.provideMerge(NodeRedis.layer({ socket: { host: "127.0.0.1", port: redis.port } }))
  )
  results.push(await Effect.runPromise(shared(20_000, 100).pipe(Effect.provide(layer))))
  await redis.end()
}
for (const result of results) console.table(result)
mkdirSync("bench/results", { recursive: true })
writeFileSync("bench/results/limits.json", `${JSON.stringify(results, undefined, 2)}\n`)
process.exit(0)
