/** The error classes and their union. */
import * as DateTime from "effect/DateTime"
import * as Schema from "effect/Schema"
import {
  call,
  describeCause,
  describeResponse,
  describeToken,
  response,
  subject,
  tokenResponse
} from "./errorFields.ts"

export { Applied, Reason } from "./errorFields.ts"

/**
 * HighLevel refused the request with a 400. Documented.
 *
 * **Example** (Recovering by tag)
 *
 * ```ts
 * import { HighLevelError } from "effect-highlevel"
 * import * as Effect from "effect/Effect"
 *
 * const refused = Effect.fail(
 *   new HighLevelError.BadRequest({
 *     operation: "Conversations.update",
 *     conversationId: "tDtDnQdgm2LXpyiqYvZ6",
 *     locationId: "tDtDnQdgm2LXpyiqYvZ6",
 *     status: 400,
 *     messages: ["Bad Request"],
 *     body: ""
 *   })
 * )
 *
 * const recovered = refused.pipe(Effect.catchTag("BadRequest", (error) => Effect.succeed(error.applied)))
 *
 * Effect.runSync(recovered) // => "no"
 * ```
 */
export class BadRequest extends Schema.TaggedError<BadRequest>()("BadRequest", response("no")) {
  override get message() {
    return describeResponse(this)
  }
}

/** HighLevel responded with a 401. `reason` tells why; an invalid token is only one cause. Documented. */
export class Unauthorized extends Schema.TaggedError<Unauthorized>()("Unauthorized", response("no")) {
  override get message() {
    return describeResponse(this)
  }
}

/** HighLevel rejected fields with a 422, one message each. Documented. */
export class Unprocessable extends Schema.TaggedError<Unprocessable>()("Unprocessable", response("no")) {
  override get message() {
    return describeResponse(this)
  }
}

/** HighLevel responded with an undocumented status: 403, 404, 429, 5xx, a redirect. */
export class UnexpectedStatus extends Schema.TaggedError<UnexpectedStatus>()("UnexpectedStatus", response("no")) {
  override get message() {
    return describeResponse(this)
  }
}

/** A 2xx whose body reports an error: `success: false`, or an `error`. Nothing was applied. */
export class Unsuccessful extends Schema.TaggedError<Unsuccessful>()("Unsuccessful", response("no")) {
  override get message() {
    return describeResponse(this, "the response reports an error")
  }
}

/**
 * A 2xx whose body cannot be decoded: empty, larger than `maxResponseBytes`, or JSON
 * without the documented fields. An update **was applied**: `applied` is `"yes"`, and
 * `body` holds up to 4 KiB of the response.
 */
export class UnreadableResponse extends Schema.TaggedError<UnreadableResponse>()("UnreadableResponse", {
  ...response("yes"),
  /** Why the body could not be read. */
  cause: Schema.Defect()
}) {
  override get message() {
    return describeResponse(
      this,
      this.applied === "yes" ? "applied, but the response cannot be read" : "cannot be read"
    )
  }
}

/**
 * A 2xx that is not JSON: a login page, a captive portal, a truncated document. It may
 * not come from HighLevel, so whether an update was applied is unknown.
 */
export class UnexpectedBody extends Schema.TaggedError<UnexpectedBody>()("UnexpectedBody", {
  ...response("unknown"),
  /** Why the body could not be read. */
  cause: Schema.Defect()
}) {
  override get message() {
    return describeResponse(this, "the response is not HighLevel's JSON")
  }
}

/** The request got no response, or one that was cut off: DNS, refused connection, reset, TLS. */
export class TransportFailure extends Schema.TaggedError<TransportFailure>()("TransportFailure", {
  ...call("unknown"),
  /** The status, if the response was cut off after its headers. */
  status: Schema.optionalKey(Schema.Number),
  /** The error of the HTTP client: its names, codes and messages, without the request. */
  cause: Schema.Defect()
}) {
  override get message() {
    const what = this.status === undefined ? "no response" : `the response was cut off after status ${this.status}`
    return `${subject(this)}: ${what}: ${describeCause(this.cause)}`
  }
}

/** What a call was waiting for when it timed out. */
export const WaitingFor = Schema.Literals(["response", "token", "rate limit", "rate limit store", "retry"])

