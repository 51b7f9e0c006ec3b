/**
 * Each fault, 200 updates: every update ends applied or in its typed error, and
 * the sandbox's own record agrees with what the client reported, one by one.
 */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import { Conversations } from "effect-highlevel"
import { Sandbox } from "effect-highlevel/testing"
import { createServer } from "node:http"

const locationId = "location"
const conversations = Array.from({ length: 200 }, (_, index) => ({
  id: `conversation-${index}`,
  locationId,
  starred: false
}))

const sandboxOptions: Sandbox.Options = {
  conversations,
  rateLimit: { max: 100_000, intervalMillis: 1000, daily: 10_000_000 }
}

const clientOptions: Conversations.TokenOptions = {
  token: Redacted.make(Sandbox.defaultToken),
  attemptTimeout: "1 second",
  retry: { maxAttempts: 3, baseDelay: "1 millis", maxRetryAfter: "1 millis" },
  // The quota is another test's; here it would hold the bucket after every 429.
  quota: false
}

const forms = [
  ["in memory", Conversations.layer(clientOptions).pipe(Layer.provideMerge(Sandbox.layer(sandboxOptions)))],
  ...(
    [
      ["over fetch", FetchHttpClient.layer],
      ["over undici", NodeHttpClient.layerUndici]
    ] as const
  ).map(
    ([name, httpClient]) =>
      [
        name,
        Layer.unwrap(Effect.map(Sandbox.url, (baseUrl) => Conversations.layer({ ...clientOptions, baseUrl }))).pipe(
          Layer.provide(httpClient),
          Layer.provideMerge(Sandbox.layerServer(sandboxOptions)),
          Layer.provide(NodeHttpServer.layer(() => createServer(), { port: 0, host: "127.0.0.1" }))
        )
      ] as const
  )
] as const

type Inflict = (sandbox: Sandbox.Service) => Effect.Effect<void>

const fault =
  (kind: Sandbox.Fault["kind"], times: number, delay?: Sandbox.Fault["delay"]): Inflict =>
  (sandbox) =>
    sandbox.fault({ kind, times, delay })

const html = "<!doctype html><html><body>502 Bad Gateway</body></html>"

const faults: ReadonlyArray<readonly [name: string, inflict: Inflict, expectsErrors: boolean]> = [
  ["none", () => Effect.void, false],
  ["disconnect", fault("disconnect", 150), false],
  ["disconnect for good", fault("disconnect", Infinity), true],
  ["reset in the body", fault("reset-body", 150), false],
  ["slow headers", fault("slow-headers", 100, "10 millis"), false],
  ["slow body", fault("slow-body", 100, "10 millis"), false],
  ["headers slower than the timeout", fault("slow-headers", 20, "4 seconds"), false],
  ["truncated JSON", fault("truncated-json", 50), true],
  ["HTML 502", (sandbox) => sandbox.refuse({ status: 502, body: html, times: 150 }), false],
  ["429 without Retry-After", (sandbox) => sandbox.refuse({ status: 429, times: 150 }), false],
  [
    "429 with Retry-After",
    (sandbox) => sandbox.refuse({ status: 429, headers: { "retry-after": "1" }, times: 150 }),
    false
  ],
  ["422 among them", (sandbox) => sandbox.refuse({ status: 422, times: 50 }), true]
]

const table: Array<Record<string, unknown>> = []
afterAll(() => console.table(table))

describe.each(forms)("200 updates %s", (form, layer) => {
  it.live.each(faults)(
    "%s",
    ([name, inflict, expectsErrors]) =>
      Effect.gen(function* () {
        const sandbox = yield* Sandbox.Sandbox
        yield* inflict(sandbox)
        const results = yield* Effect.forEach(
          conversations,
          ({ id }) => Effect.result(Conversations.update({ conversationId: id, locationId, starred: true })),
          { concurrency: 20 }
        )
        const applied = new Set((yield* sandbox.applied).map(({ conversationId }) => conversationId))
        const counts: Record<string, number> = {}
        results.forEach((result, index) => {
          const id = conversations[index]?.id ?? ""
          const tag = Result.isSuccess(result) ? "applied" : result.failure._tag
          counts[tag] = (counts[tag] ?? 0) + 1
          if (Result.isSuccess(result) || result.failure._tag === "AppliedUnreadable") {
            assert.isTrue(applied.has(id), `${id} was reported applied and was not`)
          } else if (["Unprocessable", "BadRequest", "Unauthorized"].includes(result.failure._tag)) {
            assert.isFalse(applied.has(id), `${id} was reported refused and was applied`)
          }
          if (Result.isFailure(result) && result.failure._tag !== "InvalidRequest") {
            assert.isAtMost(result.failure.attempts, 3)
          }
        })
        assert.lengthOf(results, conversations.length)
        if (!expectsErrors && name !== "disconnect") assert.isAtLeast(counts["applied"] ?? 0, 150)
        table.push({ form, fault: name, requests: (yield* sandbox.requests).length, ...counts })
      }).pipe(Effect.provide(Layer.fresh(layer))),
    60_000
  )
})
