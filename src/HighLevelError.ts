/**
 * Everything that can go wrong with an update, each with a name.
 *
 * The documented answers come first: {@link BadRequest}, {@link Unauthorized}
 * and {@link Unprocessable}. The rest of reality follows. All of them are schema
 * classes, so they can be caught by tag, encoded, and sent over RPC, and none of
 * them holds a token.
 *
 * | tag | means | was the update applied? |
 * | --- | --- | --- |
 * | `BadRequest` | 400 | no |
 * | `Unauthorized` | 401, see its `reason` | no |
 * | `Unprocessable` | 422, a list of messages | no |
 * | `UnexpectedStatus` | any other status that is not 2xx | no for 3xx and 4xx, unknown for 5xx |
 * | `Unsuccessful` | 2xx, but `success: false` | no |
 * | `AppliedUnreadable` | 2xx, but the document cannot be read | yes |
 * | `TransportFailure` | no answer, or an answer cut off | unknown |
 * | `RequestTimeout` | no answer in time | unknown |
 * | `ReconnectRequired` | no token, and only connecting the location anew helps | no |
 * | `TokenUnavailable` | no token for now, see its `reason` | no |
 * | `DailyQuotaExceeded` | the day's requests are spent | no |
 * | `QuotaUnavailable` | the shared quota cannot be reached | no |
 * | `InvalidRequest` | refused here, nothing was sent | no |
 *
 * Where it is unknown, repeating is safe: the call sets absolute values. A refusal
 * speaks of the last request; where `attempts` is over one, the answer to an earlier
 * one may have been lost after it was applied.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/** Which conversation, as the caller gave it, and after how many attempts. */
const subject = {
  conversationId: Schema.String,
  locationId: Schema.String,
  /** How many requests were sent for this update. */
  attempts: Schema.Int.pipe(Schema.withConstructorDefault(Effect.succeed(1)))
}

/** What an answer carries: the facts that HighLevel's support asks for. */
const answer = {
  ...subject,
  /** The HTTP status. */
  status: Schema.Number,
  /** The answer's `message`, one or many, always as a list. Empty when there was none. */
  messages: Schema.Array(Schema.String),
  /** HighLevel's id of the request, from the body. */
  traceId: Schema.optionalKey(Schema.String),
  /** Cloudflare's id of the request, from the `cf-ray` header. */
  cfRay: Schema.optionalKey(Schema.String),
  /** The body as it came, with any occurrence of the token removed. */
  body: Schema.String
}

const summary = (
  error: {
    readonly conversationId: string
    readonly status: number
    readonly messages: ReadonlyArray<string>
    readonly traceId?: string
  },
  lead: string
) =>
  `${[lead, ...error.messages.filter((message) => message !== lead)].join(": ")} (${error.status} for conversation ${
    error.conversationId
  }${error.traceId === undefined ? "" : `, trace ${error.traceId}`})`

/**
 * 400: HighLevel refuses the request. Documented.
 *
 * **Example** (Recovering by tag)
 *
 * ```ts
 * import { HighLevelError } from "effect-highlevel"
 * import * as Effect from "effect/Effect"
 *
 * const refused = Effect.fail(
 *   new HighLevelError.BadRequest({
 *     conversationId: "tDtDnQdgm2LXpyiqYvZ6",
 *     locationId: "tDtDnQdgm2LXpyiqYvZ6",
 *     status: 400,
 *     messages: ["Bad Request"],
 *     body: ""
 *   })
 * )
 *
 * const recovered = refused.pipe(Effect.catchTag("BadRequest", (error) => Effect.succeed(error.messages)))
 *
 * Effect.runSync(recovered) // => ["Bad Request"]
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class BadRequest extends Schema.TaggedError<BadRequest>()("BadRequest", answer) {
  override get message() {
    return summary(this, "Bad Request")
  }
}

/**
 * Why a 401 was answered. HighLevel uses one status for many causes, and only
 * `InvalidToken` is about the token itself: refreshing helps there and nowhere
 * else.
 *
 * - `InvalidToken`: bad, expired or revoked
 * - `MissingScope`: valid, but without `conversations.write`
 * - `VersionHeader`: the `Version` header is missing or unknown
 * - `WrongLocation`: a token of another location
 * - `WrongTokenType`: a token of the agency, or of a kind that is closed to this call
 * - `Unknown`: none of the known messages
 *
 * @category schemas
 * @since 0.1.0
 */
export const UnauthorizedReason = Schema.Literals([
  "InvalidToken",
  "MissingScope",
  "VersionHeader",
  "WrongLocation",
  "WrongTokenType",
  "Unknown"
])

