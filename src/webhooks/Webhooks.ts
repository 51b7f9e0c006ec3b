/**
 * Receives HighLevel's webhooks, and verifies each delivery before a handler sees it.
 *
 * {@link layer} adds a route to an Effect `HttpRouter` and handles each event once.
 * {@link verify} works with any other server. A delivery that is unsigned, modified, for
 * another app, too old or too large never reaches a handler.
 */
import * as ByteSize from "effect/ByteSize"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Schema from "effect/Schema"
import type * as Headers from "effect/http/Headers"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Persistable from "effect/persistence/Persistable"
import * as PersistedCache from "effect/persistence/PersistedCache"
import type * as Persistence from "effect/persistence/Persistence"
import type { InvalidOptions } from "../client/HighLevelError.ts"
import * as OptionsCheck from "../client/options.ts"
import type { Event } from "../wire/webhookEvents.ts"
import type { VerifyOptions } from "./options.ts"
import * as Verification from "./verification.ts"

export type {
  ConversationUnreadUpdate,
  Document,
  Event,
  InboundMessage,
  Install,
  OutboundMessage,
  Uninstall,
  Unknown
} from "../wire/webhookEvents.ts"
export type { VerifyOptions } from "./options.ts"
export { highLevelKey, WebhookRejected } from "./verification.ts"
export { installs } from "./installs.ts"

/** Counts deliveries by `outcome`: `Handled`, `Duplicate`, `Failed`, or the reason of a {@link WebhookRejected}. */
export const deliveries = Metric.counter("highlevel_webhook_deliveries", {
  description: "Deliveries of webhooks, by outcome",
  incremental: true
})

const count = (outcome: string) => Metric.update(Metric.withAttributes(deliveries, { outcome }), 1)

/**
 * Verifies a delivery, given its headers and the unmodified bytes of its body, and returns
 * its event. It does not detect duplicates: a redelivered event is returned again, with
 * the same `webhookId`.
 *
 * **Example** (A `Request` handler for Cloudflare Workers, Bun and Deno)
 *
 * ```ts
 * import { Webhooks } from "effect-highlevel"
 * import * as Effect from "effect/Effect"
 *
 * const handle = (request: Request) =>
 *   Effect.gen(function* () {
 *     const bytes = new Uint8Array(yield* Effect.promise(() => request.arrayBuffer()))
 *     const event = yield* Webhooks.verify(request.headers, bytes, { appId: "6502f1e0c2" })
 *     yield* Effect.log(event._tag)
 *     return new Response(undefined, { status: 200 })
 *   }).pipe(
 *     Effect.catchTag("WebhookRejected", ({ reason }) => Effect.succeed(new Response(reason, { status: 401 })))
 *   )
 *
 * const forged = new Request("https://app.example/webhooks", { method: "POST", body: `{"type":"UNINSTALL"}` })
 * const response = await Effect.runPromise(handle(forged))
 * await response.text() // => "Unsigned"
 * ```
 */
export const verify = (
  headers: Headers.Input,
  bytes: Uint8Array,
  options: VerifyOptions
): Effect.Effect<Event, Verification.WebhookRejected | InvalidOptions> =>
  Effect.flatMap(Verification.make(options), ({ verify }) => Effect.map(verify(headers, bytes), ({ event }) => event))

/** Handlers by the `_tag` of the event. */
export type Handlers<E, R> = {
  readonly [Tag in Event["_tag"]]?:
    ((event: Extract<Event, { readonly _tag: Tag }>) => Effect.Effect<unknown, E, R>) | undefined
}

/** The effects of handlers, whose errors and services are those of the combined handler. */
export type Handled<H> = { [Tag in keyof H]: H[Tag] extends (event: never) => infer A ? A : never }[keyof H]

/** Combines several handlers into one that dispatches on the `_tag` of the event. Other events are ignored. */
export function on<H extends Handlers<unknown, unknown>>(
  // Rejects names that are not those of events.
  handlers: H & { readonly [Name in Exclude<keyof H, Event["_tag"]>]: never }
): (event: Event) => Effect.Effect<void, Effect.Error<Handled<H>>, Effect.Services<Handled<H>>>
export function on(handlers: Handlers<unknown, unknown>) {
  const handle = (event: Event) => {
    switch (event._tag) {
      case "ConversationUnreadUpdate":
        return handlers.ConversationUnreadUpdate?.(event)
      case "InboundMessage":
        return handlers.InboundMessage?.(event)
      case "OutboundMessage":
        return handlers.OutboundMessage?.(event)
      case "INSTALL":
        return handlers.INSTALL?.(event)
      case "UNINSTALL":
        return handlers.UNINSTALL?.(event)
      case "Unknown":
        return handlers.Unknown?.(event)
    }
  }
  return (event: Event) => Effect.asVoid(handle(event) ?? Effect.void)
}

class HandlerFailed extends Schema.TaggedError<HandlerFailed>()("HandlerFailed", { cause: Schema.Defect() }) {}

// The cache key is compared by its fields, so it does not hold the event, which may be large and deep.
class Delivery extends Persistable.Class<{ payload: { readonly id: string } }>()("Delivery", {
  primaryKey: ({ id }) => id,
  error: HandlerFailed
}) {}

/** Handles the event that the current fiber has received. */
class Handling extends Context.Service<Handling, Effect.Effect<void, HandlerFailed>>()(
  "effect-highlevel/Webhooks/Handling"
) {}

/** Options of {@link layer}. */
export interface Options<E, R> extends VerifyOptions {
  /** The path of the app's webhook URL. */
  readonly path: HttpRouter.PathInput

  /** Handles an event. {@link on} combines several handlers. If it fails, HighLevel redelivers the event. */
  readonly handler: (event: Event) => Effect.Effect<unknown, E, R>

