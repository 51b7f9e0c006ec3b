import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as SearchCursor from "../src/client/searchCursor.ts"
import { settle } from "./harness.ts"

// `npm run test:long` makes more of them.
const scale = Number(process.env["SCALE"] ?? 1)

const between = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

/** What happens to a conversation, or to a new one, before a page is fetched. */
const Event = Schema.Struct({
  page: between(1, 6),
  kind: Schema.Literals(["message", "new", "gone"]),
  conversation: between(0, 30),
  /** Whether it shares its date with the event before it. */
  isTie: Schema.Boolean
})

const Search = Schema.Struct({
  /** The date of each conversation. */
  dates: Schema.Array(between(1, 6)).check(Schema.isMaxLength(24)),
  events: Schema.Array(Event).check(Schema.isMaxLength(8)),
  limit: between(1, 6),
  /** How many the server returns at once, whatever is asked for. */
  cap: Schema.Union([between(1, 9), Schema.Literal(1000)]),
  total: Schema.Literals(["all", "remaining", "missing"]),
  sort: Schema.Literals(["asc", "desc"]),
  hasSort: Schema.Boolean
})

type Page = SearchCursor.Page<SearchCursor.Item>

interface Stored {
  readonly id: string
  readonly date: number
}

/** How many have each date. */
const tiesOf = (dates: ReadonlyArray<number>) => {
  const ties = new Map<number, number>()
  for (const date of dates) ties.set(date, (ties.get(date) ?? 0) + 1)
  return ties
}

/** HighLevel's side. */
const server = (search: Omit<typeof Search.Type, "limit">) => {
  const stored = new Map<string, Stored>(search.dates.map((date, index) => [`c${index}`, { id: `c${index}`, date }]))
  const started = new Set(stored.keys())
  const moved = new Set<string>()
  const direction = search.sort === "asc" ? 1 : -1
  let pages = 0
  let now = 10
  let tiesAtMost = 0
  const count = () => {
    const largest = Math.max(0, ...tiesOf(Array.from(stored.values(), ({ date }) => date)).values())
    tiesAtMost = Math.max(tiesAtMost, largest)
  }
  count()
  const happen = ({ conversation, isTie, kind }: typeof Event.Type) => {
    const id = `c${conversation % Math.max(1, search.dates.length)}`
    if (!isTie) now++
    if (kind === "gone") stored.delete(id)
    else if (kind === "new") stored.set(`n${stored.size}-${now}`, { id: `n${stored.size}-${now}`, date: now })
    else if (stored.has(id)) {
      moved.add(id)
      stored.set(id, { id, date: now })
    }
    count()
  }
  const fetchPage = (startAfterDate: number | undefined, limit: number): Effect.Effect<Page> =>
    Effect.sync(() => {
      search.events.filter(({ page }) => page === pages).forEach(happen)
      pages++
      const after = [...stored.values()]
        .filter(({ date }) => startAfterDate === undefined || (date - startAfterDate) * direction > 0)
        .toSorted((one, other) => (one.date - other.date) * direction || one.id.localeCompare(other.id))
      const total = { all: stored.size, remaining: after.length, missing: undefined }[search.total]
      return {
        total,
        conversations: after
          .slice(0, Math.min(limit, search.cap))
          .map(({ date, id }) =>
            search.hasSort ? { id, sort: [date] } : { id, lastMessageDate: DateTime.makeUnsafe(date) }
          )
      }
    })
  return { fetchPage, stored, started, moved, tiesAtMost: () => tiesAtMost, pages: () => pages }
}

const over = (
  { fetchPage }: { readonly fetchPage: ReturnType<typeof server>["fetchPage"] },
  { limit, sort }: { readonly limit: number; readonly sort: "asc" | "desc" },
  once = true
) =>
  SearchCursor.stream({
    locationId: "location",
    fetchPage,
    isRefusal: () => false,
    sort,
    startAfterDate: undefined,
    limit,
    byLastMessage: true,
    once
  })

const idsOf = Stream.runFold(
  (): Array<string> => [],
  (ids: Array<string>, { id }: SearchCursor.Item) => [...ids, id ?? assert.fail()]
)

/** Without a `total`, nothing tells a maximum below the limit from the end. */
const capped = (search: typeof Search.Type) =>
  search.total === "missing" ? { ...search, cap: Math.max(search.cap, search.limit) } : search

const times = (value: string, values: ReadonlyArray<string>) => values.filter((other) => other === value).length

