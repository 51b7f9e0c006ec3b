import { assert, describe, expectTypeOf, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as TestClock from "effect/testing/TestClock"
import { Conversations, HighLevelClient, HighLevelError, type SearchConversations } from "effect-highlevel"
import { Sandbox } from "effect-highlevel/testing"
import * as Search from "../src/client/search.ts"
import { answering, ids, inMemory, running, served, token } from "./harness.ts"

const { locationId } = ids

const idsOf = (conversations: ReadonlyArray<SearchConversations.FoundConversation>) =>
  conversations.map(({ id }) => id ?? assert.fail())

const collected = (query: Partial<Conversations.SearchQuery> = {}) =>
  Effect.map(Stream.runCollect(Conversations.search({ locationId, ...query })), idsOf)

const at = (millis: number) => DateTime.makeUnsafe(millis)

/** Two conversations of one location that differ in everything, and one of another. */
const seeds: ReadonlyArray<Sandbox.Seed> = [
  {
    id: "one",
    locationId,
    contactId: "ann",
    assignedTo: "user",
    lastMessageBody: "Is it (still) available?",
    lastMessageDate: at(1000),
    lastMessageType: "TYPE_SMS",
    lastMessageDirection: "inbound",
    lastMessageAction: "manual",
    unreadCount: 2,
    starred: false,
    dateAdded: 10,
    fullName: "Ann"
  },
  {
    id: "two",
    locationId,
    contactId: "bob",
    lastMessageBody: "Thank you",
    lastMessageDate: at(2000),
    lastMessageType: "TYPE_EMAIL",
    lastMessageDirection: "outbound",
    lastMessageAction: "automated",
    starred: true,
    dateAdded: 20,
    email: "bob@example.com"
  },
  { id: "elsewhere", locationId: "elsewhere", lastMessageDate: at(3000) }
]

describe("a page of a search", () => {
  it.live.each([
    ["in memory", inMemory({ conversations: seeds })],
    ["served", served(FetchHttpClient.layer, { conversations: seeds }).pipe(Layer.provideMerge(FetchHttpClient.layer))]
  ] as const)("%s is asked for as documented", ([, layer]) =>
    Effect.gen(function* () {
      const page = yield* Conversations.searchPage({
        locationId,
        query: "a & b?",
        startAfterDate: 5,
        limit: 7,
        sort: "asc",
        status: "all"
      })
      assert.deepStrictEqual(page, { conversations: [], total: 0 })
      const [request = assert.fail()] = yield* (yield* Sandbox.Sandbox).requests
      assert.strictEqual(request.method, "GET")
      const { pathname, searchParams } = new URL(request.path, "http://sandbox")
      assert.strictEqual(pathname, "/conversations/search")
      assert.deepStrictEqual(Object.fromEntries(searchParams), {
        locationId,
        query: "a & b?",
        sort: "asc",
        startAfterDate: "5",
        limit: "7",
        status: "all"
      })
    }).pipe(Effect.provide(layer))
  )

  it.effect("is read as it was seen live: a sort value, a numeric date, nulls, unknown fields, no body", () =>
    Effect.gen(function* () {
      const { conversations, total } = yield* Conversations.searchPage({ locationId })
      assert.strictEqual(total, 2)
      const [two = assert.fail()] = conversations
      assert.deepInclude(two, { id: "two", sort: [2000], assignedTo: null, phone: null, tags: [], dateAdded: 20 })
      assert.strictEqual(DateTime.toEpochMillis(two.lastMessageDate ?? assert.fail()), 2000)
      assert.notProperty(two, "lastMessageBody")
      assert.notProperty(two, "unreadCount")
    }).pipe(Effect.provide(inMemory({ conversations: seeds, responses: "observed" })))
  )

  it.effect("is read as documented", () =>
    Effect.gen(function* () {
      const { conversations } = yield* Conversations.searchPage({ locationId, id: "one" })
      const [{ lastMessageDate, ...one } = assert.fail()] = conversations
      assert.strictEqual(DateTime.toEpochMillis(lastMessageDate ?? assert.fail()), 1000)
      assert.deepStrictEqual<unknown>(one, {
        id: "one",
        contactId: "ann",
        locationId,
        lastMessageBody: "Is it (still) available?",
        lastMessageType: "TYPE_SMS",
        unreadCount: 2,
        fullName: "Ann"
      })
    }).pipe(Effect.provide(inMemory({ conversations: seeds })))
  )

  const filters: ReadonlyArray<readonly [Partial<SearchConversations.ConversationQuery>, ReadonlyArray<string>]> = [
    [{}, ["two", "one"]],
    [{ sort: "asc" }, ["one", "two"]],
    [{ sort: "asc", startAfterDate: 1000 }, ["two"]],
    [{ sort: "desc", startAfterDate: 2000 }, ["one"]],
    [{ sort: "desc", startAfterDate: 2001, limit: 1 }, ["two"]],
    [{ status: "all" }, ["two", "one"]],
    [{ status: "recents" }, ["two", "one"]],
    [{ status: "unread" }, ["one"]],
    [{ status: "read" }, ["two"]],
    [{ status: "starred" }, ["two"]],
    [{ id: "one" }, ["one"]],
    [{ id: "elsewhere" }, []],
    [{ contactId: "bob" }, ["two"]],
    [{ assignedTo: "user" }, ["one"]],
    [{ assignedTo: "unassigned" }, ["two"]],
    [{ assignedTo: "other,user,unassigned" }, ["two", "one"]],
    [{ query: "(STILL)" }, ["one"]],
    [{ query: "bob@" }, ["two"]],
    [{ query: "nobody" }, []],
    [{ lastMessageType: "TYPE_SMS" }, ["one"]],
    [{ lastMessageType: "TYPE_NEW" }, []],
    [{ lastMessageDirection: "outbound" }, ["two"]],
    [{ lastMessageAction: "manual" }, ["one"]],
    [{ startDate: 20 }, ["two"]],
    [{ endDate: 10 }, ["one"]],
    [{ startDate: 11, endDate: 19 }, []],
    [{ status: "unread", contactId: "bob" }, []]
  ]
  it.effect.each(filters)("of %j holds what matches", ([query, found]) =>
    Effect.gen(function* () {
      const { conversations } = yield* Conversations.searchPage({ locationId, ...query })
      assert.deepStrictEqual(idsOf(conversations), found)
    }).pipe(Effect.provide(inMemory({ conversations: seeds })))
  )

  it.effect.each([{ followers: "user" }, { mentions: "user" }, { scoreProfile: "p" }, { sortBy: "due_at" }] as const)(
    "of %j is refused by the sandbox, which would find too much",
    (query) =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(Conversations.searchPage({ locationId, ...query }))
        assert.strictEqual(error._tag, "BadRequest")
      }).pipe(Effect.provide(inMemory()))
  )

  it.effect("holds 20 unless asked, and no more than the sandbox returns at once", () =>
    Effect.gen(function* () {
      const lengthOf = (query: Partial<SearchConversations.ConversationQuery>) =>
        Effect.map(Conversations.searchPage({ locationId, ...query }), ({ conversations }) => conversations.length)
      assert.deepStrictEqual([yield* lengthOf({}), yield* lengthOf({ limit: 150 })], [20, 100])
    }).pipe(Effect.provide(inMemory({ conversations: 300 })))
  )

  it.effect.each([
    [`{"total":0}`, "UnreadableResponse"],
    [`{"conversations":null,"total":0}`, "UnreadableResponse"],
    [`{"conversations":{},"total":0}`, "UnreadableResponse"],
    [`{"conversations":[null]}`, "UnreadableResponse"],
    [`[]`, "UnreadableResponse"],
    ["", "UnreadableResponse"],
    ["<html>", "UnexpectedBody"]
  ] as const)("is never empty where the response is %j", ([body, tag]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Conversations.searchPage({ locationId }))
      assert.strictEqual(error._tag, tag)
      assert.strictEqual(HighLevelError.applied(error), "no")
      assert.include(error.message, `Conversations.search in location ${locationId}`)
      assert.strictEqual((yield* Effect.flip(collected()))._tag, tag)
    }).pipe(
      Effect.provide(
        HighLevelClient.layer({ token: Redacted.make(token), retry: false }).pipe(
          Layer.provide(answering(200, body).layer)
        )
      )
    )
  )

  it.effect.each([
    [{ limit: 0 }, "limit"],
    [{ limit: 1.5 }, "limit"],
    [{ startAfterDate: Number.NaN }, "startAfterDate"],
    [{ status: "open" }, "status"],
    [{ sort: "up" }, "sort"],
    [{ locationId: ".." }, "locationId"],
    [{ color: "red" }, "color"]
  ] as const)("with %j is refused, naming the field, and nothing is sent", ([query, field]) =>
    Effect.gen(function* () {
      const input = { locationId, ...query } as Conversations.SearchQuery
      for (const call of [Conversations.searchPage(input), Stream.runDrain(Conversations.search(input))]) {
        const error = yield* Effect.flip(call)
        assert(error._tag === "InvalidRequest")
        assert.deepStrictEqual([error.operation, error.issues[0].field], ["Conversations.search", field])
      }
      assert.lengthOf(yield* (yield* Sandbox.Sandbox).requests, 0)
    }).pipe(Effect.provide(inMemory()))
  )
})

