import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import { Conversations, HighLevelClient, HighLevelError } from "effect-highlevel"
import * as UndiciHttpClient from "effect-highlevel/UndiciHttpClient"
import { createServer } from "node:net"
import { listening } from "./harness.ts"

const document = `{"success":true,"conversation":{"id":"c"}}`

// More often what comes close to HighLevel's own.
const often = <const A extends ReadonlyArray<string>>(usual: string, others: A) =>
  Schema.Literals([...others.map(() => usual), ...others])

const number = often("100", [
  "",
  "0",
  "-1",
  "1e19",
  "1e308",
  "9e15",
  "0.5",
  "NaN",
  "1,000",
  "٣",
  "0x10",
  " 7 ",
  "100, 25"
])

const Response = Schema.Struct({
  head: often("HTTP/1.1 200 OK", [
    "HTTP/1.1 200",
    "HTTP/1.0 201 Created",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK",
    "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 202 Accepted",
    "HTTP/1.1 204 No Content",
    "HTTP/1.1 301 Moved\r\nlocation: /login",
    "HTTP/1.1 400 Bad Request",
    "HTTP/1.1 401 Unauthorized",
    "HTTP/1.1 422 Unprocessable",
    "HTTP/1.1 429 Too Many",
    "HTTP/1.1 503 Unavailable",
    "HTTP/1.1 999 Odd",
    "HTTP/1.1 007 Odd",
    "HTTP/1.1 OK",
    "HTTP/3.14 200 OK",
    "SSH-2.0-OpenSSH_9.6"
  ]),
  framing: often("length", ["chunked", "end", "longer", "shorter", "nonsense", "both", "torn chunk", "odd header"]),
  encoding: often("", ["identity", "gzip", "br", "deflate", "nonsense"]),
  limits: Schema.Struct({
    max: number,
    remaining: number,
    interval: number,
    daily: number,
    reset: number,
    retry: number
  }),
  body: Schema.Union([
    often(document, [
      "",
      "{}",
      `{"success":"false"}`,
      `{"statusCode":401,"message":"Invalid JWT"}`,
      `{"error":"no"}`,
      `{"success":true,"conv`,
      "<html>Sign in</html>",
      "\u0000\uFFFD"
    ]),
    Schema.String,
    Schema.fromJsonString(Schema.Json).pipe(Schema.toEncoded)
  ])
})

type Response = typeof Response.Type

/** The bytes of a response, and the body that they hold. */
const written = ({ body, encoding, framing, head, limits }: Response) => {
  const bytes = Buffer.from(body)
  const length = framing === "longer" ? bytes.length + 10 : framing === "shorter" ? bytes.length >> 1 : bytes.length
  const chunks = `${bytes.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`
  const [header, sent] = {
    length: [`content-length: ${length}`, body],
    longer: [`content-length: ${length}`, body],
    shorter: [`content-length: ${length}`, body],
    chunked: ["transfer-encoding: chunked", chunks],
    "torn chunk": ["transfer-encoding: chunked", chunks.slice(0, -6)],
    both: [`transfer-encoding: chunked\r\ncontent-length: ${length}`, chunks],
    nonsense: ["content-length: many", body],
    "odd header": ["no header at all", body],
    end: ["connection: close", body]
  }[framing] ?? ["", ""]
  const headers = [
    header,
    ...(encoding === "" ? [] : [`content-encoding: ${encoding}`]),
    `x-ratelimit-max: ${limits.max}`,
    `x-ratelimit-remaining: ${limits.remaining}`,
    `x-ratelimit-interval-milliseconds: ${limits.interval}`,
    `x-ratelimit-daily-remaining: ${limits.daily}`,
    `x-ratelimit-daily-reset: ${limits.reset}`,
    `retry-after: ${limits.retry}`
  ]
  return {
    bytes: `${head}\r\n${headers.join("\r\n")}\r\n\r\n${sent}`,
    body: framing === "shorter" ? bytes.subarray(0, length).toString() : body
  }
}

/** Whether a client may say that an update was applied: a 2xx, and JSON without an error, or nothing. */
const mayBeApplied = (response: Response) => {
  if (!/ 20[0-9]/.test(response.head)) return false
  const { body } = written(response)
  if (body.trim() === "") return response.encoding === ""
  if (response.head.includes("204")) return true
  try {
    const json: unknown = JSON.parse(body)
    return !/"success":"false"|"statusCode":401|"error":"no"/.test(JSON.stringify(json))
  } catch {
    return false
  }
}

const runs = 300 * Number(process.env["SCALE"] ?? 1)

describe("whatever bytes a server sends", () => {
  it.live.each([
    ["fetch", FetchHttpClient.layer],
    ["layerUndici", NodeHttpClient.layerUndici],
    ["UndiciHttpClient", UndiciHttpClient.layer]
  ] as const)(
    `over %s: a value or an error of the union, and nothing applied that was not (${runs} responses)`,
    ([, httpClient]) =>
      Effect.gen(function* () {
        let response = ""
        const server = createServer((socket) => {
          socket.on("error", () => {})
          // Headers and body of a request may come apart: one response is enough.
          socket.once("data", () => socket.end(response))
        })
        const port = yield* listening(server)
        const client = yield* HighLevelClient.make({
          token: Redacted.make("token"),
          baseUrl: `http://127.0.0.1:${port}`,
          retry: false,
          attemptTimeout: "5 seconds"
        })
        let locations = 0
        const tags: Record<string, number> = {}
        const result = yield* Arbitrary.checkEffect(
          Arbitrary.schema(Response),
          (generated) =>
            Effect.gen(function* () {
              response = written(generated).bytes
              // A location of its own, so that no limit of an earlier response holds it.
              const update = { conversationId: "c", locationId: `l${locations++}`, unreadCount: 0 }
              const exit = yield* Effect.exit(
                Effect.provideService(Conversations.update(update), HighLevelClient.HighLevelClient, client)
              )
              if (Exit.isSuccess(exit)) {
                tags["success"] = (tags["success"] ?? 0) + 1
                return mayBeApplied(generated)
              }
              const error = Cause.findErrorOption(exit.cause)
              if (error._tag === "None") return false
              tags[error.value._tag] = (tags[error.value._tag] ?? 0) + 1
              return HighLevelError.applied(error.value) !== "yes" || mayBeApplied(generated)
            }),
          { runs }
        )
        console.table(tags)
        assert.isUndefined(Arbitrary.formatCheckFailure(result))
        for (const tag of ["success", "UnreadableResponse", "UnexpectedBody", "UnexpectedStatus", "TransportFailure"]) {
          assert.isAbove(tags[tag] ?? 0, 0, tag)
        }
      }).pipe(Effect.provide(httpClient), Effect.scoped),
    60_000 + runs * 20
  )
})
