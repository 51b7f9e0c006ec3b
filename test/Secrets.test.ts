import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Headers from "effect/http/Headers"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import { Conversations, HighLevelClient, OAuth, TokenStore } from "effect-highlevel"
import * as UndiciHttpClient from "effect-highlevel/UndiciHttpClient"
import { createServer } from "node:http"
import { createServer as createSocketServer } from "node:net"
import { inspect } from "node:util"
import { answering, ids, token, listening, recordingTracer, running, runningLive } from "./harness.ts"

/** Everything that can be reached from a value, getters and symbols too, as text. */
const reachable = (value: unknown): string => {
  const seen = new Set<unknown>()
  const texts: Array<string> = []
  const visit = (current: unknown) => {
    if (typeof current === "string") texts.push(current)
    if ((typeof current !== "object" && typeof current !== "function") || current === null || seen.has(current)) return
    seen.add(current)
    // A redacted value is the one place where a token may be.
    if (Redacted.isRedacted(current)) return
    if (current instanceof Map || current instanceof Set) for (const entry of current) visit(entry)
    for (const key of Reflect.ownKeys(current)) {
      if (typeof key === "string") texts.push(key)
      try {
        visit(Reflect.get(current, key))
      } catch {
        // A getter that throws tells nothing.
      }
    }
  }
  visit(value)
  return texts.join("\n")
}

/** Runs a failing effect and collects all that an application could observe of it. */
const observeFailure = Effect.fnUntraced(function* <E>(
  failing: Effect.Effect<unknown, E>,
  // What the HTTP client itself records on its own span is the application's business.
  withHttpSpan = true
) {
  const lines: Array<string> = []
  const { spans, tracer } = recordingTracer()
  const loggers = [Logger.formatSimple, Logger.formatLogFmt, Logger.formatJson, Logger.formatStructured].map((format) =>
    Logger.make((entry) => {
      const line: unknown = format.log(entry)
      lines.push(typeof line === "string" ? line : inspect(line, { depth: Infinity, showHidden: true }))
    })
  )
  const cause = yield* failing.pipe(
    Effect.tapCause((cause) => Effect.logError("update failed", cause)),
    Effect.sandbox,
    Effect.flip,
    Effect.withTracer(tracer),
    Effect.provide(Logger.layer(loggers)),
    Effect.provideService(References.MinimumLogLevel, "All"),
    // An application that records every header, and hides none.
    Effect.provideService(Headers.CurrentRedactedNames, []),
    Effect.provideService(HttpClient.TracerHeaderFilter, () => true)
  )
  const error = Cause.squash(cause)
  assert(error instanceof Error)
  return [
    ...lines,
    Cause.pretty(cause),
    inspect(cause, { depth: Infinity, showHidden: true }),
    inspect(error, { depth: Infinity, showHidden: true, getters: true }),
    JSON.stringify(error),
    JSON.stringify(cause),
    String(error),
    error.message,
    error.stack ?? "",
    reachable(error),
    reachable(cause.reasons.map((reason) => ("error" in reason ? reason.error : reason))),
    ...spans
      .filter(({ kind }) => withHttpSpan || kind !== "client")
      .map(({ attributes, events, name, status }) =>
        // As exporters do: a failed span has the message and the stack of its cause.
        [
          inspect([name, [...attributes], events], { depth: Infinity, showHidden: true }),
          status._tag === "Ended" && Exit.isFailure(status.exit) ? Cause.pretty(status.exit.cause) : ""
        ].join("\n")
      )
  ].join("\n")
})

/** The same of an update, and of the service. */
const observe = (
  httpClient: Layer.Layer<HttpClient.HttpClient>,
  options?: Partial<HighLevelClient.Options>,
  withHttpSpan?: boolean
) =>
  observeFailure(
    Effect.gen(function* () {
      const client = yield* HighLevelClient.HighLevelClient
      yield* Effect.log(inspect(client, { depth: Infinity, showHidden: true }))
      return yield* Conversations.update(ids)
    }).pipe(
      Effect.provide(
        HighLevelClient.layer({ token: Redacted.make(token), retry: false, ...options }).pipe(Layer.provide(httpClient))
      )
    ),
    withHttpSpan
  )

const echo = JSON.stringify({ message: `no such token: ${token}`, headers: { authorization: `Bearer ${token}` } })

