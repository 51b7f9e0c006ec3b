import { assert, describe, it } from "@effect/vitest"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import { TestClock } from "effect/testing"
import {
  AccessToken,
  Conversations,
  GetConversation,
  HighLevelClient,
  HighLevelError,
  Operation,
  RateLimiter,
  UpdateConversation
} from "effect-highlevel"
import { Sandbox } from "effect-highlevel/testing"
import * as UndiciHttpClient from "effect-highlevel/UndiciHttpClient"
import { createServer } from "node:net"
import { ids, inMemory, listening, running, token } from "./harness.ts"

type Reply = (request: HttpClientRequest.HttpClientRequest, count: number) => Response | "never" | Error

/** A server of one function, with the requests it got. */
const server = (reply: Reply) => {
  const requests: Array<{
    readonly method: string
    readonly url: string
    readonly headers: Record<string, string>
    readonly at: number
  }> = []
  const layer = Layer.succeed(
    HttpClient.HttpClient,
    HttpClient.make((request, url) =>
      Effect.flatMap(Clock.currentTimeMillis, (at) => {
        requests.push({ method: request.method, url: url.href, headers: { ...request.headers }, at })
        const response = reply(request, requests.length)
        if (response === "never") return Effect.never
        if (response instanceof Error) {
          return Effect.fail(
            new HttpClientError.HttpClientError({
              reason: new HttpClientError.TransportError({ request, cause: response })
            })
          )
        }
        return Effect.succeed(HttpClientResponse.fromWeb(request, response))
      })
    )
  )
  return { layer, requests }
}

const clientOver = (
  { layer }: { readonly layer: Layer.Layer<HttpClient.HttpClient> },
  options?: Partial<HighLevelClient.TokenOptions>
) => HighLevelClient.make({ token: Redacted.make(token), ...options }).pipe(Effect.provide(layer))

const json = (body: unknown, status = 200, headers: Record<string, string> = {}) =>
  Response.json(body, { status, headers })
const ok = { success: true, conversation: {} }

