/** What the tests of UndiciHttpClient share: servers of their own, and both of the client's ways. */
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as HttpClient from "effect/http/HttpClient"
import * as UndiciHttpClient from "effect-highlevel/UndiciHttpClient"
import { createServer, type RequestListener } from "node:http"
import { createServer as createSocketServer, type Socket } from "node:net"
import { listening, recordingTracer } from "./harness.ts"

export const origin = (port: number) => `http://127.0.0.1:${port}`

/** A server, and its URL. */
export const serving = (listener: RequestListener) =>
  Effect.suspend(() => {
    const server = createServer(listener)
    return Effect.map(
      listening(server, () => server.closeAllConnections()),
      origin
    )
  })

/** A server that writes bytes to the socket of each request. */
export const raw = (respond: (socket: Socket) => void) =>
  Effect.map(
    listening(
      createSocketServer((socket) => {
        socket.on("error", () => {})
        socket.once("data", () => respond(socket))
      })
    ),
    origin
  )

export const untraced = Effect.provideService(HttpClient.TracerPropagationEnabled, false)

/** On both of its ways: with a tracer, and without. */
export const both = (name: string, test: Effect.Effect<void, unknown, HttpClient.HttpClient | Scope.Scope>) => {
  const run = test.pipe(Effect.provide(UndiciHttpClient.layer), Effect.scoped)
  it.live(`${name}, traced`, () => Effect.withTracer(run, recordingTracer().tracer))
  it.live(`${name}, untraced`, () => untraced(run))
}
