/** The models of the sandbox. */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type * as Schema from "effect/Schema"
import type * as CryptoError from "effect/crypto/CryptoError"
import type * as Headers from "effect/http/Headers"
import type { Conversation } from "../wire/Conversation.ts"
import type { UserType } from "../wire/getAccessToken.ts"
import type { ConversationUpdate } from "../wire/updateConversation.ts"

/** A conversation to start with, stored and returned exactly as given: leave fields out to see how a program copes. */
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

  /** What only a search returns, and filters by. `dateAdded` is in epoch milliseconds. */
  readonly type?: string | undefined
  readonly fullName?: string | undefined
  readonly contactName?: string | undefined
  readonly email?: string | undefined
  readonly phone?: string | undefined
  readonly dateAdded?: number | undefined
  readonly lastMessageAction?: "automated" | "manual" | undefined
  readonly lastMessageDirection?: "inbound" | "outbound" | undefined
}

/** A message that arrives. */
export interface Message {
  readonly conversationId: string
  /** @default "Hello" */
  readonly body?: string | undefined
  /** An inbound one is unread. @default "inbound" */
  readonly direction?: "inbound" | "outbound" | undefined
  /** @default that of the message before, or "TYPE_SMS" */
  readonly type?: Conversation["lastMessageType"]
  /** The user who wrote an outbound one. @default nobody: it was sent automatically */
  readonly userId?: string | undefined
}

/** A response instead of the operation's own. */
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

  /** Which operation gets it. @default "update" */
  readonly operation?: Operation | undefined

  /** Only for this conversation. @default every conversation */
  readonly conversationId?: string | undefined

  /** How many requests get it. `Infinity` until the sandbox is reset. @default 1 */
  readonly times?: number | undefined

  /** Only every so-many-th of the requests that could get it. @default 1 */
  readonly every?: number | undefined
}

/** The operations of the sandbox. */
export type Operation = "update" | "get" | "search" | "token" | "locationToken" | "installedLocations"

/** What a token is good for. */
export interface Grant {
  /** @default "Location" */
  readonly userType?: UserType | undefined

  /** Of a `Location`. */
  readonly locationId?: string | undefined

  /** @default "sandbox-company" */
  readonly companyId?: string | undefined

  /** @default ["conversations.readonly", "conversations.write"] */
  readonly scopes?: ReadonlyArray<string> | undefined

  /** How long the access tokens live, in seconds or a fraction of one. @default that of the sandbox */
  readonly expiresIn?: number | undefined

  /**
   * The message of the 401 that every call with these tokens gets, such
   * as "Auth channel OAUTH is not supported."
   *
   * @default none
   */
  readonly refusedWith?: string | undefined
}

/** What a customer chooses on HighLevel's page. */
export interface Choice {
  /**
   * Who approves. An agency gets a `Company` token even where the exchange asks
   * for a `Location`.
   *
   * @default what the exchange asks for
   */
  readonly userType?: UserType | undefined
  /** Of a `Location`. @default the location of the first conversation */
  readonly locationId?: string | undefined
  /** @default "sandbox-company" */
  readonly companyId?: string | undefined
  /** Of a `Company`: where it installs the app. @default where it is installed, or everywhere if that is nowhere */
  readonly locationIds?: ReadonlyArray<string> | undefined
  /** Whether the customer began in HighLevel's marketplace: the redirect then has no `state`. @default false */
  readonly fromMarketplace?: boolean | undefined
}

/** An agency installs the app in its own panel, without a redirect. */
export interface Installation {
  /** @default "sandbox-company" */
  readonly companyId?: string | undefined
  /** In addition to the locations that have it. @default every location of the agency */
  readonly locationIds?: ReadonlyArray<string> | undefined
  /** Whether a location that is added later has the app. @default whether `locationIds` is left out */
  readonly toFutureLocations?: boolean | undefined
}

/** The app is removed from a location, or from an agency with all of its locations. */
export interface Uninstallation {
  /** @default "sandbox-company" */
  readonly companyId?: string | undefined
  /** @default every location of the agency, and the agency itself */
  readonly locationId?: string | undefined
}

/** A location that an agency adds. */
export interface AddedLocation {
  /** @default "sandbox-company" */
  readonly companyId?: string | undefined
  readonly locationId: string
  /** @default "Location " and its id */
  readonly name?: string | undefined
}

/** A pair of tokens. */
export interface Issued {
  readonly accessToken: Redacted.Redacted
  readonly refreshToken: Redacted.Redacted
}

/**
 * A fault of the connection, for a number of requests.
 *
 * - `disconnect`: the connection ends before any response; nothing is applied
 * - `slow-headers`: the update is applied, its response starts after `delay`
 * - `slow-body`: applied, the head comes at once and the body after `delay`
 * - `reset-body`: applied, the connection ends in the middle of the body
 * - `truncated-json`: applied, the body is whole HTTP but half a document
 * - `empty-body`: applied, the body is empty
 *
 * For an HTML 502, or a 429 with or without `Retry-After`, script a {@link Refusal}.
 */
export interface Fault {
  readonly kind: "disconnect" | "slow-headers" | "slow-body" | "reset-body" | "truncated-json" | "empty-body"

  /** Which operation meets it. @default "update" */
  readonly operation?: Operation | undefined

  /** Of the slow ones. @default "1 second" */
  readonly delay?: Duration.Input | undefined

