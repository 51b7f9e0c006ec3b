/**
 * HighLevel's side of the operation, for tests and for trying things out.
 *
 * The sandbox is derived from the same declaration as the client. It keeps the
 * conversations it is given, checks token, version and body, and answers in
 * HighLevel's own shapes, as documented or as observed live. Swap it in as an
 * `HttpClient` without a socket ({@link layer}), or serve it ({@link layerServer}).
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Schema from "effect/Schema"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import type * as Headers from "effect/http/Headers"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type { Conversation } from "../Conversation.ts"
import type { ConversationUpdate } from "../ConversationUpdate.ts"
import * as Routes from "./internal/routes.ts"
import * as State from "./internal/state.ts"

/**
 * A conversation to start with, held and answered exactly as given: leave fields
 * out to see how a program bears it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Seed extends Pick<
  Conversation,
  | "contactId"
  | "assignedTo"
  | "userId"
  | "lastMessageBody"
  | "lastMessageDate"
  | "lastMessageType"
  | "unreadCount"
  | "inbox"
  | "starred"
  | "deleted"
> {
  readonly id: string
  readonly locationId: string
}

/**
 * An answer to give instead of applying an update.
 *
 * @category models
 * @since 0.1.0
 */
export interface Refusal {
  readonly status: number

  /**
   * A JSON body, or a string that is sent as it is (an HTML page, broken JSON).
   *
   * @default the documented body of a 400, 401 or 422, and HighLevel's usual shape for the rest
   */
  readonly body?: Schema.Json | undefined

  /** Headers to add, such as `retry-after` or a `content-type` of your own. */
  readonly headers?: Headers.Input | undefined

  /**
   * Only for this conversation.
   *
   * @default every conversation
   */
  readonly conversationId?: string | undefined

  /**
   * How many requests it answers. `Infinity` until the sandbox is reset.
   *
   * @default 1
   */
  readonly times?: number | undefined
}

/**
 * Something that goes wrong on the way, for a number of requests.
 *
 * - `disconnect`: the connection ends before any answer; nothing is applied
 * - `slow-headers`: the update is applied, its answer starts after `delay`
 * - `slow-body`: applied, the head comes at once and the body after `delay`
 * - `reset-body`: applied, the connection ends in the middle of the body
 * - `truncated-json`: applied, the body is whole HTTP but half a document
 *
 * For an HTML 502, or a 429 with or without `Retry-After`, script a {@link Refusal}.
 *
 * @category models
 * @since 0.1.0
 */
export interface Fault {
  readonly kind: "disconnect" | "slow-headers" | "slow-body" | "reset-body" | "truncated-json"

  /**
   * Of the slow ones.
   *
   * @default "1 second"
   */
  readonly delay?: Duration.Input | undefined

  /**
   * How many requests it meets. `Infinity` until the sandbox is reset.
   *
   * @default 1
   */
  readonly times?: number | undefined
}

/**
 * The limits of a location. A request over them is answered 429 and not applied.
 *
 * @category models
 * @since 0.1.0
 */
export interface RateLimit {
  readonly max: number
  readonly intervalMillis: number
  readonly daily: number

  /**
   * Whether the window starts with its first request and ends an interval later,
   * or reaches back one interval from every request.
   *
   * @default "fixed"
   */
  readonly window?: "fixed" | "sliding" | undefined

  /**
   * Whether a 429 says `Retry-After`, which HighLevel does not document.
   *
   * @default false
   */
  readonly retryAfter?: boolean | undefined
}

/**
 * An update that was applied.
 *
 * @category models
 * @since 0.1.0
 */
export interface AppliedUpdate extends ConversationUpdate {}

/**
 * A request as the sandbox received it.
 *
 * @category models
 * @since 0.1.0
 */
export interface ReceivedRequest {
  readonly method: string
  /** The path as it came, still percent-encoded. */
  readonly path: string
  /** Printing them hides the token; reading `authorization` does not. */
  readonly headers: Headers.Headers
  /** The body as text. */
  readonly body: string
  /** When it came, in epoch milliseconds of the sandbox's clock. */
  readonly receivedAt: number
  /** The status of the answer; missing while there is none, or if the caller left. */
  readonly status?: number | undefined
}

/**
 * @category services
 * @since 0.1.0
 */
export interface Service {
  /** Adds a conversation, or replaces the one with its id. */
  readonly seed: (conversation: Seed) => Effect.Effect<void>
  /** The conversation as the sandbox holds it now. */
  readonly conversation: (conversationId: string) => Effect.Effect<Option.Option<Conversation>>
  /** Scripts a refusal of the next valid update. Several are used in the order they came. */
  readonly refuse: (refusal: Refusal) => Effect.Effect<void>
  /** Makes a token invalid. */
  readonly revoke: (token: string) => Effect.Effect<void>
  /** Lets something go wrong. Several faults are met in the order they came. */
  readonly fault: (fault: Fault) => Effect.Effect<void>
  /** Changes the limits of every location, from the next request on. */
  readonly limit: (rateLimit: Partial<RateLimit>) => Effect.Effect<void>
  /** Another tenant uses the quota of a location: that many requests, now. */
  readonly drink: (locationId: string, requests: number) => Effect.Effect<void>
  /** Every update that was applied, oldest first. */
  readonly applied: Effect.Effect<ReadonlyArray<AppliedUpdate>>
  /** Every request since the start or the last reset, oldest first. */
  readonly requests: Effect.Effect<ReadonlyArray<ReceivedRequest>>
  /** Back to the start: the conversations of the options, no refusals, no requests. */
  readonly reset: Effect.Effect<void>
}

