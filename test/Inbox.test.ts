import { assert, describe, expectTypeOf, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as TestClock from "effect/testing/TestClock"
import { type Conversations, HighLevelClient, HighLevelError, Inbox } from "effect-highlevel"
import { Sandbox } from "effect-highlevel/testing"
import { ids, running, steppingClock } from "./harness.ts"

const { locationId } = ids

const start = 2_000_000_000_000
const at = (millis: number) => DateTime.makeUnsafe(start + millis)

/** Unread conversations, the last of them with a message of the start of the job. */
const seeds = (count: number, changesOf: (index: number) => Partial<Sandbox.Seed> = () => ({})) =>
  Array.from({ length: count }, (_, index): Sandbox.Seed => ({
    id: `c${index}`,
    locationId,
    unreadCount: 3,
    starred: false,
    lastMessageDate: at((index - count + 1) * 60_000),
    ...changesOf(index)
  }))

type Hook = (
  sandbox: Sandbox.Sandbox["Service"],
  request: HttpClientRequest.HttpClientRequest
) => Effect.Effect<unknown>

/** The sandbox in memory, a client that tries once, and something that happens right before a request. */
const layerWith = (
  { before = () => Effect.void, ...options }: Sandbox.Options & { readonly before?: Hook },
  client?: HighLevelClient.Options
) =>
  Layer.unwrap(
    Effect.map(Sandbox.Sandbox, (sandbox) =>
      HighLevelClient.layer({
        token: Redacted.make(Sandbox.defaultToken),
        retry: false,
        ...client,
        transformClient: HttpClient.tapRequest((request) => before(sandbox, request))
      })
    )
  ).pipe(Layer.provideMerge(Sandbox.layer(options)))

const isUpdateOf = ({ method, url }: HttpClientRequest.HttpClientRequest, id: string) =>
  method === "PUT" && url.endsWith(`/${id}`)

const markRead = (options?: Partial<Inbox.Options>) => Inbox.markRead({ locationId, ...options })

const tagged = (outcomes: ReadonlyArray<Inbox.Outcome>) =>
  outcomes.map(({ _tag, row }) => `${row.id} ${_tag}`).toSorted()

const marked = (options?: Partial<Inbox.Options>) => Effect.map(running(Stream.runCollect(markRead(options))), tagged)

/** The outcomes, and what the job failed with. */
const ended = Effect.fnUntraced(function* (options?: Partial<Inbox.Options>) {
  const outcomes: Array<Inbox.Outcome> = []
  const run = Stream.runForEach(markRead(options), (outcome) => Effect.sync(() => outcomes.push(outcome)))
  const error = yield* Effect.flip(running(run))
  return { outcomes, error }
})

/** Something that happens at the first outcome, while the others are to come. */
const onFirst = <A, E, R>(stream: Stream.Stream<A, E, R>, happen: (first: A) => Effect.Effect<unknown>) => {
  let isFirst = true
  return Stream.tap(stream, (first) => {
    if (!isFirst) return Effect.void
    isFirst = false
    return happen(first)
  })
}

const stored = Effect.fnUntraced(function* (id: string) {
  const sandbox = yield* Sandbox.Sandbox
  return Option.getOrThrow(yield* sandbox.conversation(id))
})

const unread = Effect.fnUntraced(function* (count: number) {
  const counts: Array<number | null | undefined> = []
  for (let index = 0; index < count; index++) counts.push((yield* stored(`c${index}`)).unreadCount)
  return counts
})

/** The requests that the sandbox got, by method and last part of the path. */
const requested = Effect.gen(function* () {
  const sandbox = yield* Sandbox.Sandbox
  return (yield* sandbox.requests).map(({ method, path }) => `${method} ${path.split(/[/?]/)[2]}`)
})

describe("an inbox", () => {
  it("fails with what a search fails with", () => {
    expectTypeOf<Stream.Error<ReturnType<typeof markRead>>>().toEqualTypeOf<
      HighLevelError.HighLevelError | HighLevelError.InvalidOptions | Conversations.SearchIncomplete
    >()
  })

  it.effect.each(["documented", "observed"] as const)("is read, and nothing but what was unread: %s", (responses) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* marked(), ["c0 Applied", "c1 Applied", "c2 Applied"])
      const sandbox = yield* Sandbox.Sandbox
      const applied = yield* sandbox.applied
      assert.deepStrictEqual(
        applied.toSorted((one, other) => one.conversationId.localeCompare(other.conversationId)),
        ["c0", "c1", "c2"].map((conversationId) => ({ conversationId, locationId, unreadCount: 0 }))
      )
      assert.strictEqual((yield* stored("elsewhere")).unreadCount, 3)
      // The newest message, a page, and the updates.
      assert.lengthOf(yield* requested, 5)
    }).pipe(
      Effect.provide(
        layerWith({
          responses,
          conversations: [
            ...seeds(3),
            { id: "read", locationId, unreadCount: 0, lastMessageDate: at(0) },
            { id: "elsewhere", locationId: "elsewhere", unreadCount: 3, lastMessageDate: at(-1) }
          ]
        })
      )
    )
  )

  it.effect("that is empty has no outcomes", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* marked(), [])
    }).pipe(Effect.provide(layerWith({ conversations: [] })))
  )

  it.effect("is read up to a given time", () =>
    Effect.gen(function* () {
      const outcomes = yield* running(Stream.runCollect(markRead({ before: at(-60_000) })))
      assert.deepStrictEqual(tagged(outcomes), ["c0 Applied", "c1 Applied", "c2 Newer"])
      assert.deepInclude(outcomes.find(({ _tag }) => _tag === "Newer") ?? assert.fail(), { restored: false })
      assert.deepStrictEqual(yield* unread(3), [0, 0, 3])
    }).pipe(Effect.provide(layerWith({ conversations: seeds(3) })))
  )

  it.effect("is read as far as it matches the filters", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* marked({ assignedTo: "ann", lastMessageType: "TYPE_SMS" }), ["c1 Applied"])
      assert.deepStrictEqual(yield* unread(2), [3, 0])
    }).pipe(
      Effect.provide(
        layerWith({
          conversations: seeds(3, (index) => ({
            assignedTo: index === 0 ? "bob" : "ann",
            lastMessageType: index === 1 ? "TYPE_SMS" : "TYPE_EMAIL"
          }))
        })
      )
    )
  )

  it.effect("is starred as well", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* marked({ starred: true }), ["c0 Applied"])
      assert.deepInclude(yield* stored("c0"), { unreadCount: 0, starred: true })
    }).pipe(Effect.provide(layerWith({ conversations: seeds(1) })))
  )

  it.effect("is planned in a dry run", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* marked({ dryRun: true, recheck: true, before: at(-1) }), ["c0 Planned", "c1 Newer"])
      assert.deepStrictEqual(yield* requested, ["GET search"])
    }).pipe(Effect.provide(layerWith({ conversations: seeds(2) })))
  )

  it.effect("leaves conversations without a date alone, also where no other is", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      assert.deepStrictEqual(yield* marked(), ["c0 Newer"])
      yield* sandbox.seed({ id: "dated", locationId, unreadCount: 1, lastMessageDate: at(0) })
      assert.deepStrictEqual(yield* marked(), ["c0 Newer", "dated Applied"])
      assert.deepStrictEqual(yield* unread(1), [3])
    }).pipe(Effect.provide(layerWith({ conversations: seeds(1, () => ({ lastMessageDate: null })) })))
  )

  it.effect("takes the message's date where the search sorts by a number that is none", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const sort = [Number.MAX_SAFE_INTEGER]
      const found = { id: "c0", locationId, unreadCount: 1, lastMessageDate: start, sort }
      yield* sandbox.refuse({ operation: "search", status: 200, body: { conversations: [found], total: 1 }, times: 2 })
      assert.deepStrictEqual(yield* marked(), ["c0 Applied"])
    }).pipe(Effect.provide(layerWith({ conversations: seeds(1) })))
  )

  it.effect("has a failure for a conversation without an id", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const nameless = { unreadCount: 1, lastMessageDate: start, sort: [start] }
      yield* sandbox.refuse({
        operation: "search",
        status: 200,
        body: { conversations: [nameless, nameless], total: 2 }
      })
      const outcomes = yield* running(Stream.runCollect(markRead({ before: at(0) })))
      assert.lengthOf(outcomes, 2)
      for (const outcome of outcomes) {
        assert(outcome._tag === "Failed" && outcome.error._tag === "InvalidRequest")
        assert.strictEqual(outcome.error.issues[0].field, "conversationId")
      }
    }).pipe(Effect.provide(layerWith({ conversations: [] })))
  )

  it.effect.each([
    ["an hour ahead", 3_600_000],
    ["an hour behind", -3_600_000]
  ] as const)("is cut off by HighLevel's clock where ours is %s", ([, offset]) =>
    Effect.gen(function* () {
      const right = yield* Clock.Clock
      // The sandbox has the right time.
      const client = HighLevelClient.layer({
        token: Redacted.make(Sandbox.defaultToken),
        transformClient: HttpClient.transform((response) => Effect.provideService(response, Clock.Clock, right))
      })
      const sandbox = yield* Sandbox.Sandbox
      yield* TestClock.setTime(start + 600_000)
      const arriving = markRead().pipe(
        (outcomes) =>
          onFirst(outcomes, () =>
            Effect.provideService(sandbox.receive({ conversationId: "c299" }), Clock.Clock, right)
          ),
        Stream.runCollect,
        Effect.provideService(
          Clock.Clock,
          steppingClock(right, () => offset)
        )
      )
      const outcomes = yield* running(Effect.provide(arriving, client))
      assert.deepStrictEqual(
        outcomes.flatMap((outcome) => (outcome._tag === "Applied" ? [] : [`${outcome.row.id} ${outcome._tag}`])),
        ["c299 Newer"]
      )
      assert.deepStrictEqual(yield* unread(300), [...Array.from({ length: 299 }, () => 0), 4])
    }).pipe(Effect.provide(Sandbox.layer({ conversations: seeds(300), rateLimit: { max: 50, intervalMillis: 1000 } })))
  )
})

