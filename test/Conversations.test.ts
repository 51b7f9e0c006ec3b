import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { assert, describe, it } from "@effect/vitest"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import { TestClock } from "effect/testing"
import { Conversations, HighLevelClient } from "effect-highlevel"
import * as UndiciHttpClient from "effect-highlevel/UndiciHttpClient"
import { createServer, type ServerResponse } from "node:http"
import packageJson from "../package.json" with { type: "json" }
import { answering, ids, token, updateOver, listening, recordingTracer } from "./harness.ts"

const ok = JSON.stringify({ success: true, conversation: { id: ids.conversationId } })

/** A server that sends what it is told to, and tells when the client left. */
const listen = (answer: (response: ServerResponse) => void) =>
  Effect.gen(function* () {
    const received = yield* Deferred.make<void>()
    const left = yield* Deferred.make<void>()
    const server = createServer((request, response) => {
      request.resume()
      Deferred.doneUnsafe(received, Effect.void)
      response.on("close", () => Deferred.doneUnsafe(left, Effect.void))
      answer(response)
    })
    const port = yield* listening(server, () => (server.closeAllConnections(), server.close()))
    return { baseUrl: `http://127.0.0.1:${port}`, received, left }
  })

describe("the request", () => {
  it.effect("is the documented one", () =>
    Effect.gen(function* () {
      const { layer, requests } = answering(200, ok)
      yield* updateOver(layer, { ...ids, unreadCount: 1, starred: true, feedback: { rating: 5 } })
      const [request] = requests
      assert(request !== undefined)
      assert.strictEqual(request.method, "PUT")
      assert.strictEqual(request.url, `https://services.leadconnectorhq.com/conversations/${ids.conversationId}`)
      assert.deepInclude(
        { ...request.headers },
        {
          authorization: `Bearer ${token}`,
          version: "2021-07-28",
          accept: "application/json",
          "content-type": "application/json",
          "user-agent": `effect-highlevel/${packageJson.version}`
        }
      )
      assert(request.body._tag === "Uint8Array")
      assert.strictEqual(
        new TextDecoder().decode(request.body.body),
        `{"locationId":"${ids.locationId}","unreadCount":1,"starred":true,"feedback":{"rating":5}}`
      )
      assert.notProperty(request.headers, "traceparent")
      assert.notProperty(request.headers, "b3")
    })
  )

  it.effect("takes its version from the call, then from the client", () =>
    Effect.gen(function* () {
      const { layer, requests } = answering(200, ok)
      const program = Effect.gen(function* () {
        yield* Conversations.update(ids)
        yield* Conversations.update(ids, { version: "2021-04-15" })
        return yield* Effect.flip(Conversations.update(ids, { version: "2020-01-01" as "v3" }))
      })
      const error = yield* program.pipe(
        Effect.provide(HighLevelClient.layer({ token: Redacted.make(token), version: "v3" }).pipe(Layer.provide(layer)))
      )
      assert.deepStrictEqual(
        requests.map(({ headers }) => headers["version"]),
        ["v3", "2021-04-15"]
      )
      assert(error._tag === "InvalidRequest")
      assert.strictEqual(error.issues[0].field, "version")
    })
  )

  it.effect("passes transformClient last", () =>
    Effect.gen(function* () {
      const { layer, requests } = answering(200, ok)
      yield* updateOver(layer, ids, {
        transformClient: HttpClient.mapRequest(
          HttpClientRequest.setHeaders({ "user-agent": "my-app/1", "x-seen-url": "yes" })
        )
      })
      assert.strictEqual(requests[0]?.headers["user-agent"], "my-app/1")
      assert.strictEqual(requests[0]?.headers["x-seen-url"], "yes")
    })
  )

  it.effect("carries trace headers when asked to", () =>
    Effect.gen(function* () {
      const sent: Array<string> = []
      const fetch: typeof globalThis.fetch = async (_, init) => {
        sent.push(...new Headers(init?.headers).keys())
        return new Response(ok)
      }
      const layer = FetchHttpClient.layer.pipe(Layer.provideMerge(Layer.succeed(FetchHttpClient.Fetch, fetch)))
      const call = (tracePropagation: boolean) =>
        Conversations.update(ids).pipe(
          Effect.provide(
            HighLevelClient.layer({ token: Redacted.make(token), tracePropagation }).pipe(Layer.provideMerge(layer))
          )
        )
      yield* call(false)
      assert.notInclude(sent, "traceparent")
      yield* call(true)
      assert.include(sent, "traceparent")
    })
  )
})

