/**
 * HighLevel's side of the operations, for tests and for trying things out.
 *
 * The sandbox is derived from the same declaration as the client. It stores the
 * conversations it is given, checks token, version and body, and responds in
 * HighLevel's own shapes, as documented or as observed live. Swap it in as an
 * `HttpClient` without a socket ({@link layer}), or serve it ({@link layerServer}).
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

/**
 * Controls the sandbox.
 *
 * **Example** (A scripted refusal)
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

/** What the sandbox starts with, and how it responds. */
export interface Options {
  /** The token the sandbox accepts. @default "sandbox-token" */
  readonly token?: string | Redacted.Redacted | undefined

  /**
   * `documented` responds as the documentation says, `observed` as
   * recorded live: a part of the document, a numeric `lastMessageType`, ISO dates,
   * undocumented fields, a `traceId`.
   *
   * @default "documented"
   */
  readonly responses?: "documented" | "observed" | undefined

  /**
   * The conversations to start with, or how many: the documentation's example, and
   * others in its location, of which three in ten are unread and three each share a date.
   *
   * @default the documentation's example, `tDtDnQdgm2LXpyiqYvZ6` in location `tDtDnQdgm2LXpyiqYvZ6`
   */
  readonly conversations?: ReadonlyArray<Seed> | number | undefined

  /** How old what a search finds is; what the sandbox started with is found at once. @default 0 */
  readonly indexLag?: Duration.Input | undefined

  /** How many conversations a search returns at once, whatever its `limit`. @default 100 */
  readonly searchLimit?: number | undefined

  /**
   * The limits of every location, sent in the rate-limit headers and enforced.
   *
   * @default 100 requests per 10 seconds in a fixed window, 200,000 a day
   */
  readonly rateLimit?: Partial<RateLimit> | undefined

  /** How its OAuth server behaves. */
  readonly oauth?: OAuthOptions | undefined

  /**
   * Where it delivers events, signed with its `webhookKey`: an `InboundMessage` or
   * `OutboundMessage` after `receive`, a `ConversationUnreadUpdate` when the unread count
   * has changed, an `INSTALL` for each location that `install` and `addLocation` give the
   * app, an `UNINSTALL` after `uninstall`.
   *
   * @default nowhere
   */
  readonly webhooks?: string | URL | undefined
}

/** How the sandbox's OAuth server behaves. */
export interface OAuthOptions {
  /** The id of the app is its part before the hyphen. @default "sandbox-app" */
  readonly clientId?: string | undefined

  /** @default "sandbox-secret" */
  readonly clientSecret?: Redacted.Redacted | undefined

  /** How long an access token lives, in seconds or a fraction of one. @default 86_399 */
  readonly expiresIn?: number | undefined

  /**
   * For how long a refresh token that was used brings the same pair again; after
   * that it is an `invalid_grant`.
   *
   * @default "30 seconds"
   */
  readonly grace?: Duration.Input | undefined

  /** `access_token` or `accessToken`. @default `camelCase` where the version is `v3`, else `snake_case` */
  readonly spelling?: "snake_case" | "camelCase" | undefined
}

/** Options of a sandbox that is served. */
export interface ServerOptions extends Options {
  /**
   * Whether `POST /_pact/provider-states` puts the sandbox into the states of the
   * contract, for a Pact verifier. Whoever reaches the port can use it.
   *
   * @default false
   */
  readonly providerStates?: boolean | undefined
}

/** The token the sandbox accepts by default. */
export const defaultToken = "sandbox-token"

/** The app that its OAuth server knows by default. */
export const defaultApp = { clientId: "sandbox-app", clientSecret: Redacted.make("sandbox-secret") }

/** The documentation's example, with which the sandbox starts by default. */
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

/** The sandbox as an `HttpClient`, in memory: nothing listens, nothing is sent. */
export const layer = (options?: Options): Layer.Layer<Sandbox | HttpClient.HttpClient> =>
  Layer.merge(layerSandbox, layerHttpClient).pipe(Layer.provide(layerState(options)))

/**
 * The sandbox served over HTTP by the `HttpServer` in the context. With
 * `NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" })` it listens
 * on a free loopback port, which {@link url} tells.
 */
export const layerServer = (options?: ServerOptions): Layer.Layer<Sandbox, never, HttpServer.HttpServer> =>
  Layer.merge(
    layerSandbox,
    HttpRouter.serve(options?.providerStates === true ? Routes.layerProviderStates : Routes.layer, {
      disableLogger: true,
      disableListenLog: true
    })
  ).pipe(Layer.provide(layerState(options)))

/** The base URL of the sandbox that {@link layerServer} serves. */
export const url: Effect.Effect<string, never, HttpServer.HttpServer> = HttpServer.addressFormattedWith(Effect.succeed)