  /** Maximum duration of handling an event, and of recording it, before it counts as failed. @default "20 seconds" */
  readonly timeout?: Duration.Input | undefined
}

/**
 * Adds the route for HighLevel's webhooks to the `HttpRouter`.
 *
 * **Details**
 *
 * - It responds with 401 to rejected deliveries, with 413 to those that are too large, and
 *   with 400 to malformed ones.
 * - Each event is handled once, identified by its `webhookId`, else by its bytes. Handled
 *   events are recorded for `maxAge` in the `Persistence` in the context, such as
 *   `Persistence.layerRedis`. `Persistence.layerMemory` lasts as long as the process, and
 *   grows with every event.
 * - An event without `webhookId` and `timestamp` is handled whenever it is delivered: an
 *   unread count that changes back and forth has the same bytes each time.
 * - If a handler fails or times out, the response is a 500 and HighLevel redelivers the
 *   event.
 * - Handlers must be idempotent. An event is handled again if it could not be recorded, and
 *   two processes that receive it at the same moment may both handle it.
 *
 * **Example** (Add a route, and let the sandbox deliver to it)
 *
 * ```ts
 * import { Webhooks } from "effect-highlevel"
 * import { Sandbox } from "effect-highlevel/testing"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as FetchHttpClient from "effect/http/FetchHttpClient"
 * import * as HttpRouter from "effect/http/HttpRouter"
 * import * as Persistence from "effect/persistence/Persistence"
 *
 * const program = Effect.gen(function* () {
 *   const sandbox = yield* Sandbox.Sandbox
 *   const urgent: Array<string> = []
 *   const route = Webhooks.layer({
 *     path: "/webhooks",
 *     appId: "sandbox",
 *     keys: [yield* sandbox.webhookKey], // HighLevel's own by default
 *     handler: Webhooks.on({
 *       InboundMessage: ({ body }) => Effect.sync(() => void urgent.push(body ?? ""))
 *     })
 *   })
 *   const app = HttpRouter.toWebHandler(Layer.provide(route, Persistence.layerMemory), { disableLogger: true })
 *
 *   const message = { type: "InboundMessage", webhookId: "w1", body: "It is urgent" }
 *   for (const event of [message, message]) {
 *     yield* sandbox.deliver("https://app.example/webhooks", event).pipe(
 *       Effect.provideService(FetchHttpClient.Fetch, (input, init) => app.handler(new Request(input, init)))
 *     )
 *   }
 *   return urgent
 * })
 *
 * await Effect.runPromise(program.pipe(Effect.provide(Sandbox.layer()))) // => ["It is urgent"]
 * ```
 */
export const layer = <E, R>(
  options: Options<E, R>
): Layer.Layer<never, InvalidOptions, HttpRouter.HttpRouter | Persistence.Persistence | R> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const { maxAgeMillis, maxBytes, verify } = yield* Verification.make(options)
      const timeoutMillis = yield* OptionsCheck.millis(options.timeout ?? "20 seconds", "timeout")
      const context = yield* Effect.context<R>()
      const handle = (event: Event) =>
        Effect.suspend(() => options.handler(event)).pipe(
          Effect.timeout(timeoutMillis),
          Effect.catchCause((cause) => Effect.fail(new HandlerFailed({ cause }))),
          Effect.asVoid,
          Effect.provideContext(context)
        )
      const events = yield* PersistedCache.make<Delivery, Handling, "lookup">(() => Effect.flatten(Handling), {
        storeId: "effect-highlevel-webhooks",
        timeToLive: (exit) => (Exit.isSuccess(exit) ? maxAgeMillis : 0),
        inMemoryTTL: (exit) => (Exit.isSuccess(exit) ? "10 seconds" : 0),
        requireServicesAt: "lookup"
      })

      /** Whether this delivery handled the event, rather than an earlier one. */
      const handleOnce = ({ event, id }: Verification.Verified) =>
        Effect.suspend(() => {
          let isFirst = false
          const handling = Effect.andThen(
            handle(event),
            Effect.sync(() => void (isFirst = true))
          )
          return (
            id === undefined ? handling : Effect.provideService(events.get(new Delivery({ id })), Handling, handling)
          ).pipe(
            Effect.timeout(timeoutMillis),
            Effect.map(() => isFirst)
          )
        })

      const respond = Effect.gen(function* () {
        const request = yield* HttpServerRequest.HttpServerRequest
        const body = yield* request.arrayBuffer.pipe(
          Effect.provideService(HttpIncomingMessage.MaxBodySize, ByteSize.bytes(maxBytes)),
          Effect.mapError(({ reason }) =>
            reason._tag === "RequestParseError" && reason.reason === "BodyTooLarge"
              ? new Verification.WebhookRejected({ reason: "TooLarge" })
              : new Verification.WebhookRejected({ reason: "Malformed" })
          )
        )
        const isFirst = yield* handleOnce(yield* verify(request.headers, new Uint8Array(body)))
        yield* count(isFirst ? "Handled" : "Duplicate")
        return HttpServerResponse.empty({ status: 200 })
      }).pipe(
        Effect.catchTag("WebhookRejected", ({ reason }) => Effect.as(count(reason), rejected(reason))),
        Effect.catchCause((cause) =>
          Effect.logError("A webhook was not handled", cause).pipe(
            Effect.andThen(count("Failed")),
            Effect.as(HttpServerResponse.empty({ status: 500 }))
          )
        )
      )
      return HttpRouter.add("POST", options.path, respond)
    })
  )

const rejected = (reason: Verification.WebhookRejected["reason"]) =>
  HttpServerResponse.text(reason, { status: reason === "TooLarge" ? 413 : reason === "Malformed" ? 400 : 401 })
