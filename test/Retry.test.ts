import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Redacted from "effect/Redacted"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import { TestClock } from "effect/testing"
import {
  Conversations,
  HighLevelClient,
  type HighLevelError,
  RateLimiter,
  type UpdateConversation
} from "effect-highlevel"
import { ids, token, recordingTracer, steppingClock } from "./harness.ts"

const ok = JSON.stringify({ success: true, conversation: { id: ids.conversationId } })

type Step =
  { readonly status: number; readonly body?: string; readonly headers?: Record<string, string> } | "lost" | "silent"

/** A server that answers a script, its last step for good, and tells when it was asked. */
const scripted = (...steps: readonly [Step, ...Array<Step>]) => {
  const askedAt: Array<number> = []
  const layer = Layer.succeed(
    HttpClient.HttpClient,
    HttpClient.make((request) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const step = steps[Math.min(askedAt.length, steps.length - 1)] ?? "silent"
        askedAt.push(now)
        if (step === "silent") return Effect.never
        if (step === "lost") {
          return Effect.fail(
            new HttpClientError.HttpClientError({
              reason: new HttpClientError.TransportError({ request, cause: new Error("reset") })
            })
          )
        }
        const { body = ok, headers = {}, status } = step
        return Effect.succeed(HttpClientResponse.fromWeb(request, new Response(body, { status, headers })))
      })
    )
  )
  return { layer, askedAt }
}

const run = (
  { layer }: { readonly layer: Layer.Layer<HttpClient.HttpClient> },
  options?: Partial<HighLevelClient.Options>,
  callOptions?: HighLevelClient.CallOptions
): Effect.Effect<UpdateConversation.UpdateConversationResponse, HighLevelError.HighLevelError> =>
  Effect.gen(function* () {
    const fiber = yield* Conversations.update(ids, callOptions).pipe(
      Effect.provide(
        HighLevelClient.layer({ token: Redacted.make(token), rateLimit: false, ...options }).pipe(Layer.provide(layer))
      ),
      Effect.catchTag("InvalidOptions", Effect.die),
      Effect.forkChild
    )
    yield* TestClock.adjust("1 hour")
    return yield* Fiber.join(fiber)
  })

const transient: ReadonlyArray<Step> = [
  "lost",
  "silent",
  { status: 408 },
  { status: 429 },
  { status: 500, body: `{"message":"Internal server error"}` },
  { status: 502, body: "<html>bad gateway</html>" },
  { status: 503 },
  { status: 504 }
]

const final: ReadonlyArray<readonly [Step, tag: string]> = [
  [{ status: 400 }, "BadRequest"],
  [{ status: 401 }, "Unauthorized"],
  [{ status: 422 }, "Unprocessable"],
  [{ status: 403 }, "UnexpectedStatus"],
  [{ status: 404 }, "UnexpectedStatus"],
  [{ status: 500, body: `{"message":"Conversation with id c not found"}` }, "UnexpectedStatus"],
  [{ status: 501 }, "UnexpectedStatus"],
  [{ status: 200, body: "" }, "UnreadableResponse"],
  [{ status: 200, body: `{"success":false}` }, "Unsuccessful"]
]