/** An attempt exceeded `attemptTimeout`, or the call exceeded its `timeout`. */
export class RequestTimeout extends Schema.TaggedError<RequestTimeout>()("RequestTimeout", {
  ...call("unknown"),
  /** Whether one attempt timed out, or the call as a whole. */
  scope: Schema.Literals(["attempt", "call"]),
  waitingFor: WaitingFor,
  timeoutMillis: Schema.Finite,
  /** The failure before the timeout: of the last attempt, or of the rate limit's store. */
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message() {
    const cause = this.cause === undefined ? "" : `, after: ${describeCause(this.cause)}`
    return `${subject(this)}: waited for the ${this.waitingFor} for longer than ${this.timeoutMillis} ms${cause}`
  }
}

/**
 * The location must be reconnected: no token is stored, or HighLevel rejected the
 * refresh token (`invalid_grant`).
 */
export class ReconnectRequired extends Schema.TaggedError<ReconnectRequired>()("ReconnectRequired", tokenResponse) {
  override get message() {
    return describeToken(`location ${this.locationId} must be reconnected`, this.error, this.messages)
  }
}

/**
 * No token is available for the location, for a reason that reconnecting does not fix.
 *
 * - `Unreachable`: the OAuth server or the token store is unavailable; transient
 * - `Refused`: HighLevel refused; `messages` says why ("Location is not active", a wrong
 *   client secret)
 */
export class TokenUnavailable extends Schema.TaggedError<TokenUnavailable>()("TokenUnavailable", {
  ...tokenResponse,
  reason: Schema.Literals(["Unreachable", "Refused"]),
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message() {
    const cause = this.cause === undefined ? [] : [describeCause(this.cause)]
    return describeToken(`no access token for location ${this.locationId}`, this.error, [...this.messages, ...cause])
  }
}

/** The app's daily limit for this location is exhausted. Calls fail without a request until `resetsAt`. */
export class DailyLimitExceeded extends Schema.TaggedError<DailyLimitExceeded>()("DailyLimitExceeded", {
  ...call("no"),
  /** When the limit resets, as HighLevel reported it. */
  resetsAt: Schema.DateTimeUtc
}) {
  override get message() {
    return `daily request limit of location ${this.locationId} reached; resets at ${DateTime.formatIso(this.resetsAt)}`
  }
}

/** The shared store of the rate limit is unavailable. Nothing was sent. */
export class RateLimiterUnavailable extends Schema.TaggedError<RateLimiterUnavailable>()("RateLimiterUnavailable", {
  ...call("no"),
  cause: Schema.Defect()
}) {
  override get message() {
    return `the rate limit store cannot be reached for location ${this.locationId}: ${describeCause(this.cause)}`
  }
}

/**
 * The input is invalid, and nothing was sent. Each issue names the field and what is
 * expected, without the value.
 */
export class InvalidRequest extends Schema.TaggedError<InvalidRequest>()("InvalidRequest", {
  operation: Schema.String,
  /** The ids as given, if they were strings. */
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
    const issues = this.issues.map(({ field, message }) => (field === "" ? message : `${field}: ${message}`))
    return `${this.operation} was not sent: ${issues.join("; ")}`
  }
}

/** The schema of every error of a call. */
export const HighLevelError = Schema.Union([
  BadRequest,
  Unauthorized,
  Unprocessable,
  UnexpectedStatus,
  Unsuccessful,
  UnreadableResponse,
  UnexpectedBody,
  TransportFailure,
  RequestTimeout,
  ReconnectRequired,
  TokenUnavailable,
  DailyLimitExceeded,
  RateLimiterUnavailable,
  InvalidRequest
])

export type HighLevelError = typeof HighLevelError.Type

/**
 * An option of a layer is invalid, such as an empty token or a base URL that would send
 * the token in the clear. It fails the layer at start.
 */
export class InvalidOptions extends Schema.TaggedError<InvalidOptions>()("InvalidOptions", {
  /** The option: `token`, `baseUrl`, `version`, `timeout`. */
  option: Schema.String,
  expected: Schema.String
}) {
  override get message() {
    return `option ${this.option}: expected ${this.expected}`
  }
}
