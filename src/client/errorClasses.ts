/** The classes of errors and their union. */
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

/** 401: HighLevel refuses the credentials, or something else that `reason` tells. Documented. */
export class Unauthorized extends Schema.TaggedError<Unauthorized>()("Unauthorized", response("no")) {
  override get message() {
    return describeResponse(this)
  }
}

/** 422: HighLevel names what it does not accept, one message each. Documented. */
export class Unprocessable extends Schema.TaggedError<Unprocessable>()("Unprocessable", response("no")) {
  override get message() {
    return describeResponse(this)
  }
}

/** A status that the documentation leaves out: 403, 404, 429, 5xx, a redirect. */
export class UnexpectedStatus extends Schema.TaggedError<UnexpectedStatus>()("UnexpectedStatus", response("no")) {
  override get message() {
    return describeResponse(this)
  }
}

/** A 2xx that reports an error: `success: false`, or an `error`. Nothing was applied. */
export class Unsuccessful extends Schema.TaggedError<Unsuccessful>()("Unsuccessful", response("no")) {
  override get message() {
    return describeResponse(this, "the response reports an error")
  }
}

/**
 * A 2xx without a document that can be read: an empty body, one larger than
 * `maxResponseBytes`, or JSON without the documented fields. An update **was
 * applied**: `applied` is `"yes"`, and `body` keeps up to 4 KiB of what came.
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
 * A 2xx that is not JSON: a login page, a captive portal, half a document. It may not
 * come from HighLevel at all, so that it is not known whether an update was applied.
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

/** No response, or one that was cut off: DNS, refused connection, reset, TLS. */
export class TransportFailure extends Schema.TaggedError<TransportFailure>()("TransportFailure", {
  ...call("unknown"),
  /** The status, where the response was cut off after its headers. */
  status: Schema.optionalKey(Schema.Number),
  /** What the HTTP client reported: names, codes and messages, without the request. */
  cause: Schema.Defect()
}) {
  override get message() {
    const what = this.status === undefined ? "no response" : `the response was cut off after status ${this.status}`
    return `${subject(this)}: ${what}: ${describeCause(this.cause)}`
  }
}

/** What a call was waiting for when its time was over. */
export const WaitingFor = Schema.Literals(["response", "token", "rate limit", "rate limit store", "retry"])

/** Not in time: no response within `attemptTimeout`, or the whole call not within its `timeout`. */
export class RequestTimeout extends Schema.TaggedError<RequestTimeout>()("RequestTimeout", {
  ...call("unknown"),
  /** Whether one attempt took too long, or the call as a whole. */
  scope: Schema.Literals(["attempt", "call"]),
  waitingFor: WaitingFor,
  timeoutMillis: Schema.Finite,
  /** What had failed before: the last attempt, or the store of the rate limit. */
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message() {
    const cause = this.cause === undefined ? "" : `, after: ${describeCause(this.cause)}`
    return `${subject(this)}: waited for the ${this.waitingFor} for longer than ${this.timeoutMillis} ms${cause}`
  }
}

/**
 * There is no token for the location, and a refresh cannot bring one: nothing is
 * stored, or the refresh token is refused (`invalid_grant`).
 */
export class ReconnectRequired extends Schema.TaggedError<ReconnectRequired>()("ReconnectRequired", tokenResponse) {
  override get message() {
    return describeToken(`location ${this.locationId} must be reconnected`, this.error, this.messages)
  }
}

/**
 * There is no token for the location now, and reconnecting does not help.
 *
 * - `Unreachable`: the OAuth server or the token store; it may be back later
 * - `Refused`: HighLevel refuses, for the reason in `messages` ("Location is not
 *   active", a wrong client secret)
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

/** The app has used up its requests of the day in this location. Fails at once, without a request, until `resetsAt`. */
export class DailyLimitExceeded extends Schema.TaggedError<DailyLimitExceeded>()("DailyLimitExceeded", {
  ...call("no"),
  /** When the limit resets, as HighLevel reported it. */
  resetsAt: Schema.DateTimeUtc
}) {
  override get message() {
    return `daily request limit of location ${this.locationId} reached; resets at ${DateTime.formatIso(this.resetsAt)}`
  }
}

/** The store that the rate limit is shared through cannot be reached. No request is sent uncounted. */
export class RateLimiterUnavailable extends Schema.TaggedError<RateLimiterUnavailable>()("RateLimiterUnavailable", {
  ...call("no"),
  cause: Schema.Defect()
}) {
  override get message() {
    return `the rate limit store cannot be reached for location ${this.locationId}: ${describeCause(this.cause)}`
  }
}

/**
 * The input was refused before anything was sent. Each issue names the field and
 * what is expected; the values are not repeated.
 */
export class InvalidRequest extends Schema.TaggedError<InvalidRequest>()("InvalidRequest", {
  operation: Schema.String,
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
    const issues = this.issues.map(({ field, message }) => (field === "" ? message : `${field}: ${message}`))
    return `${this.operation} was not sent: ${issues.join("; ")}`
  }
}

/** Every error of a call, as a schema. */
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
 * The layer was given options that it cannot work with: an empty token, a base URL
 * that would send the token in the clear. Fails the layer, once, at start.
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