describe("a message that arrives", () => {
  const arrivesAtC1: Hook = (sandbox, request) =>
    isUpdateOf(request, "c1") ? sandbox.receive({ conversationId: "c1" }) : Effect.void

  it.effect.each(["documented", "observed"] as const)(
    "before the update leaves the conversation unread: %s",
    (responses) =>
      Effect.gen(function* () {
        yield* TestClock.setTime(start + 1)
        const outcomes = yield* running(Stream.runCollect(markRead({ starred: true })))
        assert.deepStrictEqual(tagged(outcomes), ["c0 Applied", "c1 Newer", "c2 Applied"])
        assert.deepInclude(outcomes.find(({ row }) => row.id === "c1") ?? assert.fail(), { restored: true })
        assert.deepInclude(yield* stored("c1"), { unreadCount: 4 })
      }).pipe(
        Effect.provide(
          layerWith({
            responses,
            conversations: seeds(3),
            // Once: the update that restores finds no further message.
            before: (sandbox, request) =>
              Effect.flatMap(sandbox.applied, (applied) =>
                applied.some(({ conversationId }) => conversationId === "c1")
                  ? Effect.void
                  : arrivesAtC1(sandbox, request)
              )
          })
        )
      )
  )

  it.effect("is reported as a failure where the conversation could not be marked as unread again", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(start + 1)
      const outcomes = yield* running(Stream.runCollect(markRead()))
      const failed = outcomes.find(({ row }) => row.id === "c1") ?? assert.fail()
      assert(failed._tag === "Failed")
      assert.strictEqual(failed.error._tag, "Unprocessable")
      assert.strictEqual(failed.update.unreadCount, 4)
    }).pipe(
      Effect.provide(
        layerWith({
          conversations: seeds(3),
          before: (sandbox, request) =>
            Effect.flatMap(sandbox.applied, (applied) =>
              applied.some(({ conversationId }) => conversationId === "c1")
                ? sandbox.refuse({ status: 422, conversationId: "c1" })
                : arrivesAtC1(sandbox, request)
            )
        })
      )
    )
  )

  it.effect("leaves it unread even if the job is stopped before it is marked as unread again", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* TestClock.setTime(start + 1)
      const stop = yield* Deferred.make<void>()
      yield* Effect.forkChild(
        Effect.gen(function* () {
          // The rate limit is exhausted by then: the next request waits.
          while ((yield* sandbox.applied).length === 0) yield* Effect.yieldNow
          yield* Deferred.succeed(stop, undefined)
        })
      )
      const outcomes = yield* running(Stream.runCollect(markRead({ stop: Deferred.await(stop) })))
      assert.deepStrictEqual(tagged(outcomes), ["c0 Newer"])
      assert.deepStrictEqual(yield* unread(3), [4, 3, 3])
    }).pipe(
      Effect.provide(
        layerWith({
          conversations: seeds(3),
          rateLimit: { max: 3, intervalMillis: 10_000 },
          before: (sandbox, request) =>
            Effect.flatMap(sandbox.applied, ({ length }) =>
              length === 0 && isUpdateOf(request, "c0") ? sandbox.receive({ conversationId: "c0" }) : Effect.void
            )
        })
      )
    )
  )

  it.effect("after the update is a second outcome", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* TestClock.setTime(start + 1)
      const outcomes = yield* running(
        Stream.runCollect(onFirst(markRead(), ({ row }) => sandbox.receive({ conversationId: row.id ?? "" })))
      )
      assert.lengthOf(outcomes, 601)
      const [first] = outcomes
      const all = outcomes.filter(({ row }) => row.id === first?.row.id)
      assert.deepStrictEqual(
        all.map(({ _tag }) => _tag),
        ["Applied", "Newer"]
      )
      const counts = yield* unread(600)
      assert.strictEqual(
        counts.reduce<number>((sum, count) => sum + (count ?? 0), 0),
        1
      )
    }).pipe(Effect.provide(layerWith({ conversations: seeds(600) })))
  )
})