describe("a search", () => {
  it.effect.prop(
    "finds each conversation once, or fails where as many as the server returns share a date",
    [Search],
    ([given]) =>
      Effect.gen(function* () {
        const search = capped({ ...given, events: [] })
        const model = server(search)
        const found = yield* Effect.result(idsOf(over(model, search)))
        if (found._tag === "Success") assert.deepStrictEqual(found.success.toSorted(), [...model.started].toSorted())
        const lastDate = search.sort === "asc" ? Math.max(...search.dates) : Math.min(...search.dates)
        const isIncomplete = [...tiesOf(search.dates)].some(
          ([date, length]) =>
            length > search.cap ||
            (length === search.cap && search.dates.length > length && (search.total === "all" || date !== lastDate))
        )
        // Without a `total` it also fails where all there are share a date.
        if (search.total !== "missing") assert.strictEqual(found._tag === "Failure", isIncomplete)
        else if (isIncomplete) assert.strictEqual(found._tag, "Failure")
        if (found._tag === "Failure") {
          const { date, limit, locationId } = found.failure
          assert.strictEqual(locationId, "location")
          assert.isAbove(limit, 0)
          const ties = tiesOf(search.dates).get(DateTime.toEpochMillis(date ?? assert.fail())) ?? 0
          assert.isAtLeast(ties, search.total === "missing" ? search.limit : search.cap)
        }
      }),
    { arbitrary: { runs: 500 * scale } }
  )

  it.effect.prop(
    "finds what gets a message meanwhile, and what does not, once",
    [Search],
    ([given]) =>
      Effect.gen(function* () {
        const search = capped({ ...given, sort: "asc" })
        const model = server(search)
        const found = yield* Effect.result(idsOf(over(model, search)))
        if (found._tag === "Failure") {
          assert.isAtLeast(model.tiesAtMost(), search.total === "missing" ? search.limit : search.cap)
          return
        }
        assert.strictEqual(new Set(found.success).size, found.success.length)
        for (const id of model.started) if (model.stored.has(id)) assert.include(found.success, id)
      }),
    { arbitrary: { runs: 500 * scale } }
  )

  it.effect.prop(
    "in memory of two pages finds what got a message again, and nothing else",
    [Search],
    ([given]) =>
      Effect.gen(function* () {
        const search = capped(given)
        const model = server(search)
        const found = yield* Effect.result(idsOf(over(model, search, false)))
        if (found._tag === "Failure") return
        for (const id of new Set(found.success))
          if (!model.moved.has(id)) assert.strictEqual(times(id, found.success), 1)
        for (const id of model.started) {
          if (model.stored.has(id) && (search.sort === "asc" || !model.moved.has(id))) assert.include(found.success, id)
        }
      }),
    { arbitrary: { runs: 500 * scale } }
  )
})

/** A search of conversations that share dates in groups. */
const groups = (count: number, size: number, cap: number) =>
  server({
    dates: Array.from({ length: count }, (_, index) => Math.floor(index / size)),
    events: [],
    cap,
    total: "all",
    sort: "asc",
    hasSort: true
  })

const inOrder = { limit: 100, sort: "asc" } as const

describe("10,000 conversations in groups of 250 of one millisecond", () => {
  it.effect("are found, where a plain loop over the cursor loses 6,000", () =>
    Effect.gen(function* () {
      const plain = groups(10_000, 250, 1000)
      const found = new Set<string>()
      for (let cursor: number | undefined = undefined; ;) {
        const page: Page = yield* plain.fetchPage(cursor, 100)
        for (const { id } of page.conversations) found.add(id ?? assert.fail())
        if (page.conversations.length < 100) break
        cursor = page.conversations.at(-1)?.sort?.[0]
      }
      assert.strictEqual(found.size, 4000)

      const ours = groups(10_000, 250, 1000)
      assert.strictEqual(new Set(yield* idsOf(over(ours, inOrder))).size, 10_000)
      // Three pages a group for what 100 pages would hold without ties.
      assert.isBelow(ours.pages(), 180)
    })
  )

  it.effect("fail with the date, where the server returns no more than 100 at once", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Stream.runDrain(over(groups(10_000, 250, 100), inOrder)))
      assert.strictEqual(error._tag, "SearchIncomplete")
      assert.strictEqual(
        error.message,
        "search in location location is incomplete: too many conversations have the date 1970-01-01T00:00:00.000Z " +
          "(limit 200). Divide the search by a filter."
      )
    })
  )
})

class Refused extends Schema.TaggedError<Refused>()("Refused", { message: Schema.String }) {}

