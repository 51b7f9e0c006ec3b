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

/** An initial conversation, stored and returned exactly as given. Omit fields to test how a program handles that. */
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

  /** Fields that only a search returns and filters by. `dateAdded` is in epoch milliseconds. */
  readonly type?: string | undefined
  readonly fullName?: string | undefined
  readonly contactName?: string | undefined
  readonly email?: string | undefined
  readonly phone?: string | undefined
  readonly dateAdded?: number | undefined
  readonly lastMessageAction?: "automated" | "manual" | undefined
  readonly lastMessageDirection?: "inbound" | "outbound" | undefined
}

/** A new message. */
export interface Message {
  readonly conversationId: string
  /** @default "Hello" */
  readonly body?: string | undefined
  /** Inbound messages are unread. @default "inbound" */
  readonly direction?: "inbound" | "outbound" | undefined
  /** @default the type of the previous message, or "TYPE_SMS" */
  readonly type?: Conversation["lastMessageType"]
  /** The user who wrote an outbound message. @default none: it was sent automatically */
  readonly userId?: string | undefined
}

/** A scripted response. */
export interface Refusal {
  readonly status: number

  /**
   * A JSON body, or a string that is sent unchanged (an HTML page, broken JSON).
   *
   * @default the documented body of a 400, 401 or 422; HighLevel's usual shape for other statuses
   */
  readonly body?: Schema.Json | undefined

  /** Headers to add, such as `retry-after` or another `content-type`. */
  readonly headers?: Headers.Input | undefined

  /** The operation to refuse. @default "update" */
  readonly operation?: Operation | undefined

  /** The conversation to refuse. @default every conversation */
  readonly conversationId?: string | undefined

  /** The number of requests to refuse. `Infinity` until the sandbox is reset. @default 1 */
  readonly times?: number | undefined

  /** Refuses only every n-th matching request. @default 1 */
  readonly every?: number | undefined
}

/** The operations of the sandbox. */
export type Operation = "update" | "get" | "search" | "token" | "locationToken" | "installedLocations"

/** The permissions of a token. */
export interface Grant {
  /** @default "Location" */
  readonly userType?: UserType | undefined

  /** The location of a `Location` token. */
  readonly locationId?: string | undefined

  /** @default "sandbox-company" */
  readonly companyId?: string | undefined

  /** @default ["conversations.readonly", "conversations.write"] */
  readonly scopes?: ReadonlyArray<string> | undefined

  /** The lifetime of the access tokens, in seconds, with fractions. @default that of the sandbox */
  readonly expiresIn?: number | undefined

  /**
   * The message of a 401 for every call with these tokens, such as "Auth channel OAUTH is
   * not supported."
   *
   * @default none
   */
  readonly refusedWith?: string | undefined
}

/** The customer's choice on HighLevel's page. */
export interface Choice {
  /**
   * The type of the approving account. An agency gets a `Company` token even if the
   * exchange asks for a `Location`.
   *
   * @default the type that the exchange asks for
   */
  readonly userType?: UserType | undefined
  /** The location of a `Location`. @default the location of the first conversation */
  readonly locationId?: string | undefined
  /** @default "sandbox-company" */
  readonly companyId?: string | undefined
  /** The locations where a `Company` installs the app. @default those that have it, or all if none has */
  readonly locationIds?: ReadonlyArray<string> | undefined
  /** Whether the install began in HighLevel's marketplace, so that the redirect has no `state`. @default false */
  readonly fromMarketplace?: boolean | undefined
}

/** An install by an agency in its own panel, without a redirect. */
export interface Installation {
  /** @default "sandbox-company" */
  readonly companyId?: string | undefined
  /** Locations that get the app, in addition to those that have it. @default every location of the agency */
  readonly locationIds?: ReadonlyArray<string> | undefined
  /** Whether locations that are added later get the app. @default true without `locationIds` */
  readonly toFutureLocations?: boolean | undefined
}

/** An uninstall of the app from a location, or from an agency with all of its locations. */
export interface Uninstallation {
  /** @default "sandbox-company" */
  readonly companyId?: string | undefined
  /** @default every location of the agency, and the agency itself */
  readonly locationId?: string | undefined
}

/** A new location of an agency. */
export interface AddedLocation {
  /** @default "sandbox-company" */
  readonly companyId?: string | undefined
  readonly locationId: string
  /** @default "Location " followed by its id */
  readonly name?: string | undefined
}

/** A token pair. */
export interface Issued {
  readonly accessToken: Redacted.Redacted
  readonly refreshToken: Redacted.Redacted
}

/** The kinds of a {@link Fault}. */
export const faultKinds = [
  "disconnect",
  "slow-headers",
  "slow-body",
  "reset-body",
  "truncated-json",
  "empty-body"
] as const

/**
 * A scripted connection fault.
 *
 * - `disconnect`: the connection closes before any response; nothing is applied
 * - `slow-headers`: applied, but the response starts after `delay`
 * - `slow-body`: applied, with the headers at once and the rest of the body after `delay`
 * - `reset-body`: applied, but the connection closes in the middle of the body
 * - `truncated-json`: applied, with valid HTTP and half a JSON document
 * - `empty-body`: applied, with an empty body
 *
 * For an HTML 502, or a 429 with or without `Retry-After`, script a {@link Refusal}.
 */
export interface Fault {
  readonly kind: (typeof faultKinds)[number]

  /** The operation to disturb. @default "update" */
  readonly operation?: Operation | undefined

  /** The delay of the slow faults. @default "1 second" */
  readonly delay?: Duration.Input | undefined

  /** The number of requests to disturb. `Infinity` until the sandbox is reset. @default 1 */
  readonly times?: number | undefined

