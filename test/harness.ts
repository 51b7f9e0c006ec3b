/** What several tests stand on: HTTP clients that answer, and a served sandbox. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import type * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Tracer from "effect/Tracer"
import * as TestClock from "effect/testing/TestClock"
import * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import { Conversations, HighLevelClient, type HighLevelError, UpdateConversation } from "effect-highlevel"
import { Sandbox } from "effect-highlevel/testing"
import { createServer } from "node:http"
import type { Server } from "node:net"

export const token = "pit-2f6c0f44-9d6b-4f0e-secret-8d2b1c7a5e90"

export const ids = { conversationId: "tDtDnQdgm2LXpyiqYvZ6", locationId: "tDtDnQdgm2LXpyiqYvZ6" }

/** An HTTP client that gives every request the same answer, and tells the requests. */
export const answering = (status: number, body: string, headers: Record<string, string> = {}) => {
  const requests: Array<HttpClientRequest.HttpClientRequest> = []
  const layer = Layer.succeed(
    HttpClient.HttpClient,
    HttpClient.make((request) => {
      requests.push(request)
      // These statuses cannot have a body.
      const text = [101, 204, 205, 304].includes(status) ? null : body
      return Effect.succeed(HttpClientResponse.fromWeb(request, new Response(text, { status, headers })))
    })
  )
  return { layer, requests }
}

/** One update through the real client over the given HTTP client, tried once. */
export const updateOver = (
  httpClient: Layer.Layer<HttpClient.HttpClient>,
  update: UpdateConversation.ConversationUpdate = { ...ids, starred: true },
  options?: Partial<HighLevelClient.TokenOptions>
) =>
  Conversations.update(update).pipe(
    Effect.provide(
      HighLevelClient.layer({ token: Redacted.make(token), retry: false, ...options }).pipe(Layer.provide(httpClient))
    )
  )

/** The sandbox on a loopback port, and the client that talks to it. */
export const served = (httpClient: Layer.Layer<HttpClient.HttpClient>, options?: Sandbox.Options) =>
  Layer.unwrap(
    Effect.map(Sandbox.url, (baseUrl) => HighLevelClient.layer({ token: Redacted.make(Sandbox.defaultToken), baseUrl }))
  ).pipe(
    Layer.provide(httpClient),
    Layer.provideMerge(Sandbox.layerServer(options)),
    Layer.provideMerge(NodeHttpServer.layer(() => createServer(), { port: 0, host: "127.0.0.1" }))
  )

/** The sandbox in memory, and the client that talks to it. */
export const inMemory = (options?: Sandbox.Options) =>
  HighLevelClient.layer({ token: Redacted.make(Sandbox.defaultToken) }).pipe(Layer.provideMerge(Sandbox.layer(options)))

/** A tracer that keeps its spans. */
export const recordingTracer = () => {
  const spans: Array<Tracer.NativeSpan> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      spans.push(span)
      return span
    }
  })
  return { spans, tracer }
}

/** A server of the test's own on a free loopback port, for as long as the scope; its port. */
export const listening = (server: Server, close: () => void = () => server.close()) =>
  Effect.acquireRelease(
    Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
    () => Effect.sync(close)
  ).pipe(
    Effect.map(() => {
      const address = server.address()
      return typeof address === "object" && address !== null ? address.port : 0
    })
  )

/** A client that sends nothing: each call of an operation gets the JSON that a function makes of its input. */
export const clientOf = (
  respond: (update: UpdateConversation.ConversationUpdate) => Effect.Effect<unknown, HighLevelError.HighLevelError>
) =>
  Layer.succeed(HighLevelClient.HighLevelClient, {
    baseUrl: HighLevelClient.defaultBaseUrl,
    execute: (operation, input, { requestSlot } = {}) => {
      const responded = Effect.flatMap(Effect.orDie(decodeUpdate(input)), respond)
      const sent =
        requestSlot === undefined
          ? responded
          : Effect.andThen(Effect.interruptible(requestSlot.acquire), Effect.ensuring(responded, requestSlot.release))
      return sent.pipe(
        Effect.flatMap((json) => Effect.orDie(Effect.fromResult(operation.decode(json)))),
        Effect.map((output) => ({ output, attempts: 1 }))
      )
    },
    http: () => {
      throw new Error("this client calls operations only")
    }
  })

const decodeUpdate = Schema.decodeUnknownEffect(UpdateConversation.ConversationUpdate)

/** The JSON of an update that was applied. */
export const applied = { success: true, conversation: {} }

/** What every error of a call is made of. */
export const call = { operation: "Conversations.update", ...ids }

/** The client in the context, whose calls pass through a function first. */
export const intercepted = (
  intercept: <O>(
    update: UpdateConversation.ConversationUpdate,
    call: Effect.Effect<HighLevelClient.Executed<O>, HighLevelError.HighLevelError>
  ) => Effect.Effect<HighLevelClient.Executed<O>, HighLevelError.HighLevelError>
) =>
  Layer.effect(
    HighLevelClient.HighLevelClient,
    Effect.map(HighLevelClient.HighLevelClient, (client) => ({
      ...client,
      execute: (operation, input, options) =>
        Effect.flatMap(Effect.orDie(decodeUpdate(input)), (update) =>
          intercept(update, client.execute(operation, input, options))
        )
    }))
  )

/** A clock whose wall time is off by some milliseconds; its monotonic time is not. */
export const steppingClock = (clock: Clock.Clock, offset: () => number): Clock.Clock => {
  const currentTimeMillisUnsafe = () => clock.currentTimeMillisUnsafe() + offset()
  return { ...clock, currentTimeMillisUnsafe, currentTimeMillis: Effect.sync(currentTimeMillisUnsafe) }
}

/** Lets other fibers go on, but not the clock. */
export const settle = Effect.gen(function* () {
  for (let turn = 0; turn < 50; turn++) yield* Effect.yieldNow
})

export const until = <E, R>(condition: Effect.Effect<boolean, E, R>) =>
  Effect.gen(function* () {
    while (!(yield* condition)) yield* Effect.yieldNow
  })

/** Moves the clock on in small steps while a fiber does its work. */
export const running = <A, E, R>(effect: Effect.Effect<A, E, R>, step: Duration.Input = "50 millis") =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(effect)
    while (fiber.pollUnsafe() === undefined) {
      yield* settle
      if (fiber.pollUnsafe() === undefined) yield* TestClock.adjust(step)
    }
    return yield* Fiber.join(fiber)
  })

/** The same, while real sockets do theirs. */
export const runningLive = <A, E, R>(effect: Effect.Effect<A, E, R>, step: Duration.Input = "50 millis") =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(effect)
    while (fiber.pollUnsafe() === undefined) {
      yield* TestClock.withLive(Effect.sleep("2 millis"))
      yield* TestClock.adjust(step)
    }
    return yield* Fiber.join(fiber)
  })