/**
 * @category models
 * @since 0.1.0
 */
export type UnauthorizedReason = typeof UnauthorizedReason.Type

/**
 * 401: HighLevel refuses the credentials, or says so. Documented.
 *
 * **Example** (Asking for the reason)
 *
 * ```ts
 * import { HighLevelError } from "effect-highlevel"
 *
 * const error = new HighLevelError.Unauthorized({
 *   conversationId: "tDtDnQdgm2LXpyiqYvZ6",
 *   locationId: "tDtDnQdgm2LXpyiqYvZ6",
 *   status: 401,
 *   reason: "MissingScope",
 *   messages: ["The token is not authorized for this scope."],
 *   body: ""
 * })
 *
 * error.reason === "InvalidToken" // => false
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class Unauthorized extends Schema.TaggedError<Unauthorized>()("Unauthorized", {
  ...answer,
  reason: UnauthorizedReason
}) {
  override get message() {
    return summary(this, "Unauthorized")
  }
}

/**
 * 422: HighLevel names what it does not accept, one message each. Documented.
 *
 * @category errors
 * @since 0.1.0
 */
export class Unprocessable extends Schema.TaggedError<Unprocessable>()("Unprocessable", answer) {
  override get message() {
    return summary(this, "Unprocessable Entity")
  }
}

/**
 * A status that the documentation leaves out: 403, 404, 429, 5xx, a redirect.
 *
 * @category errors
 * @since 0.1.0
 */
export class UnexpectedStatus extends Schema.TaggedError<UnexpectedStatus>()("UnexpectedStatus", answer) {
  override get message() {
    return summary(this, "Unexpected status")
  }
}

/**
 * A 2xx whose document says `success: false`: the update was not applied.
 *
 * @category errors
 * @since 0.1.0
 */
export class Unsuccessful extends Schema.TaggedError<Unsuccessful>()("Unsuccessful", answer) {
  override get message() {
    return summary(this, "The answer says success: false")
  }
}

/**
 * A 2xx whose document cannot be read: empty, not JSON, or without a
 * conversation. The update **was applied**; only its receipt is lost, and `body`
 * keeps what came instead.
 *
 * @category errors
 * @since 0.1.0
 */
export class AppliedUnreadable extends Schema.TaggedError<AppliedUnreadable>()("AppliedUnreadable", {
  ...answer,
  /** Why the document could not be read. */
  cause: Schema.Defect()
}) {
  override get message() {
    return summary(this, "The update was applied, but its answer cannot be read")
  }
}

/**
 * No answer, or an answer that broke off: DNS, refused connection, reset, TLS.
 * Whether the update was applied is unknown; repeating it is safe.
 *
 * @category errors
 * @since 0.1.0
 */
export class TransportFailure extends Schema.TaggedError<TransportFailure>()("TransportFailure", {
  ...subject,
  /** The status, when the headers had arrived before the answer broke off. */
  status: Schema.optionalKey(Schema.Number),
  /** What the HTTP client reported: names, codes and messages, without the request. */
  cause: Schema.Defect()
}) {
  override get message() {
    return this.status === undefined
      ? `No answer for conversation ${this.conversationId}: ${describe(this.cause)}`
      : `The answer for conversation ${this.conversationId} broke off after status ${this.status}: ${describe(this.cause)}`
  }
}

/**
 * No answer within an attempt's or the whole call's timeout. Whether the update
 * was applied is unknown; repeating it is safe.
 *
 * @category errors
 * @since 0.1.0
 */
export class RequestTimeout extends Schema.TaggedError<RequestTimeout>()("RequestTimeout", {
  ...subject,
  /** Whether the last attempt took too long, or the call as a whole. */
  scope: Schema.Literals(["attempt", "call"]),
  /** How long was waited, in milliseconds. */
  timeoutMillis: Schema.Finite
}) {
  override get message() {
    return `No answer for conversation ${this.conversationId} within ${this.timeoutMillis} ms`
  }
}

/** What HighLevel's OAuth server said, where it said something. */
const oauthAnswer = {
  ...subject,
  /** The HTTP status of the OAuth server's answer. */
  status: Schema.optionalKey(Schema.Number),
  /** Its `error`, such as `invalid_grant`. */
  error: Schema.optionalKey(Schema.String),
  /** Its `message` or `error_description`, else ours. */
  messages: Schema.Array(Schema.String),
  traceId: Schema.optionalKey(Schema.String)
}

const oauthSummary = (lead: string, { error, messages }: { error?: string; messages: ReadonlyArray<string> }) =>
  [lead, ...(error === undefined ? [] : [error]), ...messages.filter((message) => message !== error)].join(": ")