describe("options", () => {
  const make = (options: Partial<HighLevelClient.TokenOptions>) =>
    HighLevelClient.make({ token: Redacted.make(token), ...options }).pipe(Effect.provide(answering(200, ok).layer))

  it.effect.each([
    "http://services.leadconnectorhq.com",
    "http://127.0.0.1.example.com",
    "http://example.com.127.0.0.1.example.com",
    "http://mylocalhost",
    "http://[::2]",
    "http://10.0.0.1",
    "ftp://127.0.0.1",
    "services.leadconnectorhq.com",
    "",
    "https://user:secret@example.com",
    "https://example.com?token=1",
    "https://example.com#x"
  ])("base URL %j is refused", (baseUrl) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(make({ baseUrl }))
      assert.strictEqual(error._tag, "InvalidOptions")
      assert.strictEqual(error.option, "baseUrl")
    })
  )

  it.effect.each([
    "http://localhost:1",
    "http://my.localhost",
    "http://127.9.9.9",
    "http://127.10.200.30",
    "http://[::1]:80",
    "https://example.com/proxy/"
  ])("base URL %j is taken", (baseUrl) => Effect.asVoid(make({ baseUrl })))

  it.effect.each(["", " \r\n", "two words", "a\nb", "tökén"])("token %j is refused without repeating it", (bad) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(make({ token: Redacted.make(bad) }))
      assert.strictEqual(error.option, "token")
      if (bad.trim() !== "") assert.notInclude(JSON.stringify(error) + error.message, bad)
    })
  )

  it.effect.each([0, -1, Number.NaN, "soon"])("timeout %j is refused", (timeout) =>
    Effect.gen(function* () {
      assert.strictEqual((yield* Effect.flip(make({ timeout: timeout as "1 second" }))).option, "timeout")
      const error = yield* Effect.flip(
        Conversations.update(ids, { timeout: timeout as "1 second" }).pipe(
          Effect.provide(
            HighLevelClient.layer({ token: Redacted.make(token) }).pipe(Layer.provide(answering(200, ok).layer))
          )
        )
      )
      assert(error._tag === "InvalidRequest")
      assert.strictEqual(error.issues[0].field, "timeout")
    })
  )

  it.effect.each(["maxAttempts", "baseDelay", "maxDelay", "maxRetryAfter", "maxDuration"])(
    "retry.%s is named where it is refused",
    (name) =>
      Effect.gen(function* () {
        assert.strictEqual((yield* Effect.flip(make({ retry: { [name]: -1 } }))).option, `retry.${name}`)
      })
  )

  it.effect("that JavaScript gets wrong are named: a plain token, an unknown version", () =>
    Effect.gen(function* () {
      const plain = yield* Effect.flip(make({ token: token as unknown as Redacted.Redacted }))
      assert.strictEqual(plain.option, "token")
      assert.strictEqual((yield* Effect.flip(make({ version: "1999" as "v3" }))).option, "version")
    })
  )

  it.effect("a trailing line break in a token is dropped", () =>
    Effect.gen(function* () {
      const { layer, requests } = answering(200, ok)
      yield* updateOver(layer, ids, { token: Redacted.make(`${token}\r\n`) })
      assert.strictEqual(requests[0]?.headers["authorization"], `Bearer ${token}`)
    })
  )

  const fromEnvironment = (env: Record<string, string>, token = Config.Redacted("HIGHLEVEL_TOKEN")) => {
    const { layer, requests } = answering(200, ok)
    return Conversations.update(ids).pipe(
      Effect.provide(HighLevelClient.layerConfig({ token }).pipe(Layer.provide(layer))),
      Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env })),
      Effect.map(() => requests[0])
    )
  }

  it.effect("come from the environment", () =>
    Effect.gen(function* () {
      const request = yield* fromEnvironment({
        HIGHLEVEL_TOKEN: "from-env",
        HIGHLEVEL_BASE_URL: "http://localhost:9",
        HIGHLEVEL_API_VERSION: "2023-02-21"
      })
      assert.strictEqual(request?.url, `http://localhost:9/conversations/${ids.conversationId}`)
      assert.strictEqual(request?.headers["authorization"], "Bearer from-env")
      assert.strictEqual(request?.headers["version"], "2023-02-21")
      const renamed = yield* fromEnvironment({ MY_TOKEN: "mine" }, Config.Redacted("MY_TOKEN"))
      assert.strictEqual(renamed?.headers["authorization"], "Bearer mine")
    })
  )

  it.effect("that are missing or wrong in the environment fail the layer, typed", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* Effect.flip(fromEnvironment({})))._tag, "ConfigError")
      const wrong = yield* Effect.flip(fromEnvironment({ HIGHLEVEL_TOKEN: "t", HIGHLEVEL_API_VERSION: "1999-01-01" }))
      assert.strictEqual(wrong._tag, "ConfigError")
      const clear = yield* Effect.flip(fromEnvironment({ HIGHLEVEL_TOKEN: "t", HIGHLEVEL_BASE_URL: "http://x.com" }))
      assert.strictEqual(clear._tag, "InvalidOptions")
    })
  )

  it.effect("allow plain HTTP to another machine only where they say so", () =>
    Effect.gen(function* () {
      const env = { HIGHLEVEL_TOKEN: "t", HIGHLEVEL_BASE_URL: "http://sandbox:4010" }
      for (const HIGHLEVEL_ALLOW_INSECURE_HTTP of ["", "false"]) {
        const error = yield* Effect.flip(fromEnvironment({ ...env, HIGHLEVEL_ALLOW_INSECURE_HTTP }))
        assert.strictEqual(error._tag, "InvalidOptions")
      }
      const request = yield* fromEnvironment({ ...env, HIGHLEVEL_ALLOW_INSECURE_HTTP: "true" })
      assert.isTrue(request?.url.startsWith("http://sandbox:4010/"))
      const odd = yield* Effect.flip(fromEnvironment({ ...env, HIGHLEVEL_ALLOW_INSECURE_HTTP: "perhaps" }))
      assert.strictEqual(odd._tag, "ConfigError")

      const { layer, requests } = answering(200, ok)
      const baseUrl = "http://sandbox:4010"
      assert.strictEqual((yield* Effect.flip(updateOver(layer, ids, { baseUrl })))._tag, "InvalidOptions")
      yield* updateOver(layer, ids, { baseUrl, allowInsecureHttp: true })
      assert.strictEqual(requests.length, 1)
    })
  )
})

