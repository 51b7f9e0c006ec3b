/** Each form of a request, and each refusal, as an application meets them. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { Conversations, HighLevelClient, OAuth, SearchConversations } from "effect-highlevel"
import { Sandbox } from "effect-highlevel/testing"
import { answering, token } from "./harness.ts"
import { connect, connectAgency, ids, layer, locationId } from "./oauth.ts"

const client = (options?: { readonly version?: "2021-07-28" | "v3"; readonly sandbox?: Sandbox.Options }) =>
  HighLevelClient.layer({
    token: Redacted.make(Sandbox.defaultToken),
    retry: false,
    ...(options?.version === undefined ? {} : { version: options.version })
  }).pipe(Layer.provideMerge(Sandbox.layer(options?.sandbox)))

describe("an update", () => {
  it.effect.each([0, 1].flatMap((unreadCount) => [true, false].map((starred) => ({ unreadCount, starred }))))(
    "sets unreadCount and starred at once: %o",
    (changes) =>
      Effect.gen(function* () {
        const { conversation } = yield* Conversations.update({ ...ids, ...changes })
        assert.deepInclude(conversation, changes)
        assert.deepInclude(yield* Conversations.get(ids), changes)
      }).pipe(Effect.provide(client()))
  )

  it.effect("sets every field", () =>
    Effect.gen(function* () {
      const changes = { unreadCount: 1, starred: true }
      const { conversation } = yield* Conversations.update({ ...ids, ...changes, feedback: { rating: "good" } })
      assert.deepInclude(conversation, changes)
    }).pipe(Effect.provide(client()))
  )

  it.effect.each([
    ["2021-07-28", { rating: "good" }],
    ["v3", "positive"]
  ] as const)("in version %s gives feedback in its form", ([version, feedback]) =>
    Effect.gen(function* () {
      const { conversation } = yield* Conversations.update({ ...ids, feedback })
      assert.strictEqual(conversation.id, ids.conversationId)
    }).pipe(Effect.provide(client({ version })))
  )

  it.effect.each([
    ["2021-07-28", "positive"],
    ["v3", { rating: "good" }]
  ] as const)("in version %s is refused with the feedback of another version", ([version, feedback]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Conversations.update({ ...ids, feedback }))
      assert.strictEqual(error._tag, "Unprocessable")
    }).pipe(Effect.provide(client({ version })))
  )

  it.effect("tells each field that fails validation", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const message = ["unreadCount must be a number", "starred must be a boolean"]
      yield* sandbox.refuse({ status: 422, body: { statusCode: 422, message, error: "Unprocessable Entity" } })
      const error = yield* Effect.flip(Conversations.update({ ...ids, unreadCount: 1 }))
      assert(error._tag === "Unprocessable")
      assert.deepStrictEqual(error.messages, message)
    }).pipe(Effect.provide(client()))
  )

  it.effect("whose body is too large is refused with a 413", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* sandbox.refuse({ status: 413, body: { message: "request entity too large", status: 413 } })
      const error = yield* Effect.flip(Conversations.update({ ...ids, starred: true }))
      assert(error._tag === "UnexpectedStatus")
      assert.deepStrictEqual([error.status, error.messages], [413, ["request entity too large"]])
    }).pipe(Effect.provide(client()))
  )

  it.effect("of an unknown conversation is NotFound, with the 500 that was observed", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Conversations.update({ conversationId: "unknown", locationId, starred: true }))
      assert("reason" in error)
      assert.strictEqual(error.reason, "NotFound")
    }).pipe(Effect.provide(client({ sandbox: { responses: "observed" } })))
  )
})

describe("a search", () => {
  it.effect("is refused with a 400", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* sandbox.refuse({ operation: "search", status: 400 })
      const error = yield* Effect.flip(Conversations.searchPage({ locationId }))
      assert.strictEqual(error._tag, "BadRequest")
    }).pipe(Effect.provide(client()))
  )

  it.effect("finds up to a number of conversations", () =>
    Effect.gen(function* () {
      const { conversations } = yield* Conversations.searchPage({ locationId, limit: 20 })
      assert.deepStrictEqual(
        conversations.map(({ id }) => id),
        [ids.conversationId]
      )
    }).pipe(Effect.provide(client()))
  )

  it.effect("sends every parameter", () => {
    // As documented.
    const several = "ABCHkzuJQ8ZMd4Te84GK,fGiae4CHkzoskh8thsik"
    const query = {
      locationId,
      contactId: "9VEmS0si86GW6gXWU89b",
      assignedTo: several,
      followers: several,
      mentions: several,
      query: "Search string",
      sort: "asc",
      startAfterDate: 1600854,
      id: "ABCHkzuJQ8ZMd4Te84GK",
      limit: 20,
      lastMessageType: "TYPE_SMS",
      lastMessageAction: "manual",
      lastMessageDirection: "inbound",
      status: "all",
      sortBy: "last_message_date",
      sortScoreProfile: "ABCHkzuJQ8ZMd4Te84GK",
      scoreProfile: "ABCHkzuJQ8ZMd4Te84GK",
      scoreProfileMin: 1,
      scoreProfileMax: 1,
      startDate: 1640995200000,
      endDate: 1672531199000
    } as const
    const { layer, requests } = answering(200, `{"conversations":[],"total":0}`)
    return Effect.gen(function* () {
      yield* Conversations.searchPage(query)
      assert.sameMembers(Object.keys(query), Object.keys(SearchConversations.ConversationQuery.fields))
      const sent = Object.entries(query).map(([name, value]) => [name, String(value)] as const)
      assert.sameDeepMembers(Array.from(requests[0]?.urlParams ?? []), sent)
    }).pipe(Effect.provide(HighLevelClient.layer({ token: Redacted.make(token) }).pipe(Layer.provide(layer))))
  })
})

describe("a request of an agency", () => {
  const agency = { companyId: "agency" }
  const installed = Effect.flatMap(OAuth.OAuth, (oauth) => Stream.runCollect(oauth.installedLocations(agency)))
  const update = Conversations.update({ ...ids, starred: true })

  it.effect.each([400, 422])("for its locations is refused with %i", (status) =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* connectAgency(agency.companyId, [locationId])
      yield* sandbox.refuse({ operation: "installedLocations", status })
      const error = yield* Effect.flip(installed)
      assert.deepStrictEqual([error.reason, error.status], ["Refused", status])
    }).pipe(Effect.provide(layer()))
  )

  it.effect("for its locations is sent again with another token, if a 401 refuses the first", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* connectAgency(agency.companyId, [locationId])
      yield* installed
      yield* TestClock.adjust("1 hour")
      yield* sandbox.refuse({ operation: "installedLocations", status: 401 })
      assert.deepStrictEqual(
        (yield* installed).map(({ locationId }) => locationId),
        [locationId]
      )
    }).pipe(Effect.provide(layer()))
  )

  it.effect.each([400, 422])("for a location's token is refused with %i", (status) =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const oauth = yield* OAuth.OAuth
      yield* connectAgency(agency.companyId, [locationId])
      yield* oauth.addLocation({ ...agency, locationId })
      yield* sandbox.refuse({ operation: "locationToken", status })
      const error = yield* Effect.flip(update)
      assert(error._tag === "TokenUnavailable")
      assert.deepStrictEqual([error.reason, error.status], ["Refused", status])
    }).pipe(Effect.provide(layer()))
  )
})

it.effect.each([400, 422])("the exchange of a code is refused with %i", (status) =>
  Effect.gen(function* () {
    const sandbox = yield* Sandbox.Sandbox
    yield* sandbox.refuse({ operation: "token", status })
    const error = yield* Effect.flip(connect())
    assert.deepStrictEqual([error.reason, error.status], ["Refused", status])
  }).pipe(Effect.provide(layer()))
)