describe("with recheck", () => {
  it.effect("what got a message that the search does not show yet is left alone", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* TestClock.setTime(start + 1)
      yield* sandbox.receive({ conversationId: "c1" })
      const outcomes = yield* running(Stream.runCollect(markRead({ recheck: true })))
      assert.deepStrictEqual(tagged(outcomes), ["c0 Applied", "c1 Newer", "c2 Applied"])
      const newer = outcomes.find(({ row }) => row.id === "c1") ?? assert.fail()
      assert(newer._tag === "Newer" && !newer.restored)
      // As it was read, with what only a search returns.
      assert.deepInclude(newer.row, { unreadCount: 4, fullName: "Ann" })
      assert.notInclude(yield* requested, "PUT c1")
      assert.deepStrictEqual(yield* unread(3), [0, 4, 0])
    }).pipe(
      Effect.provide(
        layerWith({
          conversations: seeds(3, () => ({ fullName: "Ann" })),
          indexLag: "5 seconds",
          responses: "observed"
        })
      )
    )
  )

  it.effect("what was read meanwhile is left alone, and starred if asked", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* marked(), ["c0 Applied"])
      assert.deepStrictEqual(yield* marked({ recheck: true }), ["c0 AlreadyRead"])
      // Without recheck it is read again, which changes nothing.
      assert.deepStrictEqual(yield* marked(), ["c0 Applied"])
      assert.deepStrictEqual(yield* marked({ recheck: true, starred: true }), ["c0 Applied"])
      assert.isTrue((yield* stored("c0")).starred)
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(yield* running(Stream.runCollect(markRead())), [])
    }).pipe(Effect.provide(layerWith({ conversations: seeds(1), indexLag: "5 seconds" })))
  )

  it.effect.each<Schema.Json>([{ id: "c0" }, { id: "c0", lastMessageDate: null, unreadCount: null }])(
    "the date of the search counts where the response has none: %j",
    (body) =>
      Effect.gen(function* () {
        const sandbox = yield* Sandbox.Sandbox
        yield* sandbox.refuse({ operation: "get", status: 200, body, times: 2 })
        assert.deepStrictEqual(yield* marked({ recheck: true, before: at(-1) }), ["c0 Newer"])
        assert.deepStrictEqual(yield* marked({ recheck: true }), ["c0 Applied"])
      }).pipe(Effect.provide(layerWith({ conversations: seeds(1) })))
  )

  it.effect("what cannot be read is a failure, and not updated", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* sandbox.refuse({ operation: "get", status: 400, conversationId: "c0" })
      assert.deepStrictEqual(yield* marked({ recheck: true }), ["c0 Failed", "c1 Applied"])
      assert.deepStrictEqual(yield* unread(2), [3, 0])
    }).pipe(Effect.provide(layerWith({ conversations: seeds(2) })))
  )
})

