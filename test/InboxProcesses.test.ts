/** Inboxes that are read by processes of their own: killed, and measured. */
import { assert, describe, it } from "@effect/vitest"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import { Sandbox } from "effect-highlevel/testing"
import { once } from "node:events"
import { locationId, newest, seedsOf } from "./inbox.ts"
import { layerSandbox } from "./oauth.ts"
import * as Process from "./process.ts"

// `npm run test:kill` kills more often, `npm run test:long` reads a larger inbox.
const kills = Number(process.env["KILLS"] ?? 1)
const scale = Number(process.env["SCALE"] ?? 1)

const layerOf = (conversations: ReadonlyArray<Sandbox.Seed>, indexLag: Duration.Input) =>
  layerSandbox({
    conversations,
    searchLimit: 500,
    indexLag,
    rateLimit: { max: 1000, intervalMillis: 1000, daily: 100_000_000 }
  })

const worker = "test/fixtures/inbox-worker.ts"

const argsOf = (recheck: boolean, outcomes = 0) =>
  Effect.map(Sandbox.url, (url) => [url, locationId, String(newest), String(recheck), String(outcomes)])

const isUnread = Effect.fnUntraced(function* (id: string) {
  const sandbox = yield* Sandbox.Sandbox
  return (Option.getOrThrow(yield* sandbox.conversation(id)).unreadCount ?? 0) > 0
})

const limited = Effect.gen(function* () {
  const sandbox = yield* Sandbox.Sandbox
  return (yield* sandbox.requests).flatMap(({ path, status }) => (status === 429 ? [path] : []))
})

describe("an inbox that is read by a process that is killed", () => {
  const conversations = Math.min(100_000, 2000 * (kills + 1))
  const seeds = seedsOf(conversations)
  const unread = seeds.filter(({ unreadCount }) => unreadCount !== 0).map(({ id }) => id)

  it.live.each([
    ["without recheck", false],
    ["with recheck, while messages arrive", true]
  ] as const)(
    `${kills} times is read in the end: %s`,
    ([name, recheck]) =>
      Effect.gen(function* () {
        const sandbox = yield* Sandbox.Sandbox
        const received = new Set<string>()
        const arriving = Effect.forEach(
          Array.from({ length: 300 }, (_, index) => seeds[(index * 7919) % conversations]?.id ?? ""),
          (conversationId) =>
            Effect.gen(function* () {
              yield* Effect.sleep(recheck ? 20 + kills * 3 : "1 hour")
              received.add(conversationId)
              yield* sandbox.receive({ conversationId })
            })
        )
        const fiber = yield* Effect.forkChild(arriving)
        const args = yield* argsOf(recheck)
        for (let kill = 0; kill < kills; kill++) {
          const before = (yield* sandbox.applied).length
          const child = Process.start(worker, args)
          child.stdout.resume()
          const closed = once(child, "close")
          while ((yield* sandbox.applied).length < before + 100 && child.exitCode === null)
            yield* Effect.sleep("2 millis")
          yield* Effect.sleep(Math.random() * 300)
          child.kill("SIGKILL")
          yield* Effect.promise(() => closed)
        }
        const last = yield* Effect.promise(() => Process.run(worker, args))
        assert.strictEqual(last.code, 0, last.stderr)
        yield* Fiber.interrupt(fiber)

        let missed = 0
        for (const id of unread) if (!received.has(id) && (yield* isUnread(id))) missed++
        let hidden = 0
        for (const id of received) if (!(yield* isUnread(id))) hidden++
        const applied = yield* sandbox.applied
        const updated = new Set(applied.map(({ conversationId }) => conversationId))
        console.log(`${kills} kills, ${name}`, {
          unread: unread.length,
          messages: received.size,
          missed,
          hidden,
          repeated: applied.length - updated.size,
          requests: (yield* sandbox.requests).length
        })
        assert.deepStrictEqual({ missed, hidden }, { missed: 0, hidden: 0 })
        // The first request of a process may come where the one before has used up the rate limit.
        const refused = yield* limited
        console.log(`${refused.length} first requests with a 429`)
        assert.isAtMost(refused.length, kills)
        for (const path of refused) assert.include(path, "/search")
      }).pipe(Effect.provide(layerOf(seeds, "500 millis"))),
    60_000 + kills * 10_000
  )
})

describe("an inbox that is read by a process", () => {
  const seeds = seedsOf(Math.min(100_000, 4000 * scale))
  const unread = seeds.filter(({ unreadCount }) => unreadCount !== 0).length

  it.live(
    `uses the rate limit and no more memory for ${unread} conversations`,
    () =>
      Effect.gen(function* () {
        const sandbox = yield* Sandbox.Sandbox
        const args = yield* argsOf(false, unread)
        const { code, stderr, stdout } = yield* Effect.promise(() => Process.run(worker, args))
        assert.strictEqual(code, 0, stderr)
        const [early = NaN, late = NaN] = Array.from(stdout.matchAll(/^heap (\d+)$/gm), ([, bytes]) => Number(bytes))
        const requests = yield* sandbox.requests
        const seconds = Math.floor((requests.length - 1) / 1000)
        const at = (index: number) => requests[index]?.receivedAt ?? NaN
        console.log({
          unread,
          requests: requests.length,
          quota: (seconds * 1000) / (at(seconds * 1000) - at(0)),
          "MB of heap at 10 % and 90 %": [early / 2 ** 20, late / 2 ** 20]
        })
        assert.lengthOf(yield* limited, 0)
        assert.isBelow(late - early, 2 * 2 ** 20)
      }).pipe(Effect.provide(layerOf(seeds, "5 seconds"))),
    60_000 + scale * 1000
  )
})
