/**
 * The clients that are compared, each driven as its users drive it: those that
 * answer promises by loops that await, those that are effects by fibers.
 */
import type { ConversationUpdate } from "../src/wire/updateConversation.ts"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Headers from "effect/http/Headers"
import * as HttpClient from "effect/http/HttpClient"
import type { HttpClientError } from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import type * as HighLevelClient from "../src/client/HighLevelClient.ts"
import * as Documented from "./documented.ts"

export type Update = Required<Pick<ConversationUpdate, "conversationId" | "locationId" | "unreadCount" | "starred">> &
  Pick<ConversationUpdate, "feedback">

/** What is done: so many updates, so many at once. */
export interface Work {
  readonly count: number
  readonly concurrency: number
  readonly update: (index: number) => Update
  /** Told how long an update took, in milliseconds. */
  readonly took?: ((millis: number) => void) | undefined
}

export interface Client {
  readonly run: (work: Work) => Promise<void>
  /** The call once, for its answer. */
  readonly answer: (update: Update) => Promise<unknown>
}

const token = "pit-0123456789abcdef"
const version = "2021-07-28"

const ofPromises = (call: (update: Update) => Promise<unknown>): Client => ({
  answer: call,
  run: async ({ concurrency, count, took, update }) => {
    let next = 0
    const caller = async () => {
      while (next < count) {
        const input = update(next++)
        if (took === undefined) {
          await call(input)
        } else {
          const start = performance.now()
          await call(input)
          took(performance.now() - start)
        }
      }
    }
    await Promise.all(Array.from({ length: concurrency }, caller))
  }
})

const ofEffects = async <R>(
  layer: Layer.Layer<R, unknown>,
  make: Effect.Effect<(update: Update) => Effect.Effect<unknown, unknown>, unknown, R>
): Promise<Client> => {
  const runtime = ManagedRuntime.make(layer)
  const call = await runtime.runPromise(make)
  return {
    answer: (update) => runtime.runPromise(call(update)),
    run: ({ concurrency, count, took, update }) => {
      let next = 0
      const timed = (input: Update) => {
        if (took === undefined) return call(input)
        return Effect.suspend(() => {
          const start = performance.now()
          return Effect.tap(call(input), () => Effect.sync(() => took(performance.now() - start)))
        })
      }
      const caller = Effect.whileLoop({ while: () => next < count, body: () => timed(update(next++)), step: () => {} })
      return runtime.runPromise(
        Effect.all(
          Array.from({ length: concurrency }, () => caller),
          { concurrency: "unbounded", discard: true }
        )
      )
    }
  }
}

const headers = (token: string) => ({
  authorization: `Bearer ${token}`,
  version,
  accept: "application/json",
  "content-type": "application/json"
})

const undici = async (baseUrl: string) => {
  const { Pool } = await import("@effect/platform-node/Undici")
  const pool = new Pool(baseUrl)
  return ofPromises(async ({ conversationId, ...changes }) => {
    const { body, statusCode } = await pool.request({
      method: "PUT",
      path: `/conversations/${encodeURIComponent(conversationId)}`,
      headers: headers(token),
      body: JSON.stringify(changes)
    })
    if (statusCode !== 200) throw new Error(String(statusCode))
    return JSON.parse(await body.text())
  })
}

/** The least that undici can do: no promise, no stream. */
const dispatch = async (baseUrl: string) => {
  const { Pool } = await import("@effect/platform-node/Undici")
  const pool = new Pool(baseUrl)
  return ofPromises(
    ({ conversationId, ...changes }) =>
      new Promise((resolve, reject) => {
        const chunks: Array<Buffer> = []
        let status = 0
        pool.dispatch(
          {
            method: "PUT",
            path: `/conversations/${encodeURIComponent(conversationId)}`,
            headers: headers(token),
            body: JSON.stringify(changes)
          },
          {
            onRequestStart: () => {},
            onResponseStart: (_, statusCode) => void (status = statusCode),
            onResponseData: (_, chunk) => void chunks.push(chunk),
            onResponseEnd: () =>
              status === 200
                ? resolve(JSON.parse(Buffer.concat(chunks).toString()))
                : reject(new Error(String(status))),
            onResponseError: (_, error) => reject(error)
          }
        )
      })
  )
}

const fetch = (withSignal: boolean) => async (baseUrl: string) =>
  ofPromises(async ({ conversationId, ...changes }) => {
    const response = await globalThis.fetch(`${baseUrl}/conversations/${encodeURIComponent(conversationId)}`, {
      method: "PUT",
      headers: headers(token),
      body: JSON.stringify(changes),
      ...(withSignal ? { signal: new AbortController().signal } : {})
    })
    if (!response.ok) throw new Error(String(response.status))
    return response.json()
  })

const official = async (baseUrl: string) => {
  const peers = await import("./update-peers.js")
  return ofPromises(await peers.official(baseUrl, token, version))
}

const gnosticdev = async (baseUrl: string) => {
  const peers = await import("./update-peers.js")
  return ofPromises(await peers.gnosticdev(baseUrl, token, version))
}

