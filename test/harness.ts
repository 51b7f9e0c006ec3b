/** What several tests stand on: HTTP clients that answer, and a served sandbox. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Tracer from "effect/Tracer"
import * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import { Conversations, type ConversationUpdate } from "effect-highlevel"
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
  update: ConversationUpdate.ConversationUpdate = ids,
  options?: Partial<Conversations.TokenOptions>
) =>
  Conversations.update(update).pipe(
    Effect.provide(
      Conversations.layer({ token: Redacted.make(token), retry: false, ...options }).pipe(Layer.provide(httpClient))
    )
  )

/** The sandbox on a loopback port, and the client that talks to it. */
export const served = (httpClient: Layer.Layer<HttpClient.HttpClient>, options?: Sandbox.Options) =>
  Layer.unwrap(
    Effect.map(Sandbox.url, (baseUrl) => Conversations.layer({ token: Redacted.make(Sandbox.defaultToken), baseUrl }))
  ).pipe(
    Layer.provide(httpClient),
    Layer.provideMerge(Sandbox.layerServer(options)),
    Layer.provideMerge(NodeHttpServer.layer(() => createServer(), { port: 0, host: "127.0.0.1" }))
  )

/** The sandbox in memory, and the client that talks to it. */
export const inMemory = (options?: Sandbox.Options) =>
  Conversations.layer({ token: Redacted.make(Sandbox.defaultToken) }).pipe(Layer.provideMerge(Sandbox.layer(options)))

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