describe("execute", () => {
  it.effect("runs an operation of the application's own, with ids in path, query and body", () =>
    Effect.gen(function* () {
      const contactId = Operation.identifier("Contact ID")
      const addTags = Operation.make({
        name: "Contacts.addTags",
        documentation: "https://marketplace.gohighlevel.com/docs/ghl/contacts/add-tags",
        method: "POST",
        path: "/contacts/:contactId/tags",
        input: Schema.Struct({
          contactId,
          locationId: Operation.LocationId,
          dryRun: Schema.Boolean,
          tags: Schema.Array(Schema.String),
          since: Schema.DateTimeUtcFromString
        }),
        params: { contactId },
        query: { dryRun: Schema.Boolean },
        headers: { version: Operation.ApiVersion },
        payload: Schema.Struct({ tags: Schema.Array(Schema.String), since: Schema.DateTimeUtcFromString }),
        success: Schema.Struct({ tags: Schema.Array(Schema.String) }),
        error: [],
        isIdempotent: false,
        isWrite: true
      })
      let body = ""
      const { layer, requests } = server((request) => {
        body = request.body._tag === "Uint8Array" ? new TextDecoder().decode(request.body.body) : ""
        return json({ tags: ["a"] })
      })
      const client = yield* clientOver({ layer })
      const since = yield* Schema.decodeEffect(Schema.DateTimeUtcFromString)("2026-01-02T03:04:05.000Z")
      const result = yield* client.execute(addTags, {
        contactId: "a/b",
        locationId: "l",
        dryRun: true,
        tags: ["a"],
        since
      })
      assert.deepStrictEqual(result, { output: { tags: ["a"] }, attempts: 1 })
      assert.strictEqual(requests[0]?.url, "https://services.leadconnectorhq.com/contacts/a%2Fb/tags?dryRun=true")
      assert.strictEqual(body, `{"tags":["a"],"since":"2026-01-02T03:04:05.000Z"}`)
    })
  )

  it.effect("names the field of an input that cannot be encoded, and sends nothing", () =>
    Effect.gen(function* () {
      const even = Schema.String.pipe(
        Schema.decodeTo(
          Schema.Number,
          SchemaTransformation.transformEffect({
            decode: (text: string) => Effect.succeed(Number(text)),
            encode: (number: number) =>
              number % 2 === 0
                ? Effect.succeed(String(number))
                : Effect.fail(new SchemaIssue.InvalidValue({ expected: "an even number" }, number))
          })
        )
      )
      const setScore = Operation.make({
        name: "Contacts.setScore",
        documentation: "https://marketplace.gohighlevel.com/docs",
        method: "PUT",
        path: "/contacts/score",
        input: Schema.Struct({ locationId: Operation.LocationId, score: even }),
        payload: Schema.Struct({ score: even }),
        success: Schema.Struct({}),
        error: [],
        isIdempotent: true,
        isWrite: true
      })
      const { layer, requests } = server(() => json({}))
      const client = yield* clientOver({ layer })
      const error = yield* Effect.flip(client.execute(setScore, { locationId: "l", score: 3 }))
      assert(error._tag === "InvalidRequest")
      assert.deepStrictEqual(error.issues, [{ field: "score", message: "Expected an even number" }])
      assert.strictEqual(requests.length, 0)
    })
  )

  it.effect("does not repeat an operation that may not be, except after a 429", () =>
    Effect.gen(function* () {
      const declared = { ...UpdateConversation.updateConversation, isIdempotent: false }
      for (const [status, expected] of [
        [503, 1],
        [429, 2]
      ] as const) {
        const { layer, requests } = server((_, count) => (count === 1 ? json({}, status) : json(ok)))
        const client = yield* clientOver({ layer })
        yield* running(Effect.exit(client.execute(declared, ids)))
        assert.lengthOf(requests, expected)
      }
    })
  )

  it.effect("counts attempts where they are made: not those of another call", () =>
    Effect.gen(function* () {
      const { layer } = server((_, count) => (count === 1 ? json({}, 503) : json(ok)))
      const client = yield* clientOver({ layer })
      const first = yield* running(client.execute(UpdateConversation.updateConversation, ids))
      const second = yield* client.execute(GetConversation.getConversation, ids)
      assert.deepStrictEqual([first.attempts, second.attempts], [2, 1])
    })
  )

  it.effect("that finishes what is in flight ends its waits at once, and keeps its result", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const layer = Layer.succeed(
        HttpClient.HttpClient,
        HttpClient.make((request) =>
          Effect.as(
            Deferred.await(gate),
            HttpClientResponse.fromWeb(request, json(ok, 200, { "x-ratelimit-max": "1" }))
          )
        )
      )
      const client = yield* clientOver({ layer })
      const call = client.execute(UpdateConversation.updateConversation, ids, { finishInFlight: true })
      const sent = yield* Effect.forkChild(call, { uninterruptible: true })
      const waits = yield* Effect.forkChild(call, { uninterruptible: true })
      for (let turn = 0; turn < 20; turn++) yield* Effect.yieldNow
      yield* Fiber.interrupt(waits)
      const interrupting = yield* Effect.forkChild(Fiber.interrupt(sent))
      for (let turn = 0; turn < 20; turn++) yield* Effect.yieldNow
      assert.isUndefined(sent.pollUnsafe())
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(interrupting)
      const exit = yield* Fiber.await(sent)
      assert(Exit.isSuccess(exit))
      assert.strictEqual(exit.value.attempts, 1)
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(waits)))
    })
  )

  it.effect("in a finalizer of an interrupted fiber still sends", () =>
    Effect.gen(function* () {
      const { layer, requests } = server(() => json(ok))
      const client = yield* clientOver({ layer })
      const fiber = yield* Effect.never.pipe(
        Effect.onInterrupt(() => Effect.ignore(client.execute(UpdateConversation.updateConversation, ids))),
        Effect.forkChild({ startImmediately: true })
      )
      yield* Fiber.interrupt(fiber)
      assert.lengthOf(requests, 1)
    })
  )
})