  /** Disturbs only every n-th matching request. @default 1 */
  readonly every?: number | undefined
}

/** The rate limits of a location. A request above them gets a 429 and is not applied. */
export interface RateLimit {
  readonly max: number
  readonly intervalMillis: number
  readonly daily: number

  /**
   * A fixed window starts with its first request and ends one interval later. A sliding
   * window reaches back one interval from each request.
   *
   * @default "fixed"
   */
  readonly window?: "fixed" | "sliding" | undefined

  /** Whether a 429 has a `Retry-After` header, which HighLevel does not document. @default false */
  readonly retryAfter?: boolean | undefined
}

/** An applied update. */
export interface AppliedUpdate extends ConversationUpdate {}

/** A received request. */
export interface ReceivedRequest {
  readonly method: string
  /** The raw path, percent-encoded. */
  readonly path: string
  /** The headers. Printing them redacts the token; reading `authorization` does not. */
  readonly headers: Headers.Headers
  /** The body as text. */
  readonly body: string
  /** When it was received, in epoch milliseconds of the sandbox's clock. */
  readonly receivedAt: number
  /** The status of the response; missing before the response, or if the caller disconnected. */
  readonly status?: number | undefined
}

/** The JSON document of an event. */
export interface WebhookEvent {
  readonly [name: string]: Schema.Json | undefined
}

/** A signed event. */
export interface SignedEvent {
  readonly headers: { readonly "content-type": string; readonly "x-ghl-signature": string }
  readonly body: Uint8Array
}

/** The options of a delivery. */
export interface DeliverOptions {
  /** Maximum attempts until the response is a 2xx. @default 12 */
  readonly attempts?: number | undefined
  /** The delay after the first attempt. Each later delay is twice as long. @default "10 seconds" */
  readonly delay?: Duration.Input | undefined
  /** Maximum duration of an attempt. @default "30 seconds" */
  readonly timeout?: Duration.Input | undefined
}

/** The result of a delivery. */
export interface Delivered {
  readonly attempts: number
  /** The status of the last response; missing if there was none. */
  readonly status: number | undefined
}

/** Signs and delivers events as HighLevel does. */
export interface WebhookService {
  /** The public key for the option `keys` of `Webhooks`. Each sandbox has its own. */
  readonly webhookKey: Effect.Effect<string, CryptoError.CryptoError>
  /** Signs an event, and adds `appId`, `versionId`, `webhookId` and `timestamp` if they are missing. */
  readonly sign: (event: WebhookEvent) => Effect.Effect<SignedEvent, CryptoError.CryptoError>
  /** Signs a body without changing it. */
  readonly signBytes: (body: Uint8Array) => Effect.Effect<SignedEvent, CryptoError.CryptoError>
  /**
   * Signs an event and sends it to a URL until the response is a 2xx. It uses the
   * `FetchHttpClient.Fetch` in the context: provide one that calls a handler in memory.
   */
  readonly deliver: (
    url: string | URL,
    event: WebhookEvent,
    options?: DeliverOptions
  ) => Effect.Effect<Delivered, CryptoError.CryptoError>
}

/** Controls the sandbox, and lists received requests. */
export interface Service extends WebhookService {
  /** Adds a conversation, or replaces the one with the same id. */
  readonly seed: (conversation: Seed) => Effect.Effect<void>
  /**
   * Receives a message now: sets the date, body, type and direction of the last message,
   * and increments the unread count. Returns the conversation; none if it does not exist.
   */
  readonly receive: (message: Message) => Effect.Effect<Option.Option<Conversation>>
  /** Returns a stored conversation. */
  readonly conversation: (conversationId: string) => Effect.Effect<Option.Option<Conversation>>
  /** Scripts the response to the next valid request. Several are used in order. */
  readonly refuse: (refusal: Refusal) => Effect.Effect<void>
  /** Creates a token pair directly. */
  readonly issue: (grant: Grant) => Effect.Effect<Issued>
  /** Completes an authorization, and returns the query of HighLevel's redirect. */
  readonly approve: (url: string, choice?: Choice) => Effect.Effect<{ readonly code: string; readonly state?: string }>
  /** Installs the app without a redirect. A new agency gets it in every location. */
  readonly install: (installation?: Installation) => Effect.Effect<void>
  /** Uninstalls the app, and invalidates its tokens permanently. */
  readonly uninstall: (uninstallation?: Uninstallation) => Effect.Effect<void>
  /** Adds a location to an agency. It gets the app if the agency chose to install it in future locations. */
  readonly addLocation: (location: AddedLocation) => Effect.Effect<void>
  /** Disables a location: its tokens cannot be refreshed or exchanged. */
  readonly deactivate: (locationId: string) => Effect.Effect<void>
  /** Invalidates a token: an access token, a refresh token, a Private Integration token. */
  readonly revoke: (token: string) => Effect.Effect<void>
  /** Scripts a fault. Several are used in order. */
  readonly fault: (fault: Fault) => Effect.Effect<void>
  /** Changes the limits of every location, from the next request on. */
  readonly limit: (rateLimit: Partial<RateLimit>) => Effect.Effect<void>
  /** Counts requests of another client against the location's limits. */
  readonly consumeExternally: (locationId: string, requests: number) => Effect.Effect<void>
  /** Every stored conversation, oldest first. */
  readonly conversations: Effect.Effect<ReadonlyArray<Conversation>>
  /** Every update that was applied, oldest first. */
  readonly applied: Effect.Effect<ReadonlyArray<AppliedUpdate>>
  /** Every request since the start or the last reset, oldest first. */
  readonly requests: Effect.Effect<ReadonlyArray<ReceivedRequest>>
  /** Restores the initial state: the conversations of the options, no scripts, no requests. */
  readonly reset: Effect.Effect<void>
}
