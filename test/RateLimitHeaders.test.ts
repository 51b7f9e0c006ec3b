import { assert, describe, it } from "@effect/vitest"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Headers from "effect/http/Headers"
import { HighLevelMetrics, type RateLimitStore } from "effect-highlevel"
import * as RateLimitHeaders from "../src/rateLimit/headers.ts"

const read = (headers: Record<string, string>, options: { status?: number; isJson?: boolean } = {}) =>
  Effect.contextWith((context: Context.Context<never>) =>
    Effect.succeed(
      RateLimitHeaders.read(
        options.status ?? 200,
        Headers.fromInput(headers),
        0,
        60_000,
        options.isJson ?? true,
        context
      )
    )
  )

/** How often each header was ignored. */
const ignored = Effect.map(Metric.snapshot, (snapshot) =>
  Object.fromEntries(
    snapshot
      .filter(({ id }) => id === "highlevel_ignored_headers")
      .map(({ attributes, state }) => [attributes?.["header"], "count" in state ? Number(state.count) : undefined])
  )
)

const bounds: ReadonlyArray<
  readonly [header: string, field: keyof RateLimitStore.Responded, minimum: number, maximum: number]
> = [
  ["x-ratelimit-max", "max", 1, 1_000_000],
  ["x-ratelimit-remaining", "remaining", 0, 1_000_000],
  ["x-ratelimit-interval-milliseconds", "intervalMillis", 1, 3_600_000],
  ["x-ratelimit-daily-remaining", "dailyRemaining", 0, 1_000_000],
  ["x-ratelimit-daily-reset", "dailyResetMillis", 1, 172_800_000]
]

describe("the rate-limit headers", () => {
  it.effect.each(bounds)(
    "%s is an integer within bounds, or ignored and counted",
    ([header, field, minimum, maximum]) =>
      Effect.gen(function* () {
        for (const value of [minimum, maximum]) {
          assert.strictEqual((yield* read({ [header]: String(value) }))[field], value)
        }
        assert.isUndefined((yield* read({}))[field])
        assert.deepStrictEqual(yield* ignored, {})
        const nonsense = [
          minimum - 1,
          maximum + 1,
          "1e19",
          "1e15",
          "1e2",
          "0x10",
          "NaN",
          "Infinity",
          "0.5",
          "1,000",
          ""
        ]
        for (const value of nonsense) assert.isUndefined((yield* read({ [header]: String(value) }))[field], `${value}`)
        assert.deepStrictEqual(yield* ignored, { [header]: nonsense.length })
        assert.strictEqual(HighLevelMetrics.ignoredHeaders.id, "highlevel_ignored_headers")
      }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
  )

  it.effect("Retry-After is capped, and counted if it is neither seconds nor a date", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* read({ "retry-after": "7" })).retryAfterMillis, 7000)
      assert.strictEqual((yield* read({ "retry-after": "9".repeat(400) })).retryAfterMillis, 60_000)
      assert.isUndefined((yield* read({ "retry-after": "soon" })).retryAfterMillis)
      assert.deepStrictEqual(yield* ignored, { "retry-after": 1 })
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
  )

  it.effect("of a page of a gateway tell no limits, only that and how long to wait", () =>
    Effect.gen(function* () {
      const limits = Object.fromEntries(bounds.map(([header, , minimum]) => [header, String(minimum)]))
      const page = yield* read({ ...limits, "retry-after": "7" }, { status: 429, isJson: false })
      assert.deepStrictEqual<RateLimitStore.Responded>(page, {
        _tag: "Responded",
        isHighLevel: false,
        isLimited: true,
        retryAfterMillis: 7000
      })
      assert.isFalse((yield* read(limits, { status: 502 })).isHighLevel)
      assert.deepInclude({ ...(yield* read(limits)) }, { isHighLevel: true, isLimited: false, max: 1 })
    })
  )

  it("of a response that was cut off tell only whether it was a 429", () => {
    for (const status of [200, 400, 429, 503]) {
      assert.deepStrictEqual(RateLimitHeaders.cutOff(status), {
        _tag: "Responded",
        isHighLevel: false,
        isLimited: status === 429
      })
    }
  })
})