describe("the scopes", () => {
  const withScopes = (...scopes: ReadonlyArray<string>) =>
    Effect.map(
      Effect.flatMap(Sandbox.Sandbox, ({ issue }) => issue({ locationId, scopes })),
      ({ accessToken }) => HighLevelClient.layer({ token: accessToken })
    )

  it.effect("of a search and a read are conversations.readonly, of an update conversations.write", () =>
    Effect.gen(function* () {
      const readonly = yield* withScopes("conversations.readonly")
      const write = yield* withScopes("conversations.write")
      yield* Effect.provide(Conversations.searchPage({ locationId }), readonly)
      yield* Effect.provide(Conversations.update({ ...ids, starred: true }), write)
      for (const [call, scope] of [
        [Effect.asVoid(Conversations.searchPage({ locationId })), "conversations.readonly"],
        [Effect.asVoid(Conversations.get(ids)), "conversations.readonly"],
        [Effect.asVoid(Conversations.update({ ...ids, starred: true })), "conversations.write"]
      ] as const) {
        const error = yield* call.pipe(Effect.provide(scope === "conversations.write" ? readonly : write), Effect.flip)
        assert(error._tag === "Unauthorized")
        assert.deepStrictEqual(error.messages, ["The token is not authorized for this scope."])
        assert.include(HighLevelError.advice(error), `the scope ${scope} to`)
      }
    }).pipe(Effect.provide(Sandbox.layer()))
  )

  it.effect("a search of another location is refused", () =>
    Effect.gen(function* () {
      const layer = yield* withScopes("conversations.readonly")
      const error = yield* Conversations.searchPage({ locationId: "elsewhere" }).pipe(
        Effect.provide(layer),
        Effect.flip
      )
      assert(error._tag === "Unauthorized")
      assert.strictEqual(error.reason, "WrongLocation")
    }).pipe(Effect.provide(Sandbox.layer()))
  )
})

