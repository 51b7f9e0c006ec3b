/**
 * A sandbox of HighLevel, for tests and demos.
 *
 * The sandbox is made from the same operations as the client. It stores conversations,
 * validates the token, the version and the body, and responds as documented or as observed
 * live. Use it as an `HttpClient` without a socket ({@link layer}), or serve it over HTTP
 * ({@link layerServer}).
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Conversations from "./conversationState.ts"
import type { RateLimit, Seed, Service } from "./SandboxModel.ts"
import * as Routes from "./routes.ts"
import * as State from "./state.ts"
import * as Webhooks from "./webhooks.ts"

export type {
  AddedLocation,
  AppliedUpdate,
  Choice,
  Delivered,
  DeliverOptions,
  Fault,
  Grant,
  Installation,
  Issued,
  Message,
  Operation,
  RateLimit,
  ReceivedRequest,
  Refusal,
  Seed,
  Service,
  SignedEvent,
  Uninstallation,
  WebhookEvent,
  WebhookService
} from "./SandboxModel.ts"
export { faultKinds } from "./SandboxModel.ts"

/**
 * Controls the sandbox.
 *
 * **Example** (Script a refusal)
 *
 * ```ts
 * import { Conversations, HighLevelClient } from "effect-highlevel"
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
 * const layer = HighLevelClient.layer({ token: Redacted.make("sandbox-token") }).pipe(
 *   Layer.provideMerge(Sandbox.layer())
 * )
 *
 * await Effect.runPromise(program.pipe(Effect.provide(layer))) // => "Unprocessable"
 * ```
 */
export class Sandbox extends Context.Service<Sandbox, Service>()("effect-highlevel/testing/Sandbox/Sandbox") {}

/** The options of a sandbox. */
export interface Options {
  /** The token that the sandbox accepts. @default "sandbox-token" */
  readonly token?: string | Redacted.Redacted | undefined

  /**
   * Whether responses are as documented, or as observed live: with missing fields, a
   * numeric `lastMessageType`, ISO dates, undocumented fields and a `traceId`.
   *
   * @default "documented"
   */
  readonly responses?: "documented" | "observed" | undefined

  /**
   * The initial conversations, or their number. A number makes the documented example and
   * further conversations in its location; three in ten are unread, and three each share a
   * date.
   *
   * @default the documented example, `tDtDnQdgm2LXpyiqYvZ6` in location `tDtDnQdgm2LXpyiqYvZ6`
   */
  readonly conversations?: ReadonlyArray<Seed> | number | undefined

  /** How far the search index lags behind changes. The initial conversations are found at once. @default 0 */
  readonly indexLag?: Duration.Input | undefined

  /** The maximum page size of a search, whatever its `limit`. @default 100 */
  readonly searchLimit?: number | undefined

  /**
   * The rate limits of every location, which are enforced and reported in headers.
   *
   * @default 100 requests per 10 seconds in a fixed window, 200,000 a day
   */
  readonly rateLimit?: Partial<RateLimit> | undefined

  /** The options of its OAuth server. */
  readonly oauth?: OAuthOptions | undefined

  /**
   * The URL that events are delivered to, signed with its `webhookKey`: an `InboundMessage`
   * or `OutboundMessage` after `receive`, a `ConversationUnreadUpdate` when an unread count
   * changes, an `INSTALL` for each location that gets the app by `install` or
   * `addLocation`, and an `UNINSTALL` after `uninstall`.
   *
   * @default none
   */
  readonly webhooks?: string | URL | undefined
}

/** The options of the sandbox's OAuth server. */
export interface OAuthOptions {
  /** The client id. Its part before the hyphen is the app id. @default "sandbox-app" */
  readonly clientId?: string | undefined

  /** @default "sandbox-secret" */
  readonly clientSecret?: Redacted.Redacted | undefined

  /** The lifetime of an access token, in seconds, with fractions. @default 86_399 */
  readonly expiresIn?: number | undefined

  /**
   * How long a used refresh token returns the same pair again. Afterwards it is an
   * `invalid_grant`.
   *
   * @default "30 seconds"
   */
  readonly grace?: Duration.Input | undefined

  /** Whether token responses have `access_token` or `accessToken`. @default `camelCase` for version `v3`, else `snake_case` */
  readonly spelling?: "snake_case" | "camelCase" | undefined
}

/** The options of a served sandbox. */
export interface ServerOptions extends Options {
  /**
   * Whether to serve `POST /_pact/provider-states`, which sets the contract's provider
   * states for a Pact verifier. Anyone who reaches the port can use it.
   *
   * @default false
   */
  readonly providerStates?: boolean | undefined
}

/** The default token of the sandbox. */
export const defaultToken = "sandbox-token"

/** The default app of its OAuth server. */
export const defaultApp = { clientId: "sandbox-app", clientSecret: Redacted.make("sandbox-secret") }

/** The documented example, which is the default conversation. */
export const documentedConversation: Seed = Conversations.documentedConversation

const layerState = (options: Options = {}) =>
  Layer.effect(
    State.State,
    State.make({
      token: Redacted.isRedacted(options.token) ? Redacted.value(options.token) : (options.token ?? defaultToken),
      responses: options.responses ?? "documented",
      conversations:
        typeof options.conversations === "object"
          ? options.conversations
          : Conversations.generate(options.conversations ?? 1),
      indexLagMillis: Duration.toMillis(Duration.fromInputUnsafe(options.indexLag ?? 0)),
      searchLimit: options.searchLimit ?? 100,
      rateLimit: { max: 100, intervalMillis: 10_000, daily: 200_000, ...options.rateLimit },
      oauth: {
        clientId: options.oauth?.clientId ?? defaultApp.clientId,
        clientSecret: Redacted.value(options.oauth?.clientSecret ?? defaultApp.clientSecret),
        expiresIn: options.oauth?.expiresIn ?? 86_399,
        graceMillis: Duration.toMillis(Duration.fromInputUnsafe(options.oauth?.grace ?? "30 seconds")),
        spelling: options.oauth?.spelling
      }
    }).pipe(Effect.flatMap((state) => Webhooks.over(state, options.webhooks)))
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
        // The handler dies to end the connection.
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

/** Provides the sandbox and an `HttpClient` that sends to it in memory, without a socket. */
export const layer = (options?: Options): Layer.Layer<Sandbox | HttpClient.HttpClient> =>
  Layer.merge(layerSandbox, layerHttpClient).pipe(Layer.provide(layerState(options)))

/**
 * Serves the sandbox over HTTP with the `HttpServer` in the context. With
 * `NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" })` it listens on a
 * free loopback port; {@link url} returns its URL.
 */
export const layerServer = (options?: ServerOptions): Layer.Layer<Sandbox, never, HttpServer.HttpServer> =>
  Layer.merge(
    layerSandbox,
    HttpRouter.serve(options?.providerStates === true ? Routes.layerProviderStates : Routes.layer, {
      disableLogger: true,
      disableListenLog: true
    })
  ).pipe(Layer.provide(layerState(options)))

/** Returns the base URL of a sandbox served by {@link layerServer}. */
export const url: Effect.Effect<string, never, HttpServer.HttpServer> = HttpServer.addressFormattedWith(Effect.succeed)
