import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import type * as Scope from "effect/Scope"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as UndiciHttpClient from "effect-highlevel/UndiciHttpClient"
import { createServer, type RequestListener } from "node:http"
import { createServer as createSocketServer, type Socket } from "node:net"
import { listening, recordingTracer } from "./harness.ts"

const origin = (port: number) => `http://127.0.0.1:${port}`

const serving = (listener: RequestListener) =>
  Effect.suspend(() => {
    const server = createServer(listener)
    return Effect.map(
      listening(server, () => server.closeAllConnections()),
      origin
    )
  })

const raw = (respond: (socket: Socket) => void) =>
  Effect.map(
    listening(
      createSocketServer((socket) => {
        socket.on("error", () => {})
        socket.once("data", () => respond(socket))
      })
    ),
    origin
  )

const untraced = Effect.provideService(HttpClient.TracerPropagationEnabled, false)

/** On both of its ways: with a tracer, and without. */
const both = (name: string, test: Effect.Effect<void, unknown, HttpClient.HttpClient | Scope.Scope>) => {
  const run = test.pipe(Effect.provide(UndiciHttpClient.layer), Effect.scoped)
  it.live(`${name}, traced`, () => Effect.withTracer(run, recordingTracer().tracer))
  it.live(`${name}, untraced`, () => untraced(run))
}

