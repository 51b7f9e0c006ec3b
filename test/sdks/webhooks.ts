/**
 * What reaches the handler of an application, through the official middleware and
 * through `Webhooks.layer`, of the same deliveries. Fails where a row is not as expected.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as Persistence from "effect/persistence/Persistence"
import process from "node:process"
import { Sandbox } from "../../src/testing/index.ts"
import * as Webhooks from "../../src/webhooks/Webhooks.ts"
import { makeMiddleware } from "./middleware.js"

interface Delivery {
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

const encode = (text: string) => new TextEncoder().encode(text)
const message = { type: "InboundMessage", body: "hello" }

const deliveries = Effect.gen(function* () {
  const sandbox = yield* Sandbox.Sandbox
  const stranger = yield* Effect.provide(Sandbox.Sandbox, Layer.fresh(Sandbox.layer()))
  const day = 24 * 60 * 60 * 1000
  const valid: Delivery = yield* sandbox.sign(message)
  const signature = valid.headers["x-ghl-signature"] ?? ""
  const text = new TextDecoder().decode(valid.body)
  const rows: ReadonlyArray<readonly [name: string, delivery: Delivery, expected: ReadonlyArray<string>]> = [
    ["valid", valid, ["called: valid", "called: valid", "called"]],
    ["the same again", valid, ["called: valid", "called: valid", "not called: 200"]],
    [
      "valid, with 1.0 in its JSON",
      yield* sandbox.signBytes(encode(`{"type":"InboundMessage","appId":"sandbox","webhookId":"w","count":1.0}`)),
      ["called: invalid", "called: valid", "called"]
    ],
    [
      "without appId",
      yield* sandbox.sign({ ...message, appId: null }),
      ["called: no flag", "called: no flag", "called"]
    ],
    ["unsigned", { headers: {}, body: valid.body }, ["called: skipped", "called: skipped", "not called: 401"]],
    [
      "with X-WH-Signature alone",
      { headers: { "x-wh-signature": signature }, body: valid.body },
      ["called: skipped", "called: skipped", "not called: 401"]
    ],
    [
      "signed with another key",
      yield* stranger.signBytes(valid.body),
      ["called: invalid", "called: invalid", "not called: 401"]
    ],
    [
      "changed",
      { headers: valid.headers, body: encode(text.replace("hello", "jello")) },
      ["called: invalid", "called: invalid", "not called: 401"]
    ],
    [
      "unsigned, without appId",
      { headers: {}, body: encode(`{"type":"InboundMessage"}`) },
      ["called: no flag", "called: no flag", "not called: 401"]
    ],
    [
      "unsigned, an UNINSTALL of another app",
      { headers: {}, body: encode(`{"type":"UNINSTALL","appId":"another","locationId":"l"}`) },
      ["called: no flag", "called: no flag", "not called: 401"]
    ],
    [
      "signed, of another app",
      yield* sandbox.sign({ ...message, appId: "another" }),
      ["called: no flag", "called: no flag", "not called: 401"]
    ],
    [
      "signed, two days old",
      yield* sandbox.sign({ ...message, timestamp: new Date(Date.now() - 2 * day).toISOString() }),
      ["called: valid", "called: valid", "not called: 401"]
    ],
    [
      "signed, an array",
      yield* sandbox.signBytes(encode(`[${text}]`)),
      ["called: no flag", "called: no flag", "not called: 400"]
    ],
    [
      "signed, no JSON",
      yield* sandbox.signBytes(encode("{")),
      ["not called: 400", "not called: 400", "not called: 400"]
    ]
  ]
  return rows
})

const ours = Effect.gen(function* () {
  const sandbox = yield* Sandbox.Sandbox
  let calls = 0
  const handle = yield* HttpRouter.toHttpEffect(
    Webhooks.layer({
      appId: "sandbox",
      keys: [yield* sandbox.webhookKey],
      path: "/webhooks",
      handler: () => Effect.sync(() => void calls++)
    })
  )
  return Effect.fnUntraced(function* ({ body, headers }: Delivery) {
    const before = calls
    const request = HttpClientRequest.post("http://localhost/webhooks", { headers }).pipe(
      HttpClientRequest.bodyUint8Array(body, "application/json")
    )
    const { status } = yield* Effect.provideService(
      handle,
      HttpServerRequest.HttpServerRequest,
      HttpServerRequest.fromClientRequest(request)
    )
    return calls > before ? "called" : `not called: ${status}`
  })
})

const rows = await Effect.runPromise(
  Effect.gen(function* () {
    const sandbox = yield* Sandbox.Sandbox
    const { clientId, clientSecret } = Sandbox.defaultApp
    const key = yield* sandbox.webhookKey
    const official = makeMiddleware({ clientId, clientSecret: Redacted.value(clientSecret), key })
    const layer = yield* ours
    return yield* Effect.forEach(yield* deliveries, ([name, delivery, expected]) =>
      Effect.gen(function* () {
        const seen = [
          yield* Effect.promise(() => official({ ...delivery, keepsRawBody: false })),
          yield* Effect.promise(() => official({ ...delivery, keepsRawBody: true })),
          yield* layer(delivery)
        ]
        return [name, ...seen, seen.join() === expected.join() ? "yes" : `NO, but ${expected.join(", ")}`]
      })
    )
  }).pipe(Effect.scoped, Effect.provide([Sandbox.layer(), Persistence.layerMemory]))
)

const table = [["a delivery", "official 3.1.0", "official 3.1.0, raw body kept", "Webhooks.layer", "expected"], ...rows]
const widths = table[0]?.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0))) ?? []
for (const row of table) {
  console.log(
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd()
  )
}
process.exitCode = rows.every((row) => row.at(-1) === "yes") ? 0 : 1