/**
 * There is no token for the location, and refreshing cannot bring one: nothing is
 * stored for it, or its refresh token is refused (`invalid_grant`). The customer
 * has to connect the location anew; nothing else helps.
 *
 * @category errors
 * @since 0.1.0
 */
export class ReconnectRequired extends Schema.TaggedError<ReconnectRequired>()("ReconnectRequired", oauthAnswer) {
  override get message() {
    return oauthSummary(`Location ${this.locationId} has to be connected anew`, this)
  }
}

/**
 * There is no token for the location now. Reconnecting does not help.
 *
 * - `Unreachable`: the OAuth server or the token store; repeating may help
 * - `Refused`: HighLevel says no, for the reason in `messages` ("Location is not
 *   active", a wrong client secret); repeating helps once that is mended
 *
 * @category errors
 * @since 0.1.0
 */
export class TokenUnavailable extends Schema.TaggedError<TokenUnavailable>()("TokenUnavailable", {
  ...oauthAnswer,
  reason: Schema.Literals(["Unreachable", "Refused"]),
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message() {
    const cause = this.cause === undefined ? [] : [describe(this.cause)]
    return oauthSummary(`No access token for location ${this.locationId}`, {
      ...(this.error === undefined ? {} : { error: this.error }),
      messages: [...this.messages, ...cause]
    })
  }
}

/**
 * The day's requests of this app in this location are spent. Fails at once,
 * without a request, until `resetsAt`.
 *
 * @category errors
 * @since 0.1.0
 */
export class DailyQuotaExceeded extends Schema.TaggedError<DailyQuotaExceeded>()("DailyQuotaExceeded", {
  ...subject,
  /** When the budget is whole again, as HighLevel told it. */
  resetsAt: Schema.DateTimeUtc
}) {
  override get message() {
    return `The day's requests for location ${this.locationId} are spent until ${DateTime.formatIso(this.resetsAt)}`
  }
}

/**
 * The store that the quota is shared through cannot be reached, so nothing was
 * sent unaccounted.
 *
 * @category errors
 * @since 0.1.0
 */
export class QuotaUnavailable extends Schema.TaggedError<QuotaUnavailable>()("QuotaUnavailable", {
  ...subject,
  cause: Schema.Defect()
}) {
  override get message() {
    return `The shared quota of location ${this.locationId} cannot be reached`
  }
}

/**
 * The request was refused here, before anything was sent. Each issue names the
 * field and what is expected of it; the refused values are not repeated.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidRequest extends Schema.TaggedError<InvalidRequest>()("InvalidRequest", {
  /** The ids as given, where they were strings. */
  conversationId: Schema.optionalKey(Schema.String),
  locationId: Schema.optionalKey(Schema.String),
  issues: Schema.NonEmptyArray(
    Schema.Struct({
      /** The field: `unreadCount`, `feedback.rating`, … */
      field: Schema.String,
      message: Schema.String
    })
  )
}) {
  override get message() {
    return `Invalid request, nothing was sent: ${this.issues.map(({ field, message }) => (field === "" ? message : `${field}: ${message}`)).join("; ")}`
  }
}

/**
 * Every error of `Conversations.update`, as a schema.
 *
 * @category schemas
 * @since 0.1.0
 */
export const UpdateError = Schema.Union([
  BadRequest,
  Unauthorized,
  Unprocessable,
  UnexpectedStatus,
  Unsuccessful,
  AppliedUnreadable,
  TransportFailure,
  RequestTimeout,
  ReconnectRequired,
  TokenUnavailable,
  DailyQuotaExceeded,
  QuotaUnavailable,
  InvalidRequest
])

/**
 * @category models
 * @since 0.1.0
 */
export type UpdateError = typeof UpdateError.Type

/**
 * The client was given options it cannot work with: an empty token, a base URL
 * that would send the token in the clear. Fails the layer, once, at start.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidOptions extends Schema.TaggedError<InvalidOptions>()("InvalidOptions", {
  /** The option: `token`, `baseUrl`, `version`, `timeout`. */
  option: Schema.String,
  expected: Schema.String
}) {
  override get message() {
    return `Invalid option ${this.option}: expected ${this.expected}`
  }
}

// A chain of causes in one line: "fetch failed: connect ECONNREFUSED 127.0.0.1:1".
function describe(cause: unknown): string {
  if (!(cause instanceof Error)) return "the cause is not an error"
  return cause.cause instanceof Error ? `${cause.message}: ${describe(cause.cause)}` : cause.message
}