describe("a search", () => {
  it("fails with the errors of a call, or because it is incomplete", () => {
    type Found = ReturnType<typeof Conversations.search>
    expectTypeOf<Stream.Error<Found>>().toEqualTypeOf<HighLevelError.HighLevelError | Conversations.SearchIncomplete>()
    expectTypeOf<
      Effect.Error<ReturnType<typeof Conversations.searchPage>>
    >().toEqualTypeOf<HighLevelError.HighLevelError>()
  })

  it.effect.each(["documented", "observed"] as const)("finds 1,000 conversations, each once, %s", (responses) =>
    Effect.gen(function* () {
      const found = yield* running(collected())
      assert.lengthOf(found, 1000)
      assert.strictEqual(new Set(found).size, 1000)
      const sandbox = yield* Sandbox.Sandbox
      // One more than without ties, of which each page repeats up to three.
      assert.lengthOf(yield* sandbox.requests, 11)
      const unread = yield* running(collected({ status: "unread", sort: "desc", limit: 7 }))
      assert.lengthOf(unread, 300)
      assert.strictEqual(new Set(unread).size, 300)
    }).pipe(Effect.provide(inMemory({ conversations: 1000, responses })))
  )

  it.effect("is in order of the last message, and starts after a date", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* collected(), ["one", "two"])
      assert.deepStrictEqual(yield* collected({ sort: "desc" }), ["two", "one"])
      assert.deepStrictEqual(yield* collected({ startAfterDate: 1000 }), ["two"])
      assert.deepStrictEqual(yield* collected({ sort: "desc", startAfterDate: 2000 }), ["one"])
    }).pipe(Effect.provide(inMemory({ conversations: seeds })))
  )

  const tied = Array.from({ length: 600 }, (_, index) => ({
    id: `c${index}`,
    locationId,
    lastMessageDate: at(Math.floor(index / 250) * 1000)
  }))

  it.effect("finds groups of 250 of one millisecond, where HighLevel returns as many at once", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual((yield* collected()).toSorted(), tied.map(({ id }) => id).toSorted())
    }).pipe(Effect.provide(inMemory({ conversations: tied, searchLimit: 500 })))
  )

  it.effect("fails with the date, where it does not", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(collected())
      assert(error._tag === "SearchIncomplete")
      assert.deepStrictEqual([error.locationId, DateTime.toEpochMillis(error.date ?? assert.fail())], [locationId, 0])
    }).pipe(Effect.provide(inMemory({ conversations: tied })))
  )

  it.effect("says so, where HighLevel refuses a larger limit", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* sandbox.refuse({ operation: "search", status: 422, every: 3 })
      const error = yield* Effect.flip(collected())
      assert(error._tag === "SearchIncomplete")
      assert.include(error.message, "Unprocessable Entity")
      // Of the limit that was given, it is the caller's.
      yield* sandbox.refuse({ operation: "search", status: 422 })
      assert.strictEqual((yield* Effect.flip(collected()))._tag, "Unprocessable")
    }).pipe(Effect.provide(inMemory({ conversations: tied, searchLimit: 500 })))
  )

  it.effect("shares the rate limit with updates", () =>
    Effect.gen(function* () {
      const marked = Conversations.search({ locationId, status: "unread", limit: 10 }).pipe(
        Stream.mapEffect(({ id }) =>
          Conversations.update({ conversationId: id ?? assert.fail(), locationId, unreadCount: 0 })
        ),
        Stream.runCount
      )
      assert.strictEqual(yield* running(marked), 60)
      const requests = yield* (yield* Sandbox.Sandbox).requests
      assert.isAbove(requests.length, 66)
      assert.deepStrictEqual(
        requests.filter(({ status }) => status !== 200),
        []
      )
    }).pipe(
      Effect.provide(
        inMemory({ conversations: 200, rateLimit: { max: 10, intervalMillis: 1000 }, indexLag: "5 seconds" })
      )
    )
  )

  it.effect("finds what gets a message meanwhile once, or again at the end for a job", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(2_000_000_000_000)
      const sandbox = yield* Sandbox.Sandbox
      const query = { locationId, limit: 10 }
      const received = (search: ReturnType<typeof Conversations.search>) =>
        search.pipe(
          // The first one, and one that was not reached.
          Stream.tap(({ id }) =>
            id === ids.conversationId
              ? Effect.forEach([ids.conversationId, "conversation-000050"], (conversationId) =>
                  sandbox.receive({ conversationId })
                )
              : Effect.void
          ),
          Stream.runCollect,
          Effect.map(idsOf)
        )
      const job = yield* running(received(Search.stream(query, { once: false })))
      assert.deepStrictEqual([job.length, new Set(job).size], [61, 60])
      assert.deepStrictEqual(job.slice(-2), [ids.conversationId, "conversation-000050"])
      yield* sandbox.reset
      const once = yield* running(received(Conversations.search(query)))
      assert.deepStrictEqual([once.length, new Set(once).size], [60, 60])
    }).pipe(Effect.provide(inMemory({ conversations: 60 })))
  )
})