/** A transport that costs nothing: what is left is a client's own cost. */
const none = () => {
  const response = HttpClientResponse.fromWeb(HttpClientRequest.get("/"), new Response())
  const body = Documented.body()
  const text = Effect.succeed(body)
  const json = Effect.sync(() => JSON.parse(body))
  const received = Object.create(response, {
    status: { value: 200 },
    headers: { value: Headers.fromInput(Documented.headers(body, 1_000_000)) },
    text: { value: text },
    json: { value: json }
  })
  return Layer.succeed(
    HttpClient.HttpClient,
    HttpClient.makeWith<HttpClientError, never, HttpClientError, never>(
      (requested) => Effect.flatMap(requested, () => Effect.succeed(received)),
      Effect.succeed
    )
  )
}

const transports = {
  UndiciHttpClient: async () => (await import("../src/node/UndiciHttpClient.ts")).layer,
  layerUndici: async () => (await import("@effect/platform-node/NodeHttpClient")).layerUndici,
  fetch: async () => (await import("effect/http/FetchHttpClient")).layer,
  none: async () => none()
}

type Transport = keyof typeof transports

/** What one writes without a client: the answer's schema as documented, and no error but HttpClient's. */
const HandWrittenAnswer = Schema.Struct({
  success: Schema.Boolean,
  conversation: Schema.Struct({
    id: Schema.String,
    locationId: Schema.String,
    contactId: Schema.String,
    assignedTo: Schema.optionalKey(Schema.String),
    userId: Schema.optionalKey(Schema.String),
    lastMessageBody: Schema.optionalKey(Schema.String),
    lastMessageDate: Schema.optionalKey(Schema.String),
    lastMessageType: Schema.optionalKey(Schema.String),
    unreadCount: Schema.optionalKey(Schema.Number),
    inbox: Schema.optionalKey(Schema.Boolean),
    starred: Schema.optionalKey(Schema.Boolean),
    deleted: Schema.Boolean
  })
})

const handWritten = (transport: Transport) => async (baseUrl: string) => {
  const read = HttpClientResponse.schemaBodyJson(HandWrittenAnswer)
  return ofEffects(
    await transports[transport](),
    Effect.map(HttpClient.HttpClient, (httpClient) => {
      const client = httpClient.pipe(
        HttpClient.mapRequest(HttpClientRequest.prependUrl(baseUrl)),
        HttpClient.filterStatusOk
      )
      return ({ conversationId, ...changes }: Update) =>
        HttpClientRequest.put(`/conversations/${encodeURIComponent(conversationId)}`).pipe(
          HttpClientRequest.bearerToken(Redacted.make(token)),
          HttpClientRequest.setHeader("version", version),
          HttpClientRequest.acceptJson,
          HttpClientRequest.bodyJsonUnsafe(changes),
          client.execute,
          Effect.flatMap(read)
        )
    })
  )
}

/** Effect's own client for our declaration, with no policy. */
const derived = async (baseUrl: string) => {
  const NodeHttpClient = await import("@effect/platform-node/NodeHttpClient")
  const HttpApiClient = await import("effect/http-api/HttpApiClient")
  const HttpApiMiddleware = await import("effect/http-api/HttpApiMiddleware")
  const { AgencyAuthorization, Authorization, HighLevelApi } = await import("../src/wire/HighLevelApi.ts")
  return ofEffects(
    Layer.mergeAll(
      NodeHttpClient.layerUndici,
      HttpApiMiddleware.layerClient(AgencyAuthorization, ({ next, request }) => next(request)),
      HttpApiMiddleware.layerClient(Authorization, ({ next, request }) =>
        next(HttpClientRequest.bearerToken(request, Redacted.make(token)))
      )
    ),
    Effect.map(
      HttpApiClient.make(HighLevelApi, { baseUrl }),
      (client) =>
        ({ conversationId, ...payload }: Update) =>
          client.conversations.update({ params: { conversationId }, headers: { version }, payload })
    )
  )
}

const ours =
  (transport: Transport, options: HighLevelClient.Options = {}) =>
  async (baseUrl: string) => {
    const HighLevelClient = await import("../src/client/HighLevelClient.ts")
    const { updateConversation } = await import("../src/wire/updateConversation.ts")
    return ofEffects(
      await transports[transport](),
      Effect.map(
        HighLevelClient.make({ token: Redacted.make(token), baseUrl, ...options }),
        (client) => (update: Update) => client.execute(updateConversation, update)
      )
    )
  }

export const clients: Record<string, (baseUrl: string) => Promise<Client>> = {
  "undici, dispatch": dispatch,
  "undici, request": undici,
  fetch: fetch(false),
  "fetch with a signal": fetch(true),
  "official SDK 3.1.0": official,
  "@gnosticdev/highlevel-sdk 3.0.1": gnosticdev,
  "Effect HttpClient by hand, layerUndici": handWritten("layerUndici"),
  "Effect HttpApiClient, layerUndici": derived,
  "ours, UndiciHttpClient": ours("UndiciHttpClient"),
  "ours, UndiciHttpClient, no policies": ours("UndiciHttpClient", { rateLimit: false, retry: false }),
  "ours, layerUndici": ours("layerUndici"),
  "ours, fetch": ours("fetch"),
  "Effect HttpClient by hand, no transport": handWritten("none"),
  "ours, no transport": ours("none")
}
