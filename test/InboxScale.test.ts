/** An inbox of many conversations, with messages that arrive while it is read. `npm run test:long` has it whole. */
import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as HttpClient from "effect/http/HttpClient"
import * as TestClock from "effect/testing/TestClock"
import { Conversations, HighLevelClient, Inbox } from "effect-highlevel"
import { Sandbox } from "effect-highlevel/testing"
import { locationId, newest, seedsOf } from "./inbox.ts"
import { settle } from "./harness.ts"

const scale = Number(process.env["SCALE"] ?? 1)
const conversations = Math.min(100_000, 4000 * scale)
const messages = Math.min(300, 40 * scale)
const perSecond = Math.min(1000, 100 * scale)

const seeds = seedsOf(conversations)
const unread = seeds.filter(({ unreadCount }) => unreadCount !== 0)

/** A server a few milliseconds away, whose search is five seconds late. */
const layer = HighLevelClient.layer({
  token: Redacted.make(Sandbox.defaultToken),
  transformClient: HttpClient.tapRequest(() => Effect.sleep("5 millis"))
}).pipe(
  Layer.provideMerge(
    Sandbox.layer({
      conversations: seeds,
      searchLimit: 500,
      indexLag: "5 seconds",
      rateLimit: { max: perSecond, intervalMillis: 1000, daily: 1_000_000, window: "sliding" }
    })
  )
)

/** Runs a job while messages arrive at conversations of every kind, and tells what it did. */
const observed = Effect.fnUntraced(function* <E, R>(job: Effect.Effect<unknown, E, R>, requestsPerUpdate: number) {
  const sandbox = yield* Sandbox.Sandbox
  yield* TestClock.setTime(newest + 60_000)
  // How many updates had been applied when the message came.
  const received = new Map<string, number>()
  const every = (unread.length * requestsPerUpdate * 1000) / perSecond / messages
  const arriving = Effect.forEach(
    Array.from({ length: messages }, (_, index) => seeds[(index * 7919) % conversations]?.id ?? ""),
    (conversationId) =>
      Effect.gen(function* () {
        yield* Effect.sleep(every)
        received.set(conversationId, (yield* sandbox.applied).length)
        yield* sandbox.receive({ conversationId })
      })
  )
  const fiber = yield* Effect.forkChild(Effect.all([job, arriving], { concurrency: "unbounded" }))
  while (fiber.pollUnsafe() === undefined) {
    yield* settle
    yield* TestClock.adjust("5 millis")
  }
  yield* Fiber.join(fiber)

  const isUnread = Effect.fnUntraced(function* (id: string) {
    return (Option.getOrThrow(yield* sandbox.conversation(id)).unreadCount ?? 0) > 0
  })
  const touched = new Set<string>()
  const applied = yield* sandbox.applied
  for (const [index, { conversationId, unreadCount }] of applied.entries()) {
    if (unreadCount === 0 && index >= (received.get(conversationId) ?? Infinity)) touched.add(conversationId)
  }
  let missed = 0
  for (const { id } of unread) if (!received.has(id) && (yield* isUnread(id))) missed++
  let hidden = 0
  for (const id of received.keys()) if (!(yield* isUnread(id))) hidden++
  const requests = yield* sandbox.requests
  // The last second that was used whole: at best, its first request comes as many seconds after the first of all.
  const seconds = Math.floor((requests.length - 1) / perSecond)
  const [first, last] = [requests[0]?.receivedAt ?? NaN, requests[seconds * perSecond]?.receivedAt ?? NaN]
  return {
    unread: unread.length,
    missed,
    messages: received.size,
    "marked as read after a message": touched.size,
    "and left so": hidden,
    updates: applied.length,
    searches: requests.filter(({ path }) => path.includes("/search")).length,
    requests: requests.length,
    quota: (seconds * 1000) / (last - first),
    "429s": requests.filter(({ status }) => status === 429).length
  }
})

/** What everybody writes first. */
const plainLoop = Effect.gen(function* () {
  let after: number | undefined
  while (true) {
    const page = yield* Conversations.searchPage({
      locationId,
      status: "unread",
      sort: "asc",
      sortBy: "last_message_date",
      limit: 100,
      ...(after === undefined ? {} : { startAfterDate: after })
    })
    const last = page.conversations.at(-1)?.lastMessageDate
    if (last == null) return
    yield* Effect.forEach(
      page.conversations,
      ({ id = null }) => Conversations.update({ conversationId: id ?? "", locationId, unreadCount: 0 }),
      { concurrency: 16 }
    )
    after = DateTime.toEpochMillis(last)
  }
})

const timeout = 20_000 + 2000 * scale

describe(`${unread.length} unread conversations of ${conversations}`, () => {
  it.effect.each([
    ["without recheck", false],
    ["with recheck", true]
  ] as const)(
    "are all read, and no message is hidden: %s",
    ([name, recheck]) =>
      Effect.gen(function* () {
        const tally = new Map<string, number>()
        const job = Stream.runForEach(Inbox.markRead({ locationId, recheck }), (outcome) =>
          Effect.sync(() => {
            const key = outcome._tag === "Newer" && outcome.restored ? "restored" : outcome._tag
            tally.set(key, (tally.get(key) ?? 0) + 1)
          })
        )
        const result = yield* observed(job, recheck ? 2 : 1)
        console.log(name, { ...result, ...Object.fromEntries(tally) })
        assert.deepInclude(result, { missed: 0, "and left so": 0, "429s": 0 })
        assert.strictEqual(tally.get("Failed"), undefined)
        assert.strictEqual(tally.get("restored") ?? 0, result["marked as read after a message"])
        if (recheck) assert.strictEqual(result["marked as read after a message"], 0)
        else assert.isAtMost(result.requests, 1.02 * (unread.length + result.searches))
        assert.isAtLeast(result.quota, 0.98)
      }).pipe(Effect.provide(layer)),
    timeout
  )

  it.effect(
    "are lost by a plain loop at ties, and messages are hidden",
    () =>
      Effect.gen(function* () {
        const result = yield* observed(plainLoop, 1)
        console.log("a plain loop", result)
        assert.isAbove(result.missed, 0)
        assert.isAbove(result["and left so"], 0)
      }).pipe(Effect.provide(layer)),
    timeout
  )
})