describe("retry", () => {
  it.effect.each(transient)("%j is tried again", (step) =>
    Effect.gen(function* () {
      const server = scripted(step, { status: 200 })
      yield* run(server)
      assert.lengthOf(server.askedAt, 2)
    })
  )

  it.effect.each(final)("%j is not", ([step, tag]) =>
    Effect.gen(function* () {
      const server = scripted(step)
      const error = yield* Effect.flip(run(server))
      assert.strictEqual(error._tag, tag)
      assert.lengthOf(server.askedAt, 1)
    })
  )

  it.effect("a day without a reset is over after an interval at the earliest", () =>
    Effect.gen(function* () {
      for (const [headers, resetsAt] of [
        [{}, 10_000],
        [{ "x-ratelimit-interval-milliseconds": "3000" }, 3000],
        [{ "x-ratelimit-daily-reset": "60000" }, 60_000]
      ] as const) {
        const server = scripted({
          status: 429,
          body: "{}",
          headers: { "x-ratelimit-daily-remaining": "0", ...headers }
        })
        const start = yield* Clock.currentTimeMillis
        const error = yield* Effect.flip(run(server))
        assert(error._tag === "DailyLimitExceeded")
        assert.strictEqual(error.resetsAt.epochMilliseconds - start, resetsAt)
      }
    })
  )

  it.effect("and the time of a call do not depend on the wall clock, which steps", () =>
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      let offset = 0
      const stepping = steppingClock(clock, () => offset)
      for (const step of [3_600_000, -3_600_000]) {
        const server = scripted({ status: 503 }, { status: 503 }, { status: 200 })
        offset = 0
        const call = run(server, {}, { timeout: "20 seconds" }).pipe(Effect.provideService(Clock.Clock, stepping))
        const fiber = yield* Effect.forkChild(call)
        while (server.askedAt.length === 0) yield* Effect.yieldNow
        offset = step
        yield* Fiber.join(fiber)
        assert.lengthOf(server.askedAt, 3)
      }
    })
  )

  it.effect("an answer cut off after its 200 is tried again", () =>
    Effect.gen(function* () {
      let asked = 0
      const layer = Layer.succeed(
        HttpClient.HttpClient,
        HttpClient.make((request) => {
          const cut = new ReadableStream({
            pull: (controller) => controller.error(new Error("reset in the middle"))
          })
          return Effect.sync(() => HttpClientResponse.fromWeb(request, new Response(++asked === 1 ? cut : ok)))
        })
      )
      yield* run({ layer })
      assert.strictEqual(asked, 2)
    })
  )

  it.effect("ends after five attempts, and the error says so", () =>
    Effect.gen(function* () {
      const server = scripted({ status: 503, body: `{"message":"later"}` })
      const error = yield* Effect.flip(run(server))
      assert(error._tag === "UnexpectedStatus")
      assert.strictEqual(error.attempts, 5)
      assert.lengthOf(server.askedAt, 5)
    })
  )

  it.effect("waits between half of and the whole exponential delay", () =>
    Effect.gen(function* () {
      const server = scripted({ status: 503 })
      yield* Effect.flip(run(server))
      const waits = server.askedAt.slice(1).map((at, index) => at - (server.askedAt[index] ?? 0))
      waits.forEach((wait, index) => {
        assert.isAtLeast(wait, 250 * 2 ** index)
        assert.isAtMost(wait, 500 * 2 ** index)
      })
    })
  )

  it.effect.each([
    ["2", 2000],
    ["0", 250],
    ["Thu, 01 Jan 1970 00:00:07 GMT", 7000],
    ["Thursday, 01-Jan-70 00:00:07 GMT", 7000],
    ["Thu Jan  1 00:00:07 1970", 7000],
    ["Thu, some day in 1970", 250],
    ["3600", 60_000],
    ["soon", 250]
  ] as const)("honours Retry-After: %s, within a cap", ([value, atLeast]) =>
    Effect.gen(function* () {
      const server = scripted({ status: 429, headers: { "retry-after": value } }, { status: 200 })
      yield* run(server)
      assert.isAtLeast(server.askedAt[1] ?? 0, atLeast)
      assert.isAtMost(server.askedAt[1] ?? 0, Math.max(atLeast, 500))
    })
  )

  it.effect("starts no retry beyond its duration", () =>
    Effect.gen(function* () {
      const server = scripted({ status: 503 })
      const error = yield* Effect.flip(run(server, { retry: { maxAttempts: 100, maxDuration: "10 seconds" } }))
      assert(error._tag === "UnexpectedStatus")
      assert.isAtMost(server.askedAt.at(-1) ?? 0, 10_000)
      assert.isAtLeast(error.attempts, 4)
    })
  )

  it.effect("is off by an option", () =>
    Effect.gen(function* () {
      const server = scripted({ status: 503 })
      yield* Effect.flip(run(server, { retry: false }))
      assert.lengthOf(server.askedAt, 1)
    })
  )

  it.effect("a call's timeout ends waits and retries, and tells the attempts", () =>
    Effect.gen(function* () {
      const server = scripted("silent")
      const error = yield* Effect.flip(run(server, { attemptTimeout: "10 seconds" }, { timeout: "25 seconds" }))
      assert(error._tag === "RequestTimeout")
      // The one that was cut short was sent as well.
      assert.lengthOf(server.askedAt, 3)
      assert.deepInclude({ ...error }, { scope: "call", timeoutMillis: 25_000, attempts: 3 })
    })
  )

  it.effect("each attempt passes the rate limit", () =>
    Effect.gen(function* () {
      const headers = { "x-ratelimit-max": "1", "x-ratelimit-interval-milliseconds": "10000" }
      const server = scripted({ status: 503, headers }, { status: 200, headers })
      yield* run(server, { rateLimit: true })
      assert.isAtLeast(server.askedAt[1] ?? 0, 10_000)
    })
  )

  it.effect("a payload that cannot be written is refused before anything is acquired", () =>
    Effect.gen(function* () {
      // Valid when it is checked, and gone when it is written.
      let reads = 0
      const feedback = {
        message: {
          get text() {
            if (++reads > 2) throw new Error("gone")
            return "here"
          }
        }
      }
      const server = scripted({ status: 200 })
      const limiter = RateLimiter.makeWith({ acquire: () => Effect.die("acquired"), release: () => Effect.void })
      const error = yield* Conversations.update({ ...ids, feedback }).pipe(
        Effect.provide(
          HighLevelClient.layer({ token: Redacted.make(token) }).pipe(
            Layer.provide(Layer.succeed(RateLimiter.RateLimiter, limiter)),
            Layer.provide(server.layer)
          )
        ),
        Effect.flip
      )
      assert.strictEqual(error._tag, "InvalidRequest")
      assert.lengthOf(server.askedAt, 0)
    })
  )

  it.effect.each([
    ["retry.maxAttempts", { retry: { maxAttempts: 0 } }],
    ["retry.baseDelay", { retry: { baseDelay: "soon" as "1 second" } }],
    ["attemptTimeout", { attemptTimeout: 0 }]
  ] as const)("%s is checked when the client is made", ([option, options]) =>
    Effect.gen(function* () {
      const error = yield* HighLevelClient.make({ token: Redacted.make(token), ...options }).pipe(
        Effect.provide(scripted("silent").layer),
        Effect.flip
      )
      assert.strictEqual(error.option, option)
    })
  )
})