describe("the gateway's timeout, a 401 that is none", () => {
  it.effect("is retried with the same token, and never renewed", () =>
    Effect.gen(function* () {
      const { layer, requests } = server((_, count) =>
        count < 3 ? json({ message: "Command timed out" }, 401) : json(ok)
      )
      let renewals = 0
      const tokens = Layer.succeed(AccessToken.AccessToken, {
        app: "app",
        get: () => Effect.succeed(Redacted.make(token)),
        renew: () => Effect.sync(() => ++renewals > 0)
      })
      const client = yield* HighLevelClient.make().pipe(Effect.provide([layer, tokens]))
      const { attempts } = yield* running(client.execute(UpdateConversation.updateConversation, ids))
      assert.deepStrictEqual([attempts, requests.length, renewals], [3, 3, 0])
    })
  )

  it.effect("that stays is transient, and it is not known whether the update was applied", () =>
    Effect.gen(function* () {
      const { layer } = server(() => json({ message: "Command timed out" }, 401))
      const client = yield* clientOver({ layer })
      const error = yield* running(Effect.flip(client.execute(UpdateConversation.updateConversation, ids)))
      assert(error._tag === "Unauthorized")
      assert.deepStrictEqual(
        [error.reason, HighLevelError.isTransient(error), HighLevelError.applied(error)],
        ["GatewayTimeout", true, "unknown"]
      )
      assert.isFalse(HighLevelError.isConfiguration(error))
    })
  )
})

describe("whether an update was applied", () => {
  const cases: ReadonlyArray<
    readonly [title: string, replies: ReadonlyArray<Response | Error>, tag: string, applied: string]
  > = [
    ["a refusal", [json({}, 422)], "Unprocessable", "no"],
    ["a refusal after a lost response", [new Error("reset"), json({}, 422)], "Unprocessable", "unknown"],
    ["a refusal after a 503", [json({}, 503), json({}, 400)], "BadRequest", "unknown"],
    ["a refusal after a 429", [json({}, 429), json({}, 400)], "BadRequest", "no"],
    ["an unreadable 2xx after a lost response", [new Error("reset"), json({})], "UnreadableResponse", "yes"],
    [
      "an end of the day after a lost response",
      [new Error("reset"), json({}, 429, { "x-ratelimit-daily-remaining": "0" })],
      "DailyLimitExceeded",
      "unknown"
    ],
    ["an end of the day", [json({}, 429, { "x-ratelimit-daily-remaining": "0" })], "DailyLimitExceeded", "no"]
  ]
  it.effect.each(cases)("%s", ([, replies, tag, applied]) =>
    Effect.gen(function* () {
      const { layer } = server((_, count) => {
        const reply = replies[count - 1] ?? assert.fail()
        return reply instanceof Response ? reply.clone() : reply
      })
      const client = yield* clientOver({ layer })
      const error = yield* running(Effect.flip(client.execute(UpdateConversation.updateConversation, ids)))
      assert.deepStrictEqual([error._tag, HighLevelError.applied(error)], [tag, applied])
    })
  )
})

it.effect("a limit that resets when no date can be is not believed", () =>
  Effect.gen(function* () {
    const headers = { "x-ratelimit-daily-remaining": "0", "x-ratelimit-daily-reset": "1e300" }
    const client = yield* clientOver(server(() => json({}, 429, headers)))
    const error = yield* running(Effect.flip(client.execute(UpdateConversation.updateConversation, ids)))
    assert.strictEqual(error._tag, "DailyLimitExceeded")
  })
)

describe("a read has changed nothing", () => {
  it.effect("whatever was lost before it was refused, or came too late", () =>
    Effect.gen(function* () {
      for (const [second, tag] of [
        [json({}, 400), "BadRequest"],
        ["never", "RequestTimeout"]
      ] as const) {
        const { layer } = server((_, count) => (count === 1 ? new Error("reset") : second))
        const client = yield* clientOver({ layer }, { retry: { maxAttempts: 2 } })
        const error = yield* running(Effect.flip(client.execute(GetConversation.getConversation, ids)))
        assert.deepStrictEqual([error._tag, HighLevelError.applied(error)], [tag, "no"])
      }
    })
  )
})