describe("UndiciHttpClient", () => {
  both(
    "sends bodies of every kind",
    Effect.gen(function* () {
      const url = yield* serving((request, response) => {
        const chunks: Array<Buffer> = []
        request.on("data", (chunk) => chunks.push(chunk))
        request.on("end", () => {
          const { "content-length": length, "content-type": type = "" } = request.headers
          const body = Buffer.concat(chunks).toString()
          response.end([request.method, request.url, type.split(";")[0], length, body.slice(0, 10)].join(" "))
        })
      })
      const put = HttpClientRequest.put(`${url}/a?b=c#d`)
      const form = new FormData()
      form.append("name", "value")
      const sent = yield* Effect.forEach(
        [
          put,
          HttpClientRequest.bodyText(put, "ä"),
          HttpClientRequest.bodyUint8Array(put, Uint8Array.of(65, 66)),
          HttpClientRequest.bodyUrlParams(put, { a: "1" }),
          HttpClientRequest.bodyStream(put, Stream.make(Uint8Array.of(65), Uint8Array.of(66))),
          HttpClientRequest.bodyFormData(put, form)
        ],
        (request) => Effect.flatMap(HttpClient.execute(request), (response) => response.text)
      )
      assert.deepStrictEqual(sent.slice(0, 5), [
        "PUT /a?b=c  0 ",
        "PUT /a?b=c text/plain 2 ä",
        "PUT /a?b=c application/octet-stream 2 AB",
        "PUT /a?b=c application/x-www-form-urlencoded 3 a=1",
        "PUT /a?b=c application/octet-stream 2 AB"
      ])
      assert.match(sent[5] ?? "", /^PUT \/a\?b=c multipart\/form-data \d+ ------/)
      const broken = HttpClientRequest.bodyStream(put, Stream.fail("no"))
      assert.strictEqual((yield* Effect.flip(HttpClient.execute(broken))).reason._tag, "EncodeError")
    })
  )

  both(
    "reads a body in every way, and each header",
    Effect.gen(function* () {
      const url = yield* serving((request, response) => {
        response.setHeader("set-cookie", ["a=1", "b=2"])
        response.setHeader("x-many", ["1", "2"])
        response.setHeader("content-type", "application/x-www-form-urlencoded")
        response.end(request.url === "/json" ? `{"a":1}` : "\uFEFFa=1")
      })
      const response = yield* HttpClient.get(url)
      assert.strictEqual(response.status, 200)
      assert.strictEqual(response.headers["x-many"], "1, 2")
      assert.deepStrictEqual(Object.keys(response.cookies.cookies), ["a", "b"])
      assert.strictEqual(yield* response.text, "a=1")
      assert.strictEqual((yield* response.arrayBuffer).byteLength, 6)
      assert.strictEqual((yield* Stream.mkUint8Array(response.stream)).length, 6)
      assert.deepStrictEqual([...(yield* response.formData).values()], ["1"])
      assert.deepStrictEqual(yield* (yield* HttpClient.get(`${url}/json`)).json, { a: 1 })
    })
  )

  both(
    "skips what informs, and reads responses without a body",
    Effect.gen(function* () {
      const early = yield* raw((socket) =>
        socket.end("HTTP/1.1 103 Early\r\nlink: x\r\n\r\nHTTP/1.1 204 No Content\r\nx-a: b\r\n\r\n")
      )
      const response = yield* HttpClient.get(early)
      assert.deepStrictEqual([response.status, response.headers["x-a"], yield* response.text], [204, "b", ""])
      const url = yield* serving((_, response) => response.writeHead(200, { "content-length": "5" }).end())
      assert.strictEqual(yield* (yield* HttpClient.head(url)).text, "")
    })
  )

  both(
    "closes the connection of a body beyond the cap, and reads it up to there",
    Effect.gen(function* () {
      const closed = yield* Latch.make()
      const url = yield* serving((_, response) => {
        const write = () => {
          while (!response.destroyed && response.write("x".repeat(1000))) {
            // Until the socket is full, or the client has closed it.
          }
        }
        response.on("drain", write).on("close", () => closed.openUnsafe())
        write()
      })
      const response = yield* Effect.provideService(HttpClient.get(url), UndiciHttpClient.MaxResponseBytes, 5000)
      yield* closed.await
      assert.strictEqual(response.status, 200)
      const error = yield* Effect.flip(response.text)
      assert.strictEqual(error.reason._tag, "DecodeError")
      assert.include(error.message, "larger than 5000 bytes")
      const first = yield* Stream.runHead(response.stream)
      assert.isAbove(first._tag === "Some" ? first.value.length : 0, 5000)
    })
  )

  both(
    "keeps the status of a response that is cut off, and refuses a compressed body",
    Effect.gen(function* () {
      const cut = yield* HttpClient.get(
        yield* raw((socket) => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{"))
      )
      assert.strictEqual(cut.status, 200)
      const reads = [cut.text, cut.json, cut.arrayBuffer, cut.formData, cut.urlParamsBody, Stream.runDrain(cut.stream)]
      for (const read of reads) {
        assert.strictEqual((yield* Effect.flip(Effect.asVoid(read))).reason._tag, "DecodeError")
      }
      const encodings = "gzip, gzip, br, br, gzip, gzip"
      const url = yield* serving((_, response) => response.writeHead(200, { "content-encoding": encodings }).end("x"))
      assert.include((yield* Effect.flip((yield* HttpClient.get(url)).text)).message, encodings)
    })
  )

  both(
    "names what goes wrong without a response",
    Effect.gen(function* () {
      const reason = (request: HttpClientRequest.HttpClientRequest) =>
        Effect.map(Effect.flip(HttpClient.execute(request)), ({ reason }) => reason._tag)
      const nobody = HttpClientRequest.get("http://127.0.0.1:1")
      assert.strictEqual(yield* reason(nobody), "TransportError")
      assert.strictEqual(yield* reason(HttpClientRequest.get("http://nowhere.invalid")), "TransportError")
      assert.strictEqual(yield* reason(HttpClientRequest.get("http://[nonsense")), "InvalidUrlError")
      assert.strictEqual(yield* reason(HttpClientRequest.setHeader(nobody, "x-a", "a\nb")), "TransportError")
      const other = yield* raw((socket) => socket.end("SSH-2.0-OpenSSH\r\n"))
      assert.strictEqual(yield* reason(HttpClientRequest.get(other)), "TransportError")
    })
  )

  both(
    "closes the connection of what is interrupted, before and after the head",
    Effect.gen(function* () {
      for (const withHead of [false, true]) {
        const received = yield* Latch.make()
        const closed = yield* Latch.make()
        const url = yield* serving((_, response) => {
          if (withHead) response.write("x")
          response.on("close", () => closed.openUnsafe())
          received.openUnsafe()
        })
        const fiber = yield* Effect.forkChild(HttpClient.get(url))
        yield* received.await
        yield* Fiber.interrupt(fiber)
        yield* closed.await
      }
    })
  )

  it.live("has the spans and the trace headers of Effect's own clients", () =>
    Effect.gen(function* () {
      const { spans, tracer } = recordingTracer()
      const url = yield* serving((request, response) => response.end(String(request.headers["traceparent"])))
      const get = Effect.flatMap(HttpClient.get(`${url}/a`), ({ text }) => text)
      const header = yield* Effect.withTracer(get, tracer)
      assert.deepStrictEqual(
        spans.map(({ attributes, kind, name }) => [name, kind, attributes.get("url.full")]),
        [["GET", "client", `${url}/a`]]
      )
      assert.include(header, spans[0]?.traceId ?? "no span")
      assert.strictEqual(yield* untraced(Effect.withTracer(get, tracer)), "undefined")
      assert.strictEqual(yield* untraced(get), "undefined")
      assert.notStrictEqual(yield* get, "undefined")
    }).pipe(Effect.provide(UndiciHttpClient.layer), Effect.scoped)
  )

  it.live("goes through the proxy of the environment", () =>
    Effect.gen(function* () {
      const proxied: Array<string | undefined> = []
      const proxy = createServer((request, response) => {
        proxied.push(request.url)
        response.end("proxy")
      })
      proxy.on("connect", (request, socket) => {
        proxied.push(request.url)
        socket.end("HTTP/1.1 502 No\r\n\r\n")
      })
      const port = yield* listening(proxy, () => proxy.closeAllConnections())
      yield* Effect.acquireRelease(
        Effect.sync(() => (process.env["HTTP_PROXY"] = origin(port))),
        () => Effect.sync(() => delete process.env["HTTP_PROXY"])
      )
      yield* HttpClient.get("http://highlevel.invalid/a").pipe(
        Effect.exit,
        Effect.provide(Layer.fresh(UndiciHttpClient.layer))
      )
      assert.lengthOf(proxied, 1)
      assert.include(proxied[0], "highlevel.invalid")
    }).pipe(Effect.scoped)
  )

  it.live("closes its connections with its layer", () =>
    Effect.gen(function* () {
      const closed = yield* Latch.make()
      const server = createServer((_, response) => response.end("x"))
      server.on("connection", (socket) => socket.on("close", () => closed.openUnsafe()))
      const port = yield* listening(server)
      yield* HttpClient.get(origin(port)).pipe(Effect.provide(Layer.fresh(UndiciHttpClient.layer)))
      yield* closed.await
    }).pipe(Effect.scoped)
  )
})