describe("what can be observed", () => {
  it.effect("a span event for each wait and retry", () =>
    Effect.gen(function* () {
      const { spans, tracer } = recordingTracer()
      const headers = { "x-ratelimit-max": "1", "x-ratelimit-interval-milliseconds": "10000" }
      yield* run(scripted({ status: 503, headers }, { status: 200, headers }), { rateLimit: true }).pipe(
        Effect.withTracer(tracer)
      )
      const events = spans.find(({ name }) => name === "Conversations.update")?.events ?? []
      assert.deepStrictEqual(
        events.map(([name]) => name),
        ["retry", "rate_limit.wait"]
      )
      assert.deepInclude(events[0]?.[2], { "highlevel.retry.attempt": 1, "highlevel.retry.error": "UnexpectedStatus" })
      // The window of 10 s less the delay of the retry.
      const waited = Number(events[1]?.[2]?.["highlevel.rate_limit.wait_milliseconds"])
      assert.isTrue(waited >= 9_500 && waited <= 9_750, String(waited))
    })
  )

  it.effect("metrics of calls, attempts and waits", () =>
    Effect.gen(function* () {
      const headers = { "x-ratelimit-max": "100", "x-ratelimit-remaining": "97" }
      yield* run(scripted({ status: 503 }, { status: 200, headers }), { rateLimit: true })
      const snapshot = yield* Metric.snapshot
      const values = snapshot
        .filter(({ id }) => id.startsWith("highlevel_"))
        .map(
          ({ attributes, id, state }) =>
            [
              id,
              Object.values(attributes ?? {}).join(),
              "count" in state ? Number(state.count) : "value" in state ? Number(state.value) : undefined
            ] as const
        )
        .toSorted(([one, a], [other, b]) => `${one}${a}`.localeCompare(`${other}${b}`))
      assert.deepStrictEqual<unknown>(values, [
        ["highlevel_attempts", "Conversations.update,Success", 1],
        ["highlevel_attempts", "Conversations.update,UnexpectedStatus", 1],
        ["highlevel_calls", "Conversations.update,Success", 1],
        ["highlevel_rate_limit_wait_milliseconds", "", 2]
      ])
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
  )
})