describe("the token is nowhere", () => {
  it.effect.each([
    [400, echo],
    [401, echo],
    [422, echo],
    [500, echo],
    [200, `<html>${token}</html>`],
    [200, `{"success":false,"message":"${token}"}`]
  ] as const)("in a %i that sends it back", ([status, body]) =>
    Effect.gen(function* () {
      const observed = yield* observe(answering(status, body).layer)
      assert.include(observed, ids.conversationId)
      assert.notInclude(observed, token)
    })
  )

  it.effect("in a failure of an HTTP client that keeps its request", () =>
    Effect.gen(function* () {
      const observed = yield* observe(
        Layer.succeed(
          HttpClient.HttpClient,
          HttpClient.make((request) =>
            Effect.fail(
              new HttpClientError.HttpClientError({
                reason: new HttpClientError.TransportError({ request, cause: new Error("no route") })
              })
            )
          )
        )
      )
      assert.include(observed, "no route")
      assert.notInclude(observed, token)
    })
  )

  for (const [name, httpClient] of [
    ["fetch", FetchHttpClient.layer],
    ["layerUndici", NodeHttpClient.layerUndici],
    ["UndiciHttpClient", UndiciHttpClient.layer]
  ] as const) {
    it.live(`in a connection that breaks off, with ${name}`, () =>
      Effect.gen(function* () {
        const server = createServer((_, response) => {
          response.writeHead(200, { "content-length": "100" })
          response.write("{", () => response.destroy())
        })
        const port = yield* listening(server)
        const observed = yield* observe(httpClient, { baseUrl: `http://127.0.0.1:${port}` })
        assert.include(observed, "TransportFailure")
        assert.notInclude(observed, token)
      })
    )
  }

  it.effect("in a cf-ray that repeats it", () =>
    Effect.gen(function* () {
      assert.notInclude(yield* observe(answering(500, "{}", { "cf-ray": token }).layer, {}, false), token)
    })
  )

  it.effect("in a failure whose text repeats the request", () =>
    Effect.gen(function* () {
      const observed = yield* observe(
        Layer.succeed(
          HttpClient.HttpClient,
          HttpClient.make((request) => {
            const config = { headers: { ...request.headers } }
            const cause = Object.assign(new Error(`cannot send ${JSON.stringify(config)}`), { config })
            return Effect.fail(
              new HttpClientError.HttpClientError({ reason: new HttpClientError.TransportError({ request, cause }) })
            )
          })
        ),
        {},
        false
      )
      assert.include(observed, "cannot send")
      assert.notInclude(observed, token)
    })
  )

  for (const [name, httpClient] of [
    ["fetch", FetchHttpClient.layer],
    ["layerUndici", NodeHttpClient.layerUndici],
    ["UndiciHttpClient", UndiciHttpClient.layer]
  ] as const) {
    it.live(`in a server that sends the bytes of the request back, with ${name}`, () =>
      Effect.gen(function* () {
        const server = createSocketServer((socket) => socket.on("data", (bytes) => socket.end(bytes)))
        const port = yield* listening(server)
        const observed = yield* observe(httpClient, { baseUrl: `http://127.0.0.1:${port}` })
        assert.include(observed, "TransportFailure")
        assert.notInclude(observed, token)
      })
    )
  }

  it.effect("but this test would see one", () =>
    Effect.gen(function* () {
      const leaky = yield* observe(answering(400, "{}").layer, {
        transformClient: HttpClient.tapRequest((request) => Effect.log({ sent: { ...request.headers } }))
      })
      assert.include(leaky, token)
    })
  )
})

