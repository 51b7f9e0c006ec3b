import * as NodeRedis from "@effect/platform-node/NodeRedis"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import * as Redis from "effect/persistence/Redis"
import { Sandbox } from "effect-highlevel/testing"
import { once } from "node:events"
import { start } from "./process.ts"
import { freePort, isMissing, startRedis } from "./redis.ts"

// `npm run test:kill` kills more often.
const kills = Number(process.env["KILLS"] ?? 2)
const batch = 40
const count = batch * kills

describe.skipIf(isMissing)("a receiver of webhooks that remembers in Redis", () => {
  let redis: Awaited<ReturnType<typeof startRedis>>
  beforeAll(async () => {
    redis = await startRedis()
  })
  afterAll(() => redis.end())
  const layer = Layer.unwrap(Effect.sync(() => NodeRedis.layer({ socket: { host: "127.0.0.1", port: redis.port } })))

  it.live(
    `handles each of ${count} events, and none twice to the end, although it is killed ${kills} times`,
    () =>
      Effect.gen(function* () {
        const sandbox = yield* Sandbox.Sandbox
        const { send } = yield* Redis.Redis
        const port = yield* Effect.promise(freePort)
        const key = yield* sandbox.webhookKey
        const deliver = (index: number) =>
          sandbox.deliver(
            `http://127.0.0.1:${port}/webhooks`,
            { type: "InboundMessage", webhookId: `event ${index}` },
            // What comes between listening and routing gets no response.
            { delay: "20 millis", timeout: "1 second" }
          )
        const counts = Effect.fnUntraced(function* (name: string) {
          const values = yield* send<ReadonlyArray<string>>("HVALS", name)
          return values.map(Number)
        })
        const receiver = Effect.acquireRelease(
          Effect.promise(async () => {
            const child = start("test/fixtures/webhook-receiver.ts", [String(port), String(redis.port), key])
            const closed = once(child, "close")
            child.stderr.pipe(process.stderr)
            await once(child.stdout, "data")
            return { child, closed }
          }),
          ({ child, closed }) =>
            Effect.promise(() => {
              child.kill("SIGKILL")
              return closed
            })
        )

        const fibers: Array<Fiber.Fiber<Sandbox.Delivered, unknown>> = []
        for (let kill = 0; kill < kills; kill++) {
          yield* Effect.scoped(
            Effect.gen(function* () {
              yield* receiver
              for (let index = kill * batch; index < (kill + 1) * batch; index++) {
                fibers.push(yield* Effect.forkChild(deliver(index)))
              }
              const before = (yield* counts("calls")).length
              while ((yield* counts("calls")).length <= before) yield* Effect.sleep("1 millis")
              yield* Effect.sleep(Math.random() * 30)
            })
          )
        }
        yield* receiver
        for (const fiber of fibers) assert.strictEqual((yield* Fiber.join(fiber)).status, 200)
        const calls = yield* counts("calls")
        assert.lengthOf(calls, count)
        const effects = yield* counts("effects")
        assert.deepStrictEqual([effects.length, new Set(effects)], [count, new Set([1])])
        const again = calls.filter((times) => times > 1).length
        console.log(
          `${kills} kills: ${count} events, ${again} of them handled again, ${Math.max(...calls)} times at most`
        )
        // A kill that hits no handler would show nothing.
        assert.isAbove(again, 0)

        // What was handled before a kill is remembered after it.
        yield* Effect.forEach(fibers, (_, index) => deliver(index), { concurrency: 16 })
        assert.deepStrictEqual(yield* counts("calls"), calls)
      }).pipe(
        Effect.scoped,
        Effect.provide([Sandbox.layer(), layer]),
        Effect.provideService(References.MinimumLogLevel, "None")
      ),
    30_000 + kills * 5000
  )
})
