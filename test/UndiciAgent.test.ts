import NodeUndici from "@effect/platform-node/Undici"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Latch from "effect/Latch"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as UndiciHttpClient from "effect-highlevel/UndiciHttpClient"
import { createServer, type RequestListener } from "node:http"
import { inspect } from "node:util"
import { listening, updateOver } from "./harness.ts"
import { both, origin, serving, untraced } from "./undici.ts"

const variables = ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY"]

/** The environment of this process, with these proxies and no other. */
const environment = (proxies: Record<string, string>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const before = variables.map((name) => [name, process.env[name]] as const)
      for (const name of variables) delete process.env[name]
      Object.assign(process.env, proxies)
      return before
    }),
    (before) =>
      Effect.sync(() => {
        for (const [name, value] of before) {
          if (value === undefined) delete process.env[name]
          else process.env[name] = value
        }
      })
  )

/** A proxy that responds itself, what it was asked for, and its host. */
const proxy = Effect.fnUntraced(function* (status = 200) {
  const requests: Array<string> = []
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url} ${request.headers["proxy-authorization"]}`)
    response.writeHead(status).end("proxy")
  })
  server.on("connect", (request, socket) => {
    requests.push(`CONNECT ${request.url} ${request.headers["proxy-authorization"]}`)
    socket.end(`HTTP/1.1 ${status === 200 ? 502 : status} No\r\n\r\n`)
  })
  const port = yield* listening(server, () => server.closeAllConnections())
  return { requests, host: `127.0.0.1:${port}` }
})

/** A server that counts its connections. */
const counting = Effect.fnUntraced(function* (listener: RequestListener) {
  const server = createServer(listener)
  let connections = 0
  server.on("connection", () => connections++)
  const port = yield* listening(server, () => server.closeAllConnections())
  return { url: origin(port), connections: () => connections }
})

const get = (url: string) => Effect.flatMap(HttpClient.get(url), ({ text }) => text)
const over = (layer: Layer.Layer<HttpClient.HttpClient>) => Effect.provide(Layer.fresh(layer))

describe("the agent of UndiciHttpClient", () => {
  it.live("goes through the proxy of the environment", () =>
    Effect.gen(function* () {
      const { host, requests } = yield* proxy()
      const url = yield* serving((_, response) => response.end("server"))
      const credentials = `Basic ${Buffer.from("user:password").toString("base64")}`
      yield* environment({
        HTTP_PROXY: `http://user:password@${host}`,
        HTTPS_PROXY: `http://${host}`,
        NO_PROXY: "127.0.0.1"
      })
      const layer = over(UndiciHttpClient.layer)
      assert.strictEqual(yield* layer(get("http://highlevel.invalid/a")), "proxy")
      assert.strictEqual(yield* layer(get(url)), "server")
      const refused = yield* Effect.flip(layer(get("https://highlevel.invalid/a")))
      assert.strictEqual(refused.reason._tag, "TransportError")
      // undici may ask a proxy again that has closed the connection.
      assert.deepStrictEqual(Array.from(new Set(requests)), [
        `GET http://highlevel.invalid/a ${credentials}`,
        "CONNECT highlevel.invalid:443 undefined"
      ])
    }).pipe(Effect.scoped)
  )

  it.live("goes through the proxy of its options", () =>
    Effect.gen(function* () {
      const { host } = yield* proxy()
      const layer = over(UndiciHttpClient.layerAgent({ httpProxy: `http://${host}` }))
      for (const proxies of [{}, { HTTP_PROXY: "http://127.0.0.1:1" }]) {
        const proxied = Effect.andThen(environment(proxies), layer(get("http://highlevel.invalid/a")))
        assert.strictEqual(yield* Effect.scoped(proxied), "proxy")
      }
    }).pipe(Effect.scoped)
  )

  it.live("fails where it cannot use the proxy, and does not show its password", () =>
    Effect.gen(function* () {
      const { host } = yield* proxy(407)
      const password = "proxy-password"
      for (const [uri, expected] of [
        [`http://user:${password}@:bad`, "HTTP_PROXY or HTTPS_PROXY is not a valid URL"],
        [`user:${password}@`, "Invalid URL protocol"],
        [`http://user:${password}@${host}`, "407"],
        [`http://user:${password}@127.0.0.1:1`, "ECONNREFUSED"]
      ] as const) {
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* environment({ HTTP_PROXY: uri })
            const layer = Layer.fresh(UndiciHttpClient.layer)
            const error = yield* Effect.flip(Effect.provide(get("http://highlevel.invalid/a"), layer))
            assert.strictEqual(error.reason._tag, "TransportError")
            const ofClient = yield* Effect.flip(updateOver(layer, undefined, { baseUrl: "https://highlevel.invalid" }))
            assert.strictEqual(ofClient._tag, "TransportFailure")
            for (const shown of [error, error.reason, ofClient]) {
              const text = `${shown.message} ${JSON.stringify(shown)} ${inspect(shown, { depth: 20, showHidden: true })}`
              assert.notInclude(text, password)
              assert.notInclude(text, Buffer.from(`user:${password}`).toString("base64"))
            }
            assert.include(inspect(error, { depth: 20 }), expected)
          })
        )
      }
    }).pipe(Effect.scoped)
  )

  both(
    "opens no more connections than there are requests at once",
    Effect.gen(function* () {
      for (const concurrency of [1, 4]) {
        const { connections, url } = yield* counting((_, response) => response.end("x"))
        yield* Effect.forEach(Array.from({ length: 40 }), () => get(url), { concurrency })
        assert.isAtMost(connections(), concurrency)
      }
    })
  )

  it.live("takes options, and fails where they are invalid", () =>
    Effect.gen(function* () {
      const { connections, url } = yield* counting((_, response) => response.end("x"))
      const all = Effect.forEach(Array.from({ length: 10 }), () => get(url), { concurrency: "unbounded" })
      yield* over(UndiciHttpClient.layerAgent({ connections: 1 }))(all)
      assert.strictEqual(connections(), 1)
      const error = yield* Effect.flip(over(UndiciHttpClient.layerAgent({ connections: -1 }))(get(url)))
      assert.strictEqual(error.reason._tag, "TransportError")
      assert.include(inspect(error.reason.cause), "invalid connections")
      const refused = yield* Effect.flip(over(UndiciHttpClient.layerAgent({ maxOrigins: 0 }))(get(url)))
      assert.include(refused.message, "maxOrigins must be a number greater than 0")
    }).pipe(Effect.scoped)
  )

  it.live("sends through a dispatcher of the caller's", () =>
    Effect.gen(function* () {
      const mock = new NodeUndici.MockAgent()
      mock.disableNetConnect()
      mock.get("http://highlevel.invalid").intercept({ path: "/a", method: "PUT" }).reply(201, "c")
      const put = HttpClientRequest.bodyText(HttpClientRequest.put("http://highlevel.invalid/a"), "b")
      const response = yield* untraced(UndiciHttpClient.make(mock).execute(put))
      assert.deepStrictEqual([response.status, yield* response.text], [201, "c"])
      const throwing = mock.compose(() => (_options, _handler) => {
        throw new Error("no")
      })
      const error = yield* Effect.flip(UndiciHttpClient.make(throwing).execute(put))
      assert.strictEqual(error.reason._tag, "TransportError")
    })
  )

  it.live("closes its connections with its layer, and sends nothing after", () =>
    Effect.gen(function* () {
      const closed = yield* Latch.make()
      const server = createServer((_, response) => response.end("x"))
      server.on("connection", (socket) => socket.on("close", () => closed.openUnsafe()))
      const url = origin(yield* listening(server))
      const used = yield* over(UndiciHttpClient.layer)(Effect.tap(HttpClient.HttpClient, get(url)))
      yield* closed.await
      const unused = yield* over(UndiciHttpClient.layer)(HttpClient.HttpClient)
      for (const client of [used, unused]) {
        assert.strictEqual((yield* Effect.flip(client.get(url))).reason._tag, "TransportError")
      }
    }).pipe(Effect.scoped)
  )
})