describe("a permit", () => {
  it.effect.each([
    ["fails", Effect.fail(new AccessToken.AccessTokenError({ reason: "Refused", messages: [] }))],
    ["is interrupted", Effect.never]
  ] as const)("is free again when the token %s", ([, first]) =>
    Effect.gen(function* () {
      const asked = yield* Deferred.make<void>()
      const tokens = Layer.succeed(AccessToken.AccessToken, {
        app: "app",
        get: () =>
          Effect.suspend(() => (Deferred.doneUnsafe(asked, Exit.void) ? first : Effect.succeed(Redacted.make(token))))
      })
      const { layer, requests } = server(() => json(ok))
      const client = yield* HighLevelClient.make().pipe(Effect.provide([layer, tokens]))
      const update = client.execute(UpdateConversation.updateConversation, ids)
      const fiber = yield* Effect.forkChild(Effect.exit(update))
      yield* Deferred.await(asked)
      yield* Fiber.interrupt(fiber)
      // The first one of a location is a probe: the next would wait for its response.
      yield* update
      assert.lengthOf(requests, 1)
    })
  )
})

describe("a call's timeout says what it was waiting for", () => {
  const timedOut = (client: HighLevelClient.Service): Effect.Effect<HighLevelError.RequestTimeout, unknown> =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(
        Effect.flip(client.execute(UpdateConversation.updateConversation, ids, { timeout: "10 seconds" }))
      )
      yield* TestClock.adjust("10 seconds")
      const error = yield* Fiber.join(fiber)
      assert(error._tag === "RequestTimeout", error._tag)
      assert.deepStrictEqual([error.scope, error.timeoutMillis], ["call", 10_000])
      return error
    })

  it.effect("the response", () =>
    Effect.gen(function* () {
      const error = yield* timedOut(yield* clientOver(server(() => "never")))
      assert.deepStrictEqual([error.waitingFor, error.attempts, error.applied], ["response", 1, "unknown"])
    })
  )

  it.effect("the response of a later attempt, with what the first one failed with", () =>
    Effect.gen(function* () {
      const { layer } = server((_, count) => (count === 1 ? new Error("ECONNRESET") : "never"))
      const error = yield* timedOut(yield* clientOver({ layer }))
      assert.deepStrictEqual([error.waitingFor, error.attempts], ["response", 2])
      assert.match(error.message, /waited for the response for longer than 10000 ms, after: .*ECONNRESET/)
    })
  )

  it.effect("the token", () =>
    Effect.gen(function* () {
      const tokens = Layer.succeed(AccessToken.AccessToken, { app: "app", get: () => Effect.never })
      yield* TestClock.adjust("1 hour")
      const client = yield* HighLevelClient.make().pipe(Effect.provide([server(() => json(ok)).layer, tokens]))
      const error = yield* timedOut(client)
      assert.deepStrictEqual([error.waitingFor, error.attempts, error.applied], ["token", 0, "no"])
    })
  )

  it.effect("the rate limit", () =>
    Effect.gen(function* () {
      const { layer } = server(() =>
        json(ok, 200, { "x-ratelimit-max": "1", "x-ratelimit-interval-milliseconds": "60000" })
      )
      const client = yield* clientOver({ layer })
      yield* client.execute(UpdateConversation.updateConversation, ids)
      const error = yield* timedOut(client)
      assert.deepStrictEqual([error.waitingFor, error.attempts, error.applied], ["rate limit", 0, "no"])
    })
  )

  it.effect("its store, with the store's failure", () =>
    Effect.gen(function* () {
      const limiter = RateLimiter.makeWith({
        acquire: () => Effect.fail(new Error("Redis is down")),
        release: () => Effect.void
      })
      const client = yield* clientOver(server(() => json(ok))).pipe(
        Effect.provideService(RateLimiter.RateLimiter, limiter)
      )
      const error = yield* timedOut(client)
      assert.deepStrictEqual([error.waitingFor, error.attempts], ["rate limit store", 0])
      assert.include(error.message, "Redis is down")
    })
  )

  it.effect("and a retry that would come too late is not waited for", () =>
    Effect.gen(function* () {
      const { layer } = server(() => json({ message: "later" }, 503, { "retry-after": "60" }))
      const client = yield* clientOver({ layer })
      const started = yield* Clock.currentTimeMillis
      const error = yield* Effect.flip(
        client.execute(UpdateConversation.updateConversation, ids, { timeout: "10 seconds" })
      )
      assert.strictEqual(error._tag, "UnexpectedStatus")
      assert.strictEqual(yield* Clock.currentTimeMillis, started)
    })
  )
})