describe("the secrets of OAuth are nowhere", () => {
  const secrets = {
    clientSecret: "client secret+with/odd=characters",
    refreshToken: "refresh token+with/odd=characters",
    accessToken: "access-token-that-nobody-may-see",
    code: "code+with/odd=characters"
  }
  // As they are, and as a form sends them.
  const spellings = Object.values(secrets).flatMap((secret) => [
    secret,
    encodeURIComponent(secret),
    new URLSearchParams({ secret }).toString().slice(7)
  ])
  const assertNone = (observed: string) => {
    for (const spelling of spellings) assert.notInclude(observed, spelling)
  }

  const layer = (httpClient: Layer.Layer<HttpClient.HttpClient>, store: Layer.Layer<TokenStore.TokenStore>) =>
    HighLevelClient.layer({ retry: false }).pipe(
      Layer.provide(OAuth.layerLocations),
      Layer.provideMerge(
        OAuth.layer({ clientId: "app", clientSecret: Redacted.make(secrets.clientSecret), maxWait: "1 second" })
      ),
      Layer.provideMerge(store),
      Layer.provide(httpClient)
    )

  const refreshing = (
    httpClient: Layer.Layer<HttpClient.HttpClient>,
    store: Layer.Layer<TokenStore.TokenStore> = TokenStore.layerMemory,
    // How time passes: with real sockets, or without.
    move = running
  ) =>
    observeFailure(
      Effect.gen(function* () {
        const oauth = yield* OAuth.OAuth
        yield* Effect.log(inspect(oauth, { depth: Infinity, showHidden: true }))
        yield* oauth.importRefreshToken({ locationId: ids.locationId }, Redacted.make(secrets.refreshToken))
        return yield* Conversations.update(ids)
      }).pipe(Effect.provide(layer(httpClient, store)), move)
    )

  const connecting = (httpClient: Layer.Layer<HttpClient.HttpClient>) =>
    observeFailure(
      Effect.gen(function* () {
        const oauth = yield* OAuth.OAuth
        return yield* oauth.exchangeCode(
          { code: secrets.code, state: "state" },
          { state: Redacted.make("state"), redirectUri: "https://app.example" }
        )
      }).pipe(Effect.provide(layer(httpClient, TokenStore.layerMemory)))
    )

  const granted = JSON.stringify({ access_token: secrets.accessToken, refresh_token: secrets.refreshToken })

  /** An OAuth server that answers with the form it got, as it came and read. */
  const echoing = (status: number, bodyOf: (echo: string) => string) =>
    Layer.succeed(
      HttpClient.HttpClient,
      HttpClient.make((request) => {
        const form = request.body._tag === "Uint8Array" ? new TextDecoder().decode(request.body.body) : ""
        const echo = [form, ...new URLSearchParams(form).values()].join(" ")
        assert.include(echo, secrets.clientSecret)
        return Effect.succeed(HttpClientResponse.fromWeb(request, new Response(bodyOf(echo), { status })))
      })
    )

  it.effect.each([
    [400, (echo: string) => JSON.stringify({ error: "invalid_grant", error_description: echo, traceId: echo })],
    [401, (echo: string) => JSON.stringify({ error: echo, message: [echo] })],
    [500, (echo: string) => `<html>${echo}</html>`],
    [200, () => granted.slice(0, -1)],
    [200, () => granted.replace("access_token", "accesstoken")]
  ] as const)("in a %i of the OAuth server that sends them back", ([status, bodyOf]) =>
    Effect.gen(function* () {
      const refreshed = yield* refreshing(echoing(status, bodyOf))
      assert.match(refreshed, /ReconnectRequired|TokenUnavailable/)
      assertNone(refreshed)
      const connected = yield* connecting(echoing(status, bodyOf))
      assert.include(connected, "AuthorizationFailed")
      assertNone(connected)
    })
  )

  it.effect("in a 401 of the update that sends the access token back", () =>
    Effect.gen(function* () {
      const both = Layer.succeed(
        HttpClient.HttpClient,
        HttpClient.make((request) =>
          Effect.succeed(
            HttpClientResponse.fromWeb(
              request,
              request.url.includes("/oauth/")
                ? new Response(granted)
                : new Response(JSON.stringify({ message: `bad: ${secrets.accessToken}` }), { status: 401 })
            )
          )
        )
      )
      const observed = yield* refreshing(both)
      assert.include(observed, "Unauthorized")
      assertNone(observed)
    })
  )

  it.effect(
    "in a connection that sends the bytes of the request back",
    () =>
      Effect.gen(function* () {
        const server = createSocketServer((socket) => socket.on("data", (bytes) => socket.end(bytes)))
        const port = yield* listening(server)
        const there = Layer.effect(
          HttpClient.HttpClient,
          Effect.map(
            HttpClient.HttpClient,
            HttpClient.mapRequest((request) =>
              HttpClientRequest.setUrl(request, `http://127.0.0.1:${port}${new URL(request.url).pathname}`)
            )
          )
        )
        for (const httpClient of [FetchHttpClient.layer, NodeHttpClient.layerUndici, UndiciHttpClient.layer]) {
          const observed = yield* refreshing(Layer.provide(there, httpClient), undefined, runningLive)
          assert.include(observed, "TokenUnavailable")
          assertNone(observed)
        }
      }),
    30_000
  )

  it.effect("in a token store that repeats what it cannot write", () =>
    Effect.gen(function* () {
      let writes = 0
      const broken = Layer.effect(
        TokenStore.TokenStore,
        Effect.map(TokenStore.makeMemory, ({ replace, ...store }) => ({
          ...store,
          replace: (key, current, next) =>
            ++writes < 2
              ? replace(key, current, next)
              : Effect.fail(
                  new TokenStore.TokenStoreError({
                    cause: new Error(`INSERT ${key} ${Redacted.value(next)}`, {
                      cause: JSON.parse(Redacted.value(next))
                    })
                  })
                )
        }))
      )
      const observed = yield* refreshing(answering(200, granted).layer, broken)
      assert.include(observed, "the token store cannot be written")
      assert.include(observed, "INSERT")
      assertNone(observed)
    })
  )

  it.effect("but this test would see one", () =>
    Effect.gen(function* () {
      const leaky = yield* observeFailure(
        Effect.fail(new Error(`client_secret=${encodeURIComponent(secrets.clientSecret)}`))
      )
      assert.throws(() => assertNone(leaky))
    })
  )
})
