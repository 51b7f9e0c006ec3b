/** The signature and the body of a delivery are in nothing that an application records. */
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { identity } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as References from "effect/References"
import * as Schema from "effect/Schema"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpMiddleware from "effect/http/HttpMiddleware"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as Persistence from "effect/persistence/Persistence"
import { Webhooks } from "effect-highlevel"
import { inspect } from "node:util"
import { recordingTracer } from "./harness.ts"
import { appId, bytesOf, makeSigner, unreadUpdate } from "./webhooks.ts"

const secret = "words-of-a-customer"
const { key, sign } = await Effect.runPromise(makeSigner)
const stranger = await Effect.runPromise(makeSigner)

const show = (value: unknown) => inspect(value, { depth: Infinity, showHidden: true, getters: true })

class Refused extends Schema.TaggedError<Refused>()("Refused", {}) {}

interface Options {
  readonly signer?: typeof sign
  readonly handler?: (event: Webhooks.Event) => Effect.Effect<unknown, unknown>
  readonly store?: Layer.Layer<Persistence.Persistence>
  /** Whether the application records every header. */
  readonly recordsHeaders?: boolean
}

/** What is recorded of a delivery: the logs, spans and metrics of a server, and the error of `verify`. */
const observe = (text: string, { handler = () => Effect.void, recordsHeaders, signer = sign, store }: Options = {}) => {
  const lines: Array<string> = []
  const { spans, tracer } = recordingTracer()
  const loggers = [Logger.formatSimple, Logger.formatLogFmt, Logger.formatJson, Logger.formatStructured].map((format) =>
    Logger.make((entry) => void lines.push(show(format.log(entry))))
  )
  return Effect.gen(function* () {
    const body = bytesOf(text)
    const signature = yield* signer(body)
    const headers = { "x-ghl-signature": signature }
    const options = { appId, keys: [key] }
    const handle = yield* HttpRouter.toHttpEffect(Webhooks.layer({ ...options, path: "/webhooks", handler }))
    const request = HttpClientRequest.post("http://localhost/webhooks", { headers }).pipe(
      HttpClientRequest.bodyUint8Array(body, "application/json")
    )
    const { status } = yield* HttpMiddleware.logger(HttpMiddleware.tracer(handle)).pipe(
      Effect.provideService(HttpServerRequest.HttpServerRequest, HttpServerRequest.fromClientRequest(request))
    )
    const verified = yield* Effect.exit(Webhooks.verify(headers, body, options))
    const observed = [
      ...lines,
      show(yield* Metric.snapshot),
      ...(Exit.isFailure(verified)
        ? [show(verified.cause), Cause.pretty(verified.cause), JSON.stringify(verified)]
        : []),
      ...spans.map(({ attributes, events, name, status }) =>
        [
          show([name, [...attributes], events]),
          status._tag === "Ended" && Exit.isFailure(status.exit) ? Cause.pretty(status.exit.cause) : ""
        ].join("\n")
      )
    ].join("\n")
    return { observed, signature, status }
  }).pipe(
    Effect.scoped,
    Effect.withTracer(tracer),
    Effect.provide([Logger.layer(loggers), store ?? Persistence.layerMemory]),
    Effect.provideService(References.MinimumLogLevel, "All"),
    Effect.provideService(Metric.MetricRegistry, new Map()),
    recordsHeaders === true ? Effect.provideService(HttpMiddleware.TracerHeaderFilter, () => true) : identity
  )
}

const event = (fields: object = {}) => JSON.stringify(unreadUpdate({ appId, webhookId: "w", body: secret, ...fields }))

const brokenStore = Layer.provide(
  Persistence.layer,
  Layer.succeed(Persistence.BackingPersistence, {
    make: () =>
      Effect.succeed({
        get: () => Effect.undefined,
        getMany: () => Effect.die("not used"),
        set: (id: string, value: object) =>
          Effect.fail(new Persistence.PersistenceError({ message: "cannot set", cause: { id, value } })),
        setMany: () => Effect.void,
        remove: () => Effect.void,
        clear: Effect.void
      })
  })
)

describe("the signature and the body of a delivery are nowhere", () => {
  it.effect.each<readonly [string, string, number, Options]>([
    ["that is handled", event(), 200, {}],
    ["that another key has signed", event(), 401, { signer: stranger.sign }],
    ["of another app", event({ appId: "another" }), 401, {}],
    ["that is too old", event({ timestamp: -86_400_001 }), 401, {}],
    ["whose timestamp cannot be read", event({ timestamp: secret }), 400, {}],
    ["that is no JSON", `{"body":"${secret}`, 400, {}],
    ["whose handler fails", event(), 500, { handler: () => new Refused() }],
    ["whose handler has a bug", event(), 500, { handler: () => Effect.die(new Error("a bug")) }],
    ["that cannot be remembered", event(), 500, { store: brokenStore }]
  ])("%s", ([title, text, expected, options]) =>
    Effect.gen(function* () {
      const { observed, signature, status } = yield* observe(text, options)
      assert.strictEqual(status, expected)
      assert.include(observed, "highlevel_webhook_deliveries", title)
      assert.include(observed, "http.response.status_code")
      if (expected === 500) assert.match(observed, /Refused|a bug|cannot set/)
      assert.notInclude(observed, secret)
      assert.notInclude(observed, signature)
    })
  )

  it.effect("but this test would see them", () =>
    Effect.gen(function* () {
      const logged = yield* observe(event(), { handler: (event) => Effect.logInfo(event) })
      assert.include(logged.observed, secret)
      const recorded = yield* observe(event(), { recordsHeaders: true })
      assert.include(recorded.observed, recorded.signature)
    })
  )
})