describe.each([
  ["fetch", FetchHttpClient.layer],
  ["layerUndici", NodeHttpClient.layerUndici],
  ["UndiciHttpClient", UndiciHttpClient.layer]
] as const)("over sockets with %s", (_, httpClient) => {
  it.live("a refused connection is a TransportFailure with its cause", () =>
    Effect.gen(function* () {
      const { baseUrl } = yield* Effect.scoped(listen(() => {}))
      const error = yield* Effect.flip(updateOver(httpClient, ids, { baseUrl }))
      assert(error._tag === "TransportFailure")
      assert.notProperty(error, "status")
      assert.match(error.message, /ECONNREFUSED|Connection refused/)
    })
  )

  it.live("an answer cut off after its headers is a TransportFailure that knows the status", () =>
    Effect.gen(function* () {
      const { baseUrl } = yield* listen((response) => {
        response.writeHead(200, { "content-type": "application/json", "content-length": "1000" })
        response.write(`{"success":true,`, () => response.destroy())
      })
      const error = yield* Effect.flip(updateOver(httpClient, ids, { baseUrl }))
      assert(error._tag === "TransportFailure")
      assert.strictEqual(error.status, 200)
    })
  )

  it.live("interrupting the fiber aborts the request, before the headers and within the body", () =>
    Effect.gen(function* () {
      for (const answer of [
        () => {},
        (response: ServerResponse) => {
          response.writeHead(200, { "content-length": "1000" })
          response.write("{")
        }
      ]) {
        const { baseUrl, left, received } = yield* listen(answer)
        const fiber = yield* Effect.forkChild(updateOver(httpClient, ids, { baseUrl }))
        yield* Deferred.await(received)
        yield* Fiber.interrupt(fiber)
        yield* Deferred.await(left)
      }
    })
  )

  it.live("a redirect is not followed", () =>
    Effect.gen(function* () {
      const { baseUrl } = yield* listen((response) => response.writeHead(302, { location: "/login" }).end())
      const error = yield* Effect.flip(updateOver(httpClient, ids, { baseUrl }))
      assert(error._tag === "UnexpectedStatus")
      assert.strictEqual(error.status, 302)
    })
  )

  it.live("a call's timeout aborts the request", () =>
    Effect.gen(function* () {
      const { baseUrl, left } = yield* listen(() => {})
      const error = yield* Effect.flip(updateOver(httpClient, ids, { baseUrl, timeout: "50 millis" }))
      assert(error._tag === "RequestTimeout")
      assert.strictEqual(error.timeoutMillis, 50)
      yield* Deferred.await(left)
    })
  )
})

describe("time", () => {
  it.effect("a call waits 30 seconds by default", () =>
    Effect.gen(function* () {
      const silent = Layer.succeed(
        HttpClient.HttpClient,
        HttpClient.make(() => Effect.never)
      )
      const fiber = yield* Effect.forkChild(Effect.flip(updateOver(silent)))
      yield* TestClock.adjust("29999 millis")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      const error = yield* Fiber.join(fiber)
      assert(error._tag === "RequestTimeout")
      assert.strictEqual(error.timeoutMillis, 30_000)
    })
  )
})

describe("the span", () => {
  it.effect("Conversations.update has the ids and stands above the HTTP span", () =>
    Effect.gen(function* () {
      const { spans, tracer } = recordingTracer()
      yield* updateOver(answering(200, ok).layer).pipe(Effect.withTracer(tracer))
      const update = spans.find(({ name }) => name === "Conversations.update")
      const http = spans.find(({ kind }) => kind === "client")
      assert(update !== undefined && http !== undefined)
      assert.deepStrictEqual(
        [update.attributes.get("highlevel.conversation_id"), update.attributes.get("highlevel.location_id")],
        [ids.conversationId, ids.locationId]
      )
      assert.strictEqual(Option.getOrThrow(http.parent).spanId, update.spanId)
    })
  )
})
