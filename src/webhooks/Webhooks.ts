/**
 * Webhooks: the events that HighLevel delivers, verified before anybody sees them.
 *
 * {@link layer} adds a route to any Effect `HttpRouter`, and hands each event on once;
 * {@link verify} is for every other server. What is unsigned, changed, for another app,
 * too old or too large never reaches a handler.
 */
import * as ByteSize from "effect/ByteSize"
import * as Duration from "effect/Duration"
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

/** Deliveries, by `outcome`: `Handled`, `Duplicate`, `Failed`, or the reason of a {@link WebhookRejected}. */
export const deliveries = Metric.counter("highlevel_webhooks", {
  description: "Deliveries of webhooks, by outcome",
  incremental: true
})

const count = (outcome: string) => Metric.update(Metric.withAttributes(deliveries, { outcome }), 1)

/** The event of a delivery: its headers, and the bytes of its body as they came. */
export const verify = (
  headers: Headers.Input,
  bytes: Uint8Array,
  options: VerifyOptions
): Effect.Effect<Event, Verification.WebhookRejected | InvalidOptions> =>
  Effect.flatMap(Verification.make(options), ({ verify }) => Effect.map(verify(headers, bytes), ({ event }) => event))

/** A handler for each type of event that is of interest. */
export type Handlers<E, R> = {
  readonly [Tag in Event["_tag"]]?:
    ((event: Extract<Event, { readonly _tag: Tag }>) => Effect.Effect<unknown, E, R>) | undefined
}

type Handled<H> = { [Tag in keyof H]: H[Tag] extends (event: never) => infer A ? A : never }[keyof H]

/** One handler of many, by the type of the event; an event without a handler is ignored. */
export function on<H extends Handlers<unknown, unknown>>(
  handlers: H
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

class Delivery extends Persistable.Class<{ payload: { readonly id: string; readonly event: Event } }>()("Delivery", {
  primaryKey: ({ id }) => id,
  error: HandlerFailed
}) {}

/** Options of {@link layer}. */
export interface Options<E, R> extends VerifyOptions {
  /** The path that is registered with the app. */
  readonly path: HttpRouter.PathInput

  /** What is done with an event; {@link on} makes one of many. When it fails, HighLevel delivers again. */
  readonly handler: (event: Event) => Effect.Effect<unknown, E, R>

  /** How long a handler may take before it has failed. @default "20 seconds" */
  readonly timeout?: Duration.Input | undefined
}

/**
 * A route for HighLevel's webhooks.
 *
 * **Details**
 *
 * An event is handed on once, by its `webhookId`, or else by its bytes; what was handled is
 * remembered in the `Persistence` in the context, such as `Persistence.layerMemory` or
 * `Persistence.layerRedis`. A handler that fails or takes too long is a 500, and the event
 * comes again; so does one whose handling could not be remembered. Two processes that get
 * one event at the same moment may both handle it.
 *
 * What is rejected is a 401, a 413 or a 400.
 */
export const layer = <E, R>(
  options: Options<E, R>
): Layer.Layer<never, InvalidOptions, HttpRouter.HttpRouter | Persistence.Persistence | R> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const { maxAgeMillis, maxBytes, verify } = yield* Verification.make(options)
      const timeoutMillis = yield* OptionsCheck.millis(options.timeout ?? "20 seconds", "timeout")
      const context = yield* Effect.context<R>()
      const handled = new WeakSet<Delivery>()

      const handle = (delivery: Delivery) =>
        Effect.suspend(() => options.handler(delivery.event)).pipe(
          Effect.timeout(timeoutMillis),
          Effect.catchCause((cause) => Effect.fail(new HandlerFailed({ cause }))),
          Effect.andThen(Effect.sync(() => void handled.add(delivery))),
          Effect.provideContext(context)
        )
      const events = yield* PersistedCache.make(handle, {
        storeId: "effect-highlevel-webhooks",
        timeToLive: (exit) => (Exit.isSuccess(exit) ? maxAgeMillis : 0),
        inMemoryTTL: (exit) => (Exit.isSuccess(exit) ? "10 seconds" : 0)
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
        const delivery = new Delivery(yield* verify(request.headers, new Uint8Array(body)))
        yield* events.get(delivery)
        yield* count(handled.has(delivery) ? "Handled" : "Duplicate")
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