describe("a job that ends early", () => {
  it.effect("by a stop is continued by the same call", () =>
    Effect.gen(function* () {
      const stop = yield* Deferred.make<void>()
      let count = 0
      yield* TestClock.setTime(start)
      const first = yield* running(
        Stream.runCollect(
          Stream.tap(markRead({ stop: Deferred.await(stop) }), () =>
            ++count === 120 ? Deferred.succeed(stop, undefined) : Effect.void
          )
        )
      )
      assert.isAtLeast(first.length, 120)
      assert.isBelow(first.length, 300)
      const second = yield* running(Stream.runCollect(markRead()))
      assert.lengthOf([...first, ...second], 300)
      assert.deepStrictEqual(
        yield* unread(300),
        Array.from({ length: 300 }, () => 0)
      )
    }).pipe(Effect.provide(layerWith({ conversations: seeds(300), rateLimit: { max: 50, intervalMillis: 1000 } })))
  )

  it.effect("by failures has the rest as not sent", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* sandbox.refuse({ status: 422, times: Infinity })
      const outcomes = yield* running(Stream.runCollect(markRead({ maxFailures: 3, concurrency: 1 })))
      const failed = outcomes.filter(({ _tag }) => _tag === "Failed")
      const notSent = outcomes.filter((outcome) => outcome._tag === "NotSent")
      assert.deepStrictEqual([failed.length, notSent.length], [3, 297])
      assert.strictEqual(notSent[0]?.reason._tag, "TooManyFailures")
    }).pipe(Effect.provide(layerWith({ conversations: seeds(300) })))
  )

  it.effect("by a search that fails has the outcomes of what was found before", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      // The second page.
      yield* sandbox.refuse({ operation: "search", status: 500, every: 3 })
      const { error, outcomes } = yield* ended()
      assert.strictEqual(error._tag, "UnexpectedStatus")
      assert.deepStrictEqual(
        tagged(outcomes),
        Array.from({ length: 100 }, (_, index) => `c${index} Applied`).toSorted()
      )
    }).pipe(Effect.provide(layerWith({ conversations: seeds(150) })))
  )

  it.effect("by a search that is incomplete, too", () =>
    Effect.gen(function* () {
      const { error, outcomes } = yield* ended()
      assert.strictEqual(error._tag, "SearchIncomplete")
      assert.lengthOf(
        outcomes.filter(({ _tag }) => _tag === "Applied"),
        110
      )
    }).pipe(
      Effect.provide(
        layerWith({
          conversations: seeds(160, (index) => (index < 10 ? {} : { lastMessageDate: at(0) }))
        })
      )
    )
  )

  it.effect("by a token that is dead has what was found as not sent, and fails", () =>
    Effect.gen(function* () {
      const { error, outcomes } = yield* ended()
      assert.strictEqual(error._tag, "Unauthorized")
      const tags = new Set(outcomes.map(({ _tag }) => _tag))
      assert.deepStrictEqual([...tags].toSorted(), ["Applied", "Failed", "NotSent"])
      assert.isAtLeast(outcomes.length, 100)
    }).pipe(
      Effect.provide(
        layerWith({
          conversations: seeds(500),
          rateLimit: { max: 20, intervalMillis: 1000 },
          before: (sandbox, request) =>
            isUpdateOf(request, "c50") ? sandbox.revoke(Sandbox.defaultToken) : Effect.void
        })
      )
    )
  )

  const withScopes = (...scopes: ReadonlyArray<string>) =>
    Layer.unwrap(
      Effect.map(
        Effect.flatMap(Sandbox.Sandbox, ({ issue }) => issue({ locationId, scopes })),
        ({ accessToken }) => HighLevelClient.layer({ token: accessToken })
      )
    ).pipe(Layer.provideMerge(Sandbox.layer({ conversations: seeds(30) })))

  it.effect("for want of the scope of a search fails with it", () =>
    Effect.gen(function* () {
      const { error, outcomes } = yield* ended()
      assert(error._tag === "Unauthorized")
      assert.include(HighLevelError.advice(error), "the scope conversations.readonly to")
      assert.lengthOf(outcomes, 0)
    }).pipe(Effect.provide(withScopes("conversations.write")))
  )

  it.effect("for want of the scope of an update has all as failed or not sent", () =>
    Effect.gen(function* () {
      const outcomes = yield* running(Stream.runCollect(markRead()))
      assert.lengthOf(outcomes, 30)
      const notSent = outcomes.filter((outcome) => outcome._tag === "NotSent")
      assert.isAtLeast(notSent.length, 10)
      assert.strictEqual(outcomes.filter(({ _tag }) => _tag === "Failed").length + notSent.length, 30)
      const reason = notSent[0]?.reason
      assert(reason?._tag === "Unauthorized")
      assert.include(HighLevelError.advice(reason), "the scope conversations.write to")
    }).pipe(Effect.provide(withScopes("conversations.readonly")))
  )

  it.effect("by a wrong option sends no update", () =>
    Effect.gen(function* () {
      const { error } = yield* ended({ concurrency: 0 })
      assert.strictEqual(error._tag, "InvalidOptions")
      assert.deepStrictEqual(
        (yield* requested).filter((request) => request.startsWith("PUT")),
        []
      )
    }).pipe(Effect.provide(layerWith({ conversations: seeds(1) })))
  )
})