describe("the sandbox", () => {
  it.effect("receives messages", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* TestClock.setTime(5000)
      const changed = yield* sandbox.receive({ conversationId: "one", body: "Still there?" })
      assert.deepInclude(Option.getOrThrow(changed), {
        lastMessageBody: "Still there?",
        lastMessageType: "TYPE_SMS",
        unreadCount: 3
      })
      yield* sandbox.receive({ conversationId: "two", direction: "outbound", type: "TYPE_CALL" })
      assert.isTrue(Option.isNone(yield* sandbox.receive({ conversationId: "three" })))
      const { conversations } = yield* Conversations.searchPage({ locationId, sort: "asc" })
      assert.deepStrictEqual(
        conversations.map(({ id, lastMessageDate, lastMessageType, unreadCount }) => [
          id,
          DateTime.toEpochMillis(lastMessageDate ?? assert.fail()),
          lastMessageType,
          unreadCount
        ]),
        [
          ["one", 5000, "TYPE_SMS", 3],
          ["two", 5000, "TYPE_CALL", undefined]
        ]
      )
    }).pipe(Effect.provide(inMemory({ conversations: seeds })))
  )

  it.effect("finds with a lag, but what it started with at once", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const unread = Effect.map(Conversations.searchPage({ locationId, status: "unread" }), ({ conversations }) =>
        idsOf(conversations)
      )
      assert.deepStrictEqual(yield* unread, ["one"])
      yield* Conversations.update({ conversationId: "one", locationId, unreadCount: 0 })
      yield* TestClock.adjust("2 seconds")
      yield* sandbox.receive({ conversationId: "two" })
      yield* sandbox.seed({ id: "new", locationId, unreadCount: 1, lastMessageDate: at(1) })
      yield* TestClock.adjust("2999 millis")
      assert.deepStrictEqual(yield* unread, ["one"])
      assert.strictEqual((yield* Conversations.get({ conversationId: "one", locationId })).unreadCount, 0)
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(yield* unread, [])
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(yield* unread, ["two", "new"])
    }).pipe(Effect.provide(inMemory({ conversations: seeds, indexLag: "5 seconds" })))
  )

  it.effect("finds what has no date at the end, and nothing that is deleted or moved", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* sandbox.seed({ id: "undated", locationId })
      assert.deepStrictEqual(yield* collected(), ["one", "two", "undated"])
      assert.deepStrictEqual(yield* collected({ sort: "desc", limit: 2 }), ["two", "one", "undated"])
      yield* sandbox.seed({ id: "one", locationId, deleted: true })
      yield* sandbox.seed({ id: "two", locationId: "elsewhere", lastMessageDate: at(500) })
      assert.deepStrictEqual(yield* collected(), ["undated"])
      assert.deepStrictEqual(yield* collected({ locationId: "elsewhere" }), ["two", "elsewhere"])
    }).pipe(Effect.provide(inMemory({ conversations: seeds })))
  )

  it.effect("keeps what only a search returns out of an update and a read", () =>
    Effect.gen(function* () {
      const one = { conversationId: "one", locationId }
      const { conversation } = yield* Conversations.update({ ...one, starred: true })
      for (const returned of [conversation, yield* Conversations.get(one)]) {
        assert.notProperty(returned, "fullName")
        assert.notProperty(returned, "dateAdded")
      }
    }).pipe(Effect.provide(inMemory({ conversations: seeds })))
  )

  it.effect("has faults of a search", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* sandbox.fault({ operation: "search", kind: "empty-body" })
      yield* Conversations.get(ids)
      assert.strictEqual((yield* Effect.flip(collected()))._tag, "UnreadableResponse")
      assert.deepStrictEqual(yield* collected(), [ids.conversationId])
    }).pipe(Effect.provide(inMemory()))
  )
})