/**
 * The hand that steers the sandbox.
 *
 * **Example** (A scripted refusal)
 *
 * ```ts
 * import { Conversations } from "effect-highlevel"
 * import { Sandbox } from "effect-highlevel/testing"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as Redacted from "effect/Redacted"
 *
 * const program = Effect.gen(function* () {
 *   const sandbox = yield* Sandbox.Sandbox
 *   yield* sandbox.refuse({ status: 422 })
 *   const error = yield* Effect.flip(
 *     Conversations.update({ conversationId: "tDtDnQdgm2LXpyiqYvZ6", locationId: "tDtDnQdgm2LXpyiqYvZ6" })
 *   )
 *   return error._tag
 * })
 *
 * const layer = Conversations.layer({ token: Redacted.make("sandbox-token") }).pipe(
 *   Layer.provideMerge(Sandbox.layer())
 * )
 *
 * await Effect.runPromise(program.pipe(Effect.provide(layer))) // => "Unprocessable"
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export class Sandbox extends Context.Service<Sandbox, Service>()("effect-highlevel/testing/Sandbox/Sandbox") {}

/**
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /**
   * The token the sandbox accepts.
   *
   * @default "sandbox-token"
   */
  readonly token?: string | Redacted.Redacted | undefined

  /**
   * `documented` answers what the documentation says. `observed` answers as
   * recorded live: a part of the document, a numeric `lastMessageType`, ISO dates,
   * undocumented fields, a `traceId`.
   *
   * @default "documented"
   */
  readonly answers?: "documented" | "observed" | undefined

  /**
   * The conversations to start with.
   *
   * @default the documentation's example, `tDtDnQdgm2LXpyiqYvZ6` in location `tDtDnQdgm2LXpyiqYvZ6`
   */
  readonly conversations?: ReadonlyArray<Seed> | undefined

  /**
   * The limits of every location, told in the rate-limit headers and enforced.
   *
   * @default 100 requests per 10 seconds in a fixed window, 200,000 a day
   */
  readonly rateLimit?: Partial<RateLimit> | undefined
}

/**
 * @category options
 * @since 0.1.0
 */
export interface ServerOptions extends Options {
  /**
   * Whether `POST /_pact/provider-states` puts the sandbox into the states of the
   * contract, for a Pact verifier. Whoever reaches the port can use it.
   *
   * @default false
   */
  readonly providerStates?: boolean | undefined
}

/**
 * The token the sandbox accepts by default.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultToken = "sandbox-token"

/**
 * The documentation's example, with which the sandbox starts by default.
 *
 * @category constants
 * @since 0.1.0
 */
export const documentedConversation: Seed = State.documentedConversation

const layerState = (options: Options = {}) =>
  Layer.effect(
    State.State,
    State.make({
      token: Redacted.isRedacted(options.token) ? Redacted.value(options.token) : (options.token ?? defaultToken),
      answers: options.answers ?? "documented",
      conversations: options.conversations ?? [documentedConversation],
      rateLimit: { max: 100, intervalMillis: 10_000, daily: 200_000, ...options.rateLimit }
    })
  )

const layerSandbox = Layer.effect(
  Sandbox,
  Effect.map(State.State, (state) => state.sandbox)
)

const layerHttpClient = Layer.effect(
  HttpClient.HttpClient,
  Effect.map(HttpRouter.toHttpEffect(Routes.layer), (handle) =>
    HttpClient.make((request) =>
      handle.pipe(
        Effect.provideService(HttpServerRequest.HttpServerRequest, HttpServerRequest.fromClientRequest(request)),
        Effect.scoped,
        Effect.map((response) => HttpServerResponse.toClientResponse(response, { request })),
        // A fault of the connection is a defect of the handler.
        Effect.catchCause((cause) =>
          Cause.hasInterrupts(cause)
            ? Effect.interrupt
            : Effect.fail(
                new HttpClientError.HttpClientError({
                  reason: new HttpClientError.TransportError({ request, cause: Cause.squash(cause) })
                })
              )
        )
      )
    )
  )
)

/**
 * The sandbox as an `HttpClient`, in memory: nothing listens, nothing is sent.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<Sandbox | HttpClient.HttpClient> =>
  Layer.merge(layerSandbox, layerHttpClient).pipe(Layer.provide(layerState(options)))

/**
 * The sandbox served over HTTP by the `HttpServer` in the context. With
 * `NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" })` it listens
 * on a free loopback port, which {@link url} tells.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerServer = (options?: ServerOptions): Layer.Layer<Sandbox, never, HttpServer.HttpServer> =>
  Layer.merge(
    layerSandbox,
    HttpRouter.serve(options?.providerStates === true ? Routes.layerProviderStates : Routes.layer, {
      disableLogger: true,
      disableListenLog: true
    })
  ).pipe(Layer.provide(layerState(options)))

/**
 * The base URL of the sandbox that {@link layerServer} serves.
 *
 * @category accessors
 * @since 0.1.0
 */
export const url: Effect.Effect<string, never, HttpServer.HttpServer> = HttpServer.addressFormattedWith(Effect.succeed)