  /** How many requests it meets. `Infinity` until the sandbox is reset. @default 1 */
  readonly times?: number | undefined

  /** Only every so-many-th of the requests that it could meet. @default 1 */
  readonly every?: number | undefined
}

/** The limits of a location. A request over them gets a 429 and is not applied. */
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

  /** Whether a 429 says `Retry-After`, which HighLevel does not document. @default false */
  readonly retryAfter?: boolean | undefined
}

/** An update that was applied. */
export interface AppliedUpdate extends ConversationUpdate {}

/** A request as the sandbox received it. */
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
  /** The status of the response; missing while there is none, or if the caller left. */
  readonly status?: number | undefined
}

/** The document of an event. */
export interface WebhookEvent {
  readonly [name: string]: Schema.Json | undefined
}

/** An event as it is sent. */
export interface SignedEvent {
  readonly headers: { readonly "content-type": string; readonly "x-ghl-signature": string }
  readonly body: Uint8Array
}

/** How an event is delivered. */
export interface DeliverOptions {
  /** How often it is sent until the response is a 2xx. @default 12 */
  readonly attempts?: number | undefined
  /** How long after the first attempt the second one comes; each later delay is twice as long. @default "10 seconds" */
  readonly delay?: Duration.Input | undefined
  /** How long an attempt waits for a response. @default "30 seconds" */
  readonly timeout?: Duration.Input | undefined
}

/** What came of a delivery. */
export interface Delivered {
  readonly attempts: number
  /** The status of the last response; missing if there was none. */
  readonly status: number | undefined
}

/** Signs and delivers events as HighLevel does. */
export interface WebhookService {
  /** The public key that verifies its events, for the option `keys` of `Webhooks`. Each sandbox has its own. */
  readonly webhookKey: Effect.Effect<string, CryptoError.CryptoError>
  /** Signs an event, and adds `appId`, `versionId`, `webhookId` and `timestamp` where they are missing. */
  readonly sign: (event: WebhookEvent) => Effect.Effect<SignedEvent, CryptoError.CryptoError>
  /** Signs a body as it is. */
  readonly signBytes: (body: Uint8Array) => Effect.Effect<SignedEvent, CryptoError.CryptoError>
  /**
   * Signs an event and sends it to a URL until the response is a 2xx, by the
   * `FetchHttpClient.Fetch` in the context: provide one that calls a handler in memory.
   */
  readonly deliver: (
    url: string | URL,
    event: WebhookEvent,
    options?: DeliverOptions
  ) => Effect.Effect<Delivered, CryptoError.CryptoError>
}

/** Controls the sandbox, and lists what it received. */
export interface Service extends WebhookService {
  /** Adds a conversation, or replaces the one with its id. */
  readonly seed: (conversation: Seed) => Effect.Effect<void>
  /**
   * A message arrives now: the date, body, type and direction of the last message, and
   * one more unread. Returns the conversation, or none where there is no such conversation.
   */
  readonly receive: (message: Message) => Effect.Effect<Option.Option<Conversation>>
  /** The conversation as it is stored now. */
  readonly conversation: (conversationId: string) => Effect.Effect<Option.Option<Conversation>>
  /** Scripts the response to the next valid request. Several are used in order. */
  readonly refuse: (refusal: Refusal) => Effect.Effect<void>
  /** Creates a token pair directly. */
  readonly issue: (grant: Grant) => Effect.Effect<Issued>
  /** Completes an authorization: what HighLevel's redirect brings. */
  readonly approve: (url: string, choice?: Choice) => Effect.Effect<{ readonly code: string; readonly state?: string }>
  /** Installs the app, without a redirect. An agency that the sandbox does not know yet has it in every location. */
  readonly install: (installation?: Installation) => Effect.Effect<void>
  /** Removes the app: the tokens that were issued for it are invalid permanently. */
  readonly uninstall: (uninstallation?: Uninstallation) => Effect.Effect<void>
  /** Adds a location to an agency; it has the app where the agency installed it in future locations, too. */
  readonly addLocation: (location: AddedLocation) => Effect.Effect<void>
  /** Disables a location: its tokens cannot be refreshed or exchanged. */
  readonly deactivate: (locationId: string) => Effect.Effect<void>
  /** Invalidates a token: an access token, a refresh token, a Private Integration token. */
  readonly revoke: (token: string) => Effect.Effect<void>
  /** Scripts a fault. Several are used in order. */
  readonly fault: (fault: Fault) => Effect.Effect<void>
  /** Changes the limits of every location, from the next request on. */
  readonly limit: (rateLimit: Partial<RateLimit>) => Effect.Effect<void>
  /** Another client of the location sends that many requests, now. */
  readonly consumeExternally: (locationId: string, requests: number) => Effect.Effect<void>
  /** Every conversation that is stored, in the order in which they came. */
  readonly conversations: Effect.Effect<ReadonlyArray<Conversation>>
  /** Every update that was applied, oldest first. */
  readonly applied: Effect.Effect<ReadonlyArray<AppliedUpdate>>
  /** Every request since the start or the last reset, oldest first. */
  readonly requests: Effect.Effect<ReadonlyArray<ReceivedRequest>>
  /** Back to the start: the conversations of the options, no refusals, no requests. */
  readonly reset: Effect.Effect<void>
}