describe("http", () => {
  it.effect("sends what the client sends: token, Version, User-Agent, base URL, query", () =>
    Effect.gen(function* () {
      const { layer, requests } = server(() => json({ contacts: [] }))
      const client = yield* clientOver({ layer })
      const response = yield* client.http("l").get("/contacts/", { urlParams: { locationId: "l" } })
      assert.deepStrictEqual<unknown>(yield* response.json, { contacts: [] })
      const [request] = requests
      assert.strictEqual(request?.url, "https://services.leadconnectorhq.com/contacts/?locationId=l")
      assert.deepInclude(request?.headers, {
        authorization: `Bearer ${token}`,
        version: "2021-07-28",
        accept: "application/json"
      })
      assert.match(request?.headers["user-agent"] ?? "", /^effect-highlevel\//)
    })
  )

  it.effect("lets a request bring headers of its own, but not to another server", () =>
    Effect.gen(function* () {
      const { layer, requests } = server(() => json({}))
      const http = (yield* clientOver({ layer })).http("l")
      yield* http.get("/x", { headers: { version: "v3" } })
      yield* http.get("https://services.leadconnectorhq.com/y")
      assert.strictEqual(requests[0]?.headers["version"], "v3")
      assert.strictEqual(requests[1]?.url, "https://services.leadconnectorhq.com/y")
      for (const url of [
        "https://example.com/x",
        "//example.com/x",
        "https://services.leadconnectorhq.com.example.com/",
        "contacts"
      ]) {
        const error = yield* Effect.flip(http.get(url))
        assert(error._tag === "HttpClientError")
        assert.strictEqual(error.reason._tag, "InvalidUrlError")
      }
      assert.lengthOf(requests, 2)
    })
  )

  it.effect("shares the rate limit of the client's operations", () =>
    Effect.gen(function* () {
      const { layer, requests } = server(() =>
        json(ok, 200, { "x-ratelimit-max": "1", "x-ratelimit-interval-milliseconds": "10000" })
      )
      const client = yield* clientOver({ layer })
      yield* client.execute(UpdateConversation.updateConversation, ids)
      yield* running(client.http(ids.locationId).get("/contacts/"))
      assert.isAtLeast(requests[1]?.at ?? 0, 10_000)
    })
  )

  it.effect.each([
    ["GET", false, 2],
    ["PUT", false, 2],
    ["DELETE", false, 2],
    ["POST", false, 1],
    ["PATCH", false, 1],
    ["POST", true, 2]
  ] as const)("%s with retryAll %s is sent %i times when a 503 comes first", ([method, retryAll, expected]) =>
    Effect.gen(function* () {
      const { layer, requests } = server((_, count) => json({}, count === 1 ? 503 : 200))
      const http = (yield* clientOver({ layer })).http("l", { retryAll })
      const response = yield* running(http.execute(HttpClientRequest.make(method)("/x")))
      assert.lengthOf(requests, expected)
      assert.strictEqual(response.status, expected === 2 ? 200 : 503)
    })
  )

  it.effect("returns a response with any status, and retries a POST after a 429", () =>
    Effect.gen(function* () {
      const { layer, requests } = server((_, count) => json({ message: "x" }, count === 1 ? 429 : 404))
      const http = (yield* clientOver({ layer })).http("l")
      const response = yield* running(http.post("/x"))
      assert.deepStrictEqual([response.status, requests.length], [404, 2])
    })
  )

  it.effect("renews a refused token once, and does not hide a second refusal", () =>
    Effect.gen(function* () {
      const { layer, requests } = server(() => json({ message: "Invalid JWT" }, 401))
      let renewals = 0
      const tokens = Layer.succeed(AccessToken.AccessToken, {
        app: "app",
        get: () => Effect.sync(() => Redacted.make(`token-${renewals}`)),
        renew: () => Effect.sync(() => ++renewals > 0)
      })
      const client = yield* HighLevelClient.make().pipe(Effect.provide([layer, tokens]))
      const response = yield* client.http("l").post("/x")
      assert.strictEqual(response.status, 401)
      assert.deepStrictEqual(
        requests.map(({ headers }) => headers["authorization"]),
        ["Bearer token-0", "Bearer token-1"]
      )
    })
  )

  it.effect("does not renew a token that is refused for another reason", () =>
    Effect.gen(function* () {
      const message = "The token is not authorized for this scope."
      const { layer, requests } = server(() => json({ message }, 401))
      const tokens = Layer.succeed(AccessToken.AccessToken, {
        app: "app",
        get: () => Effect.succeed(Redacted.make(token)),
        renew: () => Effect.die("renewed")
      })
      const client = yield* HighLevelClient.make().pipe(Effect.provide([layer, tokens]))
      const response = yield* client.http("l").post("/x")
      assert.deepStrictEqual([response.status, requests.length], [401, 1])
    })
  )

  it.effect("repeats a 401 that is the time-out of a gateway", () =>
    Effect.gen(function* () {
      const { layer, requests } = server((_, count) =>
        count === 1 ? json({ message: "Command timed out" }, 401) : json({})
      )
      const http = (yield* clientOver({ layer }, { retry: { baseDelay: "1 millis" } })).http("l")
      const response = yield* running(http.get("/x"))
      assert.deepStrictEqual([response.status, requests.length], [200, 2])
    })
  )

  it.effect("names what keeps a request from being sent", () =>
    Effect.gen(function* () {
      const tokens = Layer.succeed(AccessToken.AccessToken, {
        app: "app",
        get: () => Effect.fail(new AccessToken.AccessTokenError({ reason: "ReconnectRequired", messages: ["gone"] }))
      })
      const client = yield* HighLevelClient.make().pipe(Effect.provide([server(() => json({})).layer, tokens]))
      const error = yield* Effect.flip(client.http("l").get("/x"))
      assert(error._tag === "ReconnectRequired")
      assert.deepStrictEqual([error.operation, error.locationId, error.attempts], ["HighLevelClient.http", "l", 0])
    })
  )

  it.effect("keeps the token out of responses and errors", () =>
    Effect.gen(function* () {
      const { layer } = server((request, count) =>
        count === 1 ? json({}) : new Error(`cannot send ${JSON.stringify({ ...request.headers })}`)
      )
      const http = (yield* clientOver({ layer }, { retry: false })).http("l")
      const response = yield* http.get("/x")
      assert.notInclude(JSON.stringify({ ...response.request.headers }), token)
      const error = yield* Effect.flip(http.get("/x"))
      assert(error._tag === "HttpClientError")
      assert.notInclude(JSON.stringify({ ...error.request.headers }), token)
      assert.notInclude(error.message + String(error.reason.cause), token)
      assert.include(String(error.reason.cause), "cannot send")
    })
  )

  it.live("over sockets reads bodies of every status, and a cut one is a TransportError", () =>
    Effect.gen(function* () {
      for (const httpClient of [FetchHttpClient.layer, NodeHttpClient.layerUndici, UndiciHttpClient.layer]) {
        for (const [head, expected] of [
          ["HTTP/1.1 204 No Content\r\n\r\n", 204],
          ["HTTP/1.1 304 Not Modified\r\n\r\n", 304],
          ["HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", 200],
          ["HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\nok", "HttpClientError"],
          ["HTTP/1.1 999 What\r\ncontent-length: 2\r\n\r\nok", "HttpClientError"]
        ] as const) {
          const outcome = yield* Effect.scoped(
            Effect.gen(function* () {
              const socketServer = createServer((socket) => socket.once("data", () => socket.end(head)))
              const port = yield* listening(socketServer)
              const client = yield* HighLevelClient.make({
                token: Redacted.make(token),
                baseUrl: `http://127.0.0.1:${port}`,
                retry: false
              })
              return yield* client
                .http("l")
                .get("/x")
                .pipe(
                  Effect.map(({ status }): number | string => status),
                  Effect.catch((error) => Effect.succeed(error._tag))
                )
            }).pipe(Effect.provide(httpClient))
          )
          assert.strictEqual(outcome, expected, head)
        }
      }
    })
  )
})

describe("an update and a read of one client", () => {
  it.effect("share one rate limit", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      yield* sandbox.limit({ max: 2, intervalMillis: 10_000 })
      yield* running(
        Effect.all([Conversations.update({ ...ids, starred: true }), Conversations.get(ids), Conversations.get(ids)])
      )
      const requests = yield* sandbox.requests
      assert.deepStrictEqual(
        requests.map(({ status }) => status),
        [200, 200, 200]
      )
      assert.isAtLeast(requests[2]?.receivedAt ?? 0, 10_000)
    }).pipe(Effect.provide(inMemory()))
  )
})
