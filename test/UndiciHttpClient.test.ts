import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import type * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as HttpBody from "effect/http/HttpBody"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as UndiciHttpClient from "effect-highlevel/UndiciHttpClient"
import { Buffer } from "node:buffer"
import { inspect } from "node:util"
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from "node:zlib"
import { recordingTracer, token, updateOver } from "./harness.ts"
import { both, raw, serving, untraced } from "./undici.ts"

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
          response.end([request.method, request.url, type.split(";")[0], length, body].join(" "))
        })
      })
      const put = HttpClientRequest.put(`${url}/a?b=c#d`)
      const form = new FormData()
      form.append("name", "value")
      form.append("file", new File(["ü"], "name.txt", { type: "text/plain" }))
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
      assert.deepStrictEqual(sent.slice(0, 4), [
        "PUT /a?b=c  0 ",
        "PUT /a?b=c text/plain 2 ä",
        "PUT /a?b=c application/octet-stream 2 AB",
        "PUT /a?b=c application/x-www-form-urlencoded 3 a=1"
      ])
      // Its length is known where the stream ends before the connection is there.
      assert.match(sent[4] ?? "", /^PUT \/a\?b=c application\/octet-stream 2? AB$/)
      assert.match(sent[5] ?? "", /^PUT \/a\?b=c multipart\/form-data \d+ ------.*name="name"\s+value.*name\.txt.*ü/s)
      const text = yield* HttpClient.execute(HttpClientRequest.setBody(put, HttpBody.raw("text")))
      assert.match(yield* text.text, / 4 text$/)
      const strange = HttpClientRequest.setBody(put, HttpBody.raw(new Date()))
      assert.strictEqual((yield* Effect.flip(HttpClient.execute(strange))).reason._tag, "EncodeError")
    })
  )

  both(
    "sends a stream as it comes, and ends it with the request",
    Effect.gen(function* () {
      const received = yield* Latch.make()
      const url = yield* serving((request, response) => {
        request.once("data", () => received.openUnsafe())
        request.on("data", () => {}).on("end", () => response.end())
      })
      const put = HttpClientRequest.put(url)
      const bytes = Uint8Array.of(65)
      // The second chunk comes after the first one was received.
      const waiting = Stream.concat(Stream.make(bytes), Stream.fromEffect(Effect.as(received.await, bytes)))
      assert.strictEqual((yield* HttpClient.execute(HttpClientRequest.bodyStream(put, waiting))).status, 200)

      const broken = Stream.concat(Stream.make(bytes), Stream.fail("no"))
      const error = yield* Effect.flip(HttpClient.execute(HttpClientRequest.bodyStream(put, broken)))
      assert.deepStrictEqual([error.reason._tag, error.reason.cause], ["EncodeError", "no"])

      yield* received.close
      const ended = yield* Latch.make()
      const endless = Stream.concat(Stream.make(bytes), Stream.never).pipe(Stream.ensuring(ended.open))
      const fiber = yield* Effect.forkChild(HttpClient.execute(HttpClientRequest.bodyStream(put, endless)))
      yield* received.await
      yield* Fiber.interrupt(fiber)
      yield* ended.await
    })
  )

  both(
    "reads a body in every way, and each header",
    Effect.gen(function* () {
      const url = yield* serving((request, response) => {
        response.setHeader("set-cookie", ["a=1", "b=2"])
        response.setHeader("x-many", ["1", "2"])
        response.setHeader("content-type", "application/x-www-form-urlencoded")
        response.end(request.url?.startsWith("/json") === true ? `{"a":1}` : "\uFEFFa=1")
      })
      const response = yield* HttpClient.get(url)
      assert.strictEqual(response.status, 200)
      assert.strictEqual(response.headers["x-many"], "1, 2")
      assert.deepStrictEqual(Object.keys(response.cookies.cookies), ["a", "b"])
      assert.strictEqual(yield* response.text, "a=1")
      assert.strictEqual((yield* response.arrayBuffer).byteLength, 6)
      assert.strictEqual((yield* Stream.mkUint8Array(response.stream)).length, 6)
      assert.deepStrictEqual([...(yield* response.formData).values()], ["1"])
      assert.strictEqual((yield* response.urlParamsBody).params[0]?.[1], "1")
      assert.strictEqual((yield* Effect.flip(response.upgrade)).reason._tag, "StatusCodeError")
      assert.strictEqual((yield* Effect.flip(response.json)).reason._tag, "DecodeError")

      // What is handed out is a copy.
      new Uint8Array(yield* response.arrayBuffer).fill(0)
      for (const chunk of yield* Stream.runCollect(response.stream)) chunk.fill(0)
      assert.strictEqual(yield* response.text, "a=1")

      const json = yield* Effect.flatMap(HttpClient.get(`${url}/json?b#c`), HttpClientResponse.filterStatusOk)
      assert.strictEqual((yield* HttpClientResponse.schemaBodyJson(Schema.Struct({ a: Schema.Number }))(json)).a, 1)
      assert.deepStrictEqual([json.url, json.request.method], [`${url}/json?b`, "GET"])
      assert.deepInclude(JSON.parse(JSON.stringify(json)), { _id: "HttpClientResponse", status: 200 })
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
      assert.notProperty(response.headers, "link")
      assert.isNull(yield* response.json)
      const url = yield* serving((_, response) => response.writeHead(200, { "content-length": "5" }).end())
      assert.strictEqual(yield* (yield* HttpClient.head(url)).text, "")
    })
  )

  both(
    "puts together the characters and the body of many chunks",
    Effect.gen(function* () {
      const text = "aä€😀".repeat(1000)
      const url = yield* raw((socket) => {
        const chunks = Array.from(Buffer.from(text), (byte) => [
          Buffer.from("1\r\n"),
          Buffer.of(byte),
          Buffer.from("\r\n")
        ])
        const head = Buffer.from("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        socket.end(Buffer.concat([head, ...chunks.flat(), Buffer.from("0\r\n\r\n")]))
      })
      const response = yield* HttpClient.get(url)
      assert.strictEqual(yield* response.text, text)
      assert.strictEqual((yield* response.arrayBuffer).byteLength, Buffer.byteLength(text))
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
    "keeps the status of a response that is cut off",
    Effect.gen(function* () {
      const cut = yield* HttpClient.get(
        yield* raw((socket) => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{"))
      )
      assert.strictEqual(cut.status, 200)
      const reads = [cut.text, cut.json, cut.arrayBuffer, cut.formData, cut.urlParamsBody, Stream.runDrain(cut.stream)]
      for (const read of reads) {
        const error = yield* Effect.flip(Effect.asVoid(read))
        assert.deepInclude(error.reason, { _tag: "DecodeError", description: "The response was cut off" })
      }
    })
  )

  both(
    "decompresses a body, up to the cap",
    Effect.gen(function* () {
      const text = "ä".repeat(5000)
      const bodies: Record<string, readonly [encoding: string, body: Buffer]> = {
        gzip: ["gzip", gzipSync(text)],
        "two members": ["X-GZip", Buffer.concat([gzipSync("ä"), gzipSync(text.slice(1))])],
        br: ["BR", brotliCompressSync(text)],
        deflate: ["deflate", deflateSync(text)],
        "raw deflate": ["deflate", deflateRawSync(text)],
        identity: ["Identity", Buffer.from(text)],
        nothing: ["gzip", Buffer.alloc(0)],
        "no gzip": ["gzip", Buffer.from(text)],
        "half of it": ["gzip", gzipSync(text).subarray(0, 30)],
        several: ["gzip, br", gzipSync(text)],
        unknown: ["constructor", Buffer.from(text)]
      }
      const url = yield* serving((request, response) => {
        const [encoding, body] = bodies[decodeURIComponent(request.url?.slice(1) ?? "")] ?? ["", ""]
        response.writeHead(422, { "content-encoding": encoding, "content-length": body.length }).end(body)
      })
      const get = (name: string) => HttpClient.get(`${url}/${encodeURIComponent(name)}`)
      for (const name of ["gzip", "two members", "br", "deflate", "raw deflate", "identity"]) {
        const response = yield* get(name)
        assert.deepStrictEqual([name, response.status, yield* response.text], [name, 422, text])
      }
      assert.strictEqual(yield* (yield* get("nothing")).text, "")
      assert.strictEqual(yield* (yield* HttpClient.head(`${url}/gzip`)).text, "")
      for (const [name, message] of [
        ["no gzip", "Cannot decompress the gzip body"],
        ["half of it", "Cannot decompress the gzip body"],
        ["several", "Unexpected content-encoding gzip, br"],
        ["unknown", "Unexpected content-encoding constructor"]
      ] as const) {
        const response = yield* get(name)
        assert.strictEqual(response.status, 422)
        const error = yield* Effect.flip(response.text)
        assert.deepStrictEqual(
          [error.reason._tag, error.message.includes(message)],
          ["DecodeError", true],
          error.message
        )
      }
      const capped = yield* Effect.provideService(get("gzip"), UndiciHttpClient.MaxResponseBytes, 5000)
      assert.include((yield* Effect.flip(capped.text)).message, "larger than 5000 bytes")
    })
  )

  it.live("lets the client read a compressed error", () =>
    Effect.gen(function* () {
      const url = yield* serving((_, response) => {
        response.writeHead(422, { "content-encoding": "gzip" }).end(gzipSync(`{"message":["unreadCount"]}`))
      })
      const error = yield* Effect.flip(updateOver(UndiciHttpClient.layer, undefined, { baseUrl: url }))
      assert.deepInclude(error, { _tag: "Unprocessable", messages: ["unreadCount"] })
    }).pipe(Effect.scoped)
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
      const closing = yield* raw((socket) => socket.destroy())
      assert.strictEqual(yield* reason(HttpClientRequest.get(closing)), "TransportError")
      const early = yield* raw((socket) => socket.end("HTTP/1.1 103 Early\r\n\r\n"))
      assert.strictEqual(yield* reason(HttpClientRequest.get(early)), "TransportError")
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

  it.live("has the spans and the trace headers of Effect's own client", () =>
    Effect.gen(function* () {
      const headers: Array<string | undefined> = []
      const url = yield* serving((request, response) => {
        headers.push(request.headers.traceparent?.toString())
        response.writeHead(request.url?.startsWith("/missing") === true ? 404 : 200).end("x")
      })
      const spansOver = Effect.fnUntraced(function* (httpClient: Layer.Layer<HttpClient.HttpClient>) {
        const { spans, tracer } = recordingTracer()
        for (const path of ["/a?b=c", "/missing"]) {
          yield* HttpClient.get(url + path).pipe(
            Effect.flatMap(({ text }) => text),
            Effect.provide(httpClient),
            Effect.withTracer(tracer)
          )
        }
        yield* Effect.exit(
          HttpClient.get("http://127.0.0.1:1").pipe(Effect.provide(httpClient), Effect.withTracer(tracer))
        )
        assert.include(headers.at(-1), spans[1]?.traceId ?? "no span")
        return spans.map(({ attributes, kind, name, status }) => ({
          attributes: Object.fromEntries(attributes),
          kind,
          name,
          ended: status._tag === "Ended" ? status.exit._tag : "no"
        }))
      })
      const spans = yield* spansOver(UndiciHttpClient.layer)
      assert.lengthOf(spans, 3)
      assert.deepStrictEqual(spans, yield* spansOver(NodeHttpClient.layerUndici))
    }).pipe(Effect.scoped)
  )

  it.live("makes a span only where somebody receives it, or its id", () =>
    Effect.gen(function* () {
      const { spans, tracer } = recordingTracer()
      const url = yield* serving((request, response) => response.end(String(request.headers["traceparent"])))
      const get = Effect.flatMap(HttpClient.get(`${url}/a`), ({ text }) => text)
      assert.strictEqual(yield* untraced(Effect.withTracer(get, tracer)), "undefined")
      assert.lengthOf(spans, 1)
      assert.notStrictEqual(yield* get, "undefined")
      assert.strictEqual(yield* untraced(get), "undefined")
      const disabled = Effect.provideService(get, HttpClient.TracerDisabledWhen, () => true)
      assert.strictEqual(yield* Effect.withTracer(disabled, tracer), "undefined")
      assert.lengthOf(spans, 1)
      // A span that is not made needs no name.
      const named = Effect.provideService(get, HttpClient.SpanNameGenerator, () => assert.fail("a span was made"))
      yield* untraced(named)
    }).pipe(Effect.provide(UndiciHttpClient.layer), Effect.scoped)
  )

  it.live("shows the token in no error, no span and no JSON", () =>
    Effect.gen(function* () {
      const { spans, tracer } = recordingTracer()
      const url = yield* serving((request, response) => {
        if (request.url === "/closed") return response.destroy()
        return response
          .writeHead(200, { "content-length": "10", "set-cookie": token })
          .write("x", () => response.destroy())
      })
      const get = (path: string) =>
        HttpClient.execute(HttpClientRequest.bearerToken(HttpClientRequest.get(url + path), token))
      const response = yield* Effect.withTracer(get("/cut"), tracer)
      const errors = [yield* Effect.flip(response.text), yield* Effect.flip(Effect.withTracer(get("/closed"), tracer))]
      const shown = [
        response,
        ...errors,
        ...errors.map(({ reason }) => reason),
        ...spans.map(({ attributes }) => Object.fromEntries(attributes))
      ]
      for (const value of shown) assert.notInclude(`${JSON.stringify(value)} ${inspect(value, { depth: 20 })}`, token)
      for (const { message, stack } of errors) assert.notInclude(`${message} ${stack}`, token)
    }).pipe(Effect.provide(UndiciHttpClient.layer), Effect.scoped)
  )
})