const pages = (
  fetchPage: (startAfterDate: number | undefined, limit: number) => SearchCursor.Page<SearchCursor.Item>,
  limit = 2
) =>
  SearchCursor.stream({
    locationId: "location",
    fetchPage: (startAfterDate, limit) =>
      Effect.try({
        try: () => fetchPage(startAfterDate, limit),
        catch: (cause) => new Refused({ message: String(cause) })
      }),
    isRefusal: ({ message }) => message.includes("limit"),
    sort: "asc",
    startAfterDate: undefined,
    limit,
    byLastMessage: true,
    once: true
  })

describe("the cursor", () => {
  it.effect("reads one page ahead, and no more", () =>
    Effect.gen(function* () {
      const model = groups(10, 1, 1000)
      const handed = yield* Deferred.make<void>()
      const fiber = yield* Effect.forkChild(
        over(model, { limit: 3, sort: "asc" }).pipe(Stream.runForEach(() => Deferred.await(handed)))
      )
      yield* settle
      assert.strictEqual(model.pages(), 2)
      yield* Deferred.succeed(handed, undefined)
      yield* Fiber.join(fiber)
      assert.strictEqual(model.pages(), 5)
    })
  )

  it.effect("hands over a page before the error of the next one", () =>
    Effect.gen(function* () {
      const found: Array<unknown> = []
      const error = yield* pages((startAfterDate) => {
        if (startAfterDate !== undefined) throw new Error("unavailable")
        return {
          conversations: [
            { id: "a", sort: [1] },
            { id: "b", sort: [2] }
          ],
          total: 9
        }
      }).pipe(
        Stream.runForEach(({ id }) => Effect.sync(() => void found.push(id))),
        Effect.flip
      )
      assert.deepStrictEqual([error._tag, found], ["Refused", ["a", "b"]])
    })
  )

  it.effect("says that the search is incomplete where a larger limit is refused", () =>
    Effect.gen(function* () {
      const error = yield* pages((_, limit) => {
        if (limit > 2) throw new Error("limit must not be greater than 2")
        return {
          conversations: [
            { id: "a", sort: [7] },
            { id: "b", sort: [7] }
          ],
          total: 9
        }
      }).pipe(Stream.runDrain, Effect.flip)
      assert(error._tag === "SearchIncomplete")
      assert.deepStrictEqual([error.limit, DateTime.toEpochMillis(error.date ?? assert.fail())], [4, 7])
      assert.include(error.message, "limit must not be greater than 2")
    })
  )

  // Search engines sort what has no date by the largest number there is.
  it.effect.each([{}, { sort: null, lastMessageDate: null }, { sort: [] }, { sort: [2 ** 63] }])(
    "says that the search is incomplete where a full page has no date: %j",
    (item) =>
      Effect.gen(function* () {
        const error = yield* pages((startAfterDate) => ({
          conversations:
            startAfterDate === undefined
              ? [
                  { id: "a", ...item },
                  { id: "b", ...item }
                ]
              : [],
          total: 9
        })).pipe(Stream.runDrain, Effect.flip)
        assert(error._tag === "SearchIncomplete")
        assert.isUndefined(error.date)
        assert.include(error.message, "have no date")
      })
  )

  it.effect("ends at a short page without dates", () =>
    Effect.gen(function* () {
      const found = yield* idsOf(pages(() => ({ conversations: [{ id: "a" }] })))
      assert.deepStrictEqual(found, ["a"])
    })
  )

  it.effect("keeps conversations without an id", () =>
    Effect.gen(function* () {
      const page = { conversations: [{ sort: [1] }, { id: null, sort: [1] }], total: 2 }
      assert.lengthOf(yield* Stream.runCollect(pages(() => page, 3)), 2)
    })
  )

  it.effect("knows the end from the server's maximum while conversations leave the search or move", () =>
    Effect.gen(function* () {
      const dates = [1, 3, 3]
      const event = { page: 3, isTie: false }
      const search = { dates, cap: 3, total: "all", sort: "asc", hasSort: true } as const
      const left = server({ ...search, events: [{ ...event, kind: "gone", conversation: 0 }] })
      assert.deepStrictEqual(yield* idsOf(over(left, { limit: 2, sort: "asc" })), ["c0", "c1", "c2"])
      const added = server({
        ...search,
        events: [
          { ...event, kind: "gone", conversation: 0 },
          { ...event, kind: "gone", conversation: 1 },
          { ...event, kind: "new", conversation: 0 }
        ]
      })
      assert.deepStrictEqual(yield* idsOf(over(added, { limit: 2, sort: "asc" })), ["c0", "c1", "c2", "n1-13"])
    })
  )

  it.effect("does not end at a short page that is as long as the server's maximum", () =>
    Effect.gen(function* () {
      const model = groups(130, 1, 50)
      assert.lengthOf(yield* idsOf(over(model, inOrder)), 130)
    })
  )
})
