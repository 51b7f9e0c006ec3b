/** The fields that errors share, and their messages. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/** Whether a call changed something in HighLevel. */
export const Applied = Schema.Literals(["no", "yes", "unknown"])

export type Applied = typeof Applied.Type

/**
 * Why HighLevel refused, as recognized from its message. HighLevel uses one status for
 * many causes, and several statuses for the same cause.
 *
 * - `InvalidToken`: invalid, expired or revoked; the only reason to renew the token
 * - `MissingToken`: no token was sent
 * - `MissingScope`: the token is valid, but lacks the scope
 * - `WrongLocation`: the token is of another location
 * - `WrongTokenType`: the token is of an agency, or of a type that may not make this call
 * - `LocationInactive`: the sub-account is paused
 * - `VersionHeader`: the `Version` header is missing or unknown
 * - `GatewayTimeout`: HighLevel's gateway got no response itself; try again
 * - `NotFound`: there is no such conversation
 * - `Unknown`: none of these
 */
export const Reason = Schema.Literals([
  "InvalidToken",
  "MissingToken",
  "MissingScope",
  "WrongLocation",
  "WrongTokenType",
  "LocationInactive",
  "VersionHeader",
  "GatewayTimeout",
  "NotFound",
  "Unknown"
])

export type Reason = typeof Reason.Type

const byDefault = <S extends Schema.Top & Schema.WithoutConstructorDefault>(schema: S, value: S["~type.make.in"]) =>
  schema.pipe(Schema.withConstructorDefault(Effect.succeed(value)))

/** The call, and how many requests were sent for it. */
export const call = (applied: Applied) => ({
  /** The name of the operation: `Conversations.update`. */
  operation: Schema.String,
  locationId: Schema.String,
  /** The conversation, if the operation has one. */
  conversationId: Schema.optionalKey(Schema.String),
  attempts: byDefault(Schema.Int, 1),
  applied: byDefault(Applied, applied)
})

/** Fields from a response. */
export const response = (applied: Applied) => ({
  ...call(applied),
  /** The HTTP status, or the `statusCode` of the body if a 2xx reports an error. */
  status: Schema.Number,
  reason: byDefault(Reason, "Unknown"),
  /** The `message` of the body as a list, up to 4 KiB. Empty if there was none. */
  messages: Schema.Array(Schema.String),
  /** HighLevel's id of the request, from the body. */
  traceId: Schema.optionalKey(Schema.String),
  /** Cloudflare's id of the request, from the `cf-ray` header. */
  cfRay: Schema.optionalKey(Schema.String),
  /** The raw body, up to 4 KiB, without the token. */
  body: Schema.String
})

export const subject = (error: {
  readonly operation: string
  readonly locationId: string
  readonly conversationId?: string
}) =>
  error.conversationId === undefined
    ? `${error.operation} in location ${error.locationId}`
    : `${error.operation} of conversation ${error.conversationId}`

const letters = (text: string) => text.toLowerCase().replaceAll(/[^a-z]/g, "")

/** `Conversations.update of conversation c: Invalid JWT (status 401, trace t)`. */
export const describeResponse = (
  error: Parameters<typeof subject>[0] & {
    readonly _tag: string
    readonly status: number
    readonly messages: ReadonlyArray<string>
    readonly traceId?: string
  },
  lead?: string
) => {
  // Whoever prints an error prints its tag, too.
  const messages = error.messages.filter((message) => letters(message) !== letters(error._tag))
  const trace = error.traceId === undefined ? "" : `, trace ${error.traceId}`
  return `${[subject(error), ...(lead === undefined ? [] : [lead]), ...messages].join(": ")} (status ${error.status}${trace})`
}

/** Fields from the response of HighLevel's OAuth server, if there was one. */
export const tokenResponse = {
  ...call("no"),
  /** The HTTP status of the OAuth server's response. */
  status: Schema.optionalKey(Schema.Number),
  /** Its `error`, such as `invalid_grant`. */
  error: Schema.optionalKey(Schema.String),
  /** Its `message` or `error_description`, else a message of this package. */
  messages: Schema.Array(Schema.String),
  traceId: Schema.optionalKey(Schema.String)
}

export const describeToken = (lead: string, error: string | undefined, messages: ReadonlyArray<string>) =>
  [lead, ...(error === undefined ? [] : [error]), ...messages.filter((message) => message !== error)].join(": ")

// A chain of causes in one line: "fetch failed: connect ECONNREFUSED 127.0.0.1:1".
export function describeCause(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause)
  return cause.cause instanceof Error ? `${cause.message}: ${describeCause(cause.cause)}` : cause.message
}

/** The statuses after which the same request may succeed. */
export const isTransientStatus = (status: number): boolean =>
  status === 408 || status === 429 || (status >= 500 && status !== 501)
