/**
 * The schema of a conversation.
 *
 * Live responses differ from the documentation: fields are missing or null, the date
 * has four encodings, and the message type is sometimes a number. The schemas decode
 * all of these, because an applied update must not fail over the shape of its response.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as SchemaAST from "effect/SchemaAST"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"
import * as Lenient from "./lenient.ts"

/**
 * The documented values of `lastMessageType`.
 *
 * **Gotchas**
 *
 * HighLevel adds values without notice (`TYPE_RCS`, `TYPE_TIKTOK`, …). The list is not
 * complete, so {@link LastMessageType} accepts any string.
 *
 * **Example** (Count the documented types)
 *
 * ```ts
 * import { Conversation } from "effect-highlevel"
 *
 * Conversation.documentedMessageTypes.length // => 35
 * ```
 */
export const documentedMessageTypes = [
  "TYPE_CALL",
  "TYPE_SMS",
  "TYPE_EMAIL",
  "TYPE_SMS_REVIEW_REQUEST",
  "TYPE_WEBCHAT",
  "TYPE_SMS_NO_SHOW_REQUEST",
  "TYPE_CAMPAIGN_SMS",
  "TYPE_CAMPAIGN_CALL",
  "TYPE_CAMPAIGN_EMAIL",
  "TYPE_CAMPAIGN_VOICEMAIL",
  "TYPE_FACEBOOK",
  "TYPE_CAMPAIGN_FACEBOOK",
  "TYPE_CAMPAIGN_MANUAL_CALL",
  "TYPE_CAMPAIGN_MANUAL_SMS",
  "TYPE_GMB",
  "TYPE_CAMPAIGN_GMB",
  "TYPE_REVIEW",
  "TYPE_INSTAGRAM",
  "TYPE_WHATSAPP",
  "TYPE_CUSTOM_SMS",
  "TYPE_CUSTOM_EMAIL",
  "TYPE_CUSTOM_PROVIDER_SMS",
  "TYPE_CUSTOM_PROVIDER_EMAIL",
  "TYPE_IVR_CALL",
  "TYPE_ACTIVITY_CONTACT",
  "TYPE_ACTIVITY_INVOICE",
  "TYPE_ACTIVITY_PAYMENT",
  "TYPE_ACTIVITY_OPPORTUNITY",
  "TYPE_LIVE_CHAT",
  "TYPE_LIVE_CHAT_INFO_MESSAGE",
  "TYPE_ACTIVITY_APPOINTMENT",
  "TYPE_FACEBOOK_COMMENT",
  "TYPE_INSTAGRAM_COMMENT",
  "TYPE_CUSTOM_CALL",
  "TYPE_INTERNAL_COMMENT"
] as const

/**
 * The type of a conversation's last message: a documented name (which editors
 * complete), any other name, or the numeric code of live responses.
 *
 * **Details**
 *
 * `100` means `TYPE_NO_SHOW`, and `1` means `TYPE_CALL`. Other codes are unpublished and
 * community tables contradict each other, so codes are kept as numbers.
 */
export const LastMessageType = Schema.Union([
  Schema.Literals(documentedMessageTypes),
  Schema.StringForLiteralAutocomplete,
  Schema.Finite
]).annotate({
  description: "Type of the last message sent/received in the conversation.",
  examples: ["TYPE_CALL"]
})

export type LastMessageType = typeof LastMessageType.Type

const secondsTimestamp = Schema.Struct({ seconds: Schema.Finite, nanoseconds: Schema.optionalKey(Schema.Finite) })
const underscoredTimestamp = Schema.Struct({ _seconds: Schema.Finite, _nanoseconds: Schema.optionalKey(Schema.Finite) })

type DateEncoding = string | number | typeof secondsTimestamp.Type | typeof underscoredTimestamp.Type

const fromSeconds = (seconds: number, nanoseconds = 0) => seconds * 1000 + Math.trunc(nanoseconds / 1_000_000)

// A string of digits is epoch milliseconds; every other string must be a full
// ISO date and time. `Date` alone would also read "1" or "March" as a date.
const isoDateTime = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}/
const zone = /(?:Z|[+-]\d{2}:?\d{2})$/i

const readDate = (wire: DateEncoding, options: SchemaAST.ParseOptions) => {
  let date: Option.Option<DateTime.DateTime> = Option.none()
  if (typeof wire === "object") {
    date = DateTime.make(
      "seconds" in wire ? fromSeconds(wire.seconds, wire.nanoseconds) : fromSeconds(wire._seconds, wire._nanoseconds)
    )
  } else if (typeof wire === "number" || /^-?\d+$/.test(wire)) date = DateTime.make(Number(wire))
  // Without a zone it is UTC, as documented, whatever the machine's zone.
  else if (isoDateTime.test(wire)) date = DateTime.make(zone.test(wire) ? wire : `${wire}Z`)
  return Option.isSome(date)
    ? Effect.succeed(DateTime.toUtc(date.value))
    : Effect.fail(new SchemaIssue.InvalidValue({ expected: "a date" }, wire, options))
}

/**
 * The date of the last message, in UTC. It decodes each encoding that HighLevel uses: a
 * numeric string (documented), a number, an ISO string, and a `{ seconds, nanoseconds }`
 * timestamp. It encodes to the documented one: epoch milliseconds in a string.
 *
 * **Example** (One date, two encodings)
 *
 * ```ts
 * import { Conversation } from "effect-highlevel"
 * import * as DateTime from "effect/DateTime"
 * import * as Schema from "effect/Schema"
 *
 * const decode = Schema.decodeUnknownSync(Conversation.LastMessageDate)
 *
 * DateTime.formatIso(decode("1628008053263")) // => "2021-08-03T16:27:33.263Z"
 * DateTime.formatIso(decode({ seconds: 1628008053, nanoseconds: 263000000 })) // => "2021-08-03T16:27:33.263Z"
 * ```
 */
export const LastMessageDate = Schema.Union([
  Schema.String.annotate({ description: "Last message date as UTC", examples: ["1628008053263"] }),
  Schema.Finite,
  secondsTimestamp,
  underscoredTimestamp
]).pipe(
  Schema.decodeTo(
    Schema.DateTimeUtc,
    SchemaTransformation.transformEffect({
      decode: readDate,
      encode: (date) => Effect.succeed<DateEncoding>(String(DateTime.toEpochMillis(date)))
    })
  )
)

/** The documented fields of a conversation. Each may be missing or `null`. */
export const fields = {
  id: Lenient.field(
    Schema.String.annotate({ description: "Contact ID as string", examples: ["tDtDnQdgm2LXpyiqYvZ6"] })
  ),
  locationId: Lenient.field(
    Schema.String.annotate({ description: "Location ID as string", examples: ["tDtDnQdgm2LXpyiqYvZ6"] })
  ),
  contactId: Lenient.field(
    Schema.String.annotate({ description: "Contact ID as string", examples: ["tDtDnQdgm2LXpyiqYvZ6"] })
  ),
  assignedTo: Lenient.field(
    Schema.String.annotate({ description: "Assigned User ID as string", examples: ["tDtDnQdgm2LXpyiqYvZ6"] })
  ),
  userId: Lenient.field(
    Schema.String.annotate({ description: "User ID as string", examples: ["tDtDnQdgm2LXpyiqYvZ6"] })
  ),
  lastMessageBody: Lenient.field(
    Schema.String.annotate({
      description: "Last message body as string",
      examples: ["Hello, this is the message body"]
    })
  ),
  lastMessageDate: Lenient.field(LastMessageDate),
  lastMessageType: Lenient.field(LastMessageType),
  unreadCount: Lenient.field(
    Schema.Finite.annotate({ description: "Count of unread messages in the conversation", examples: [1] })
  ),
  inbox: Lenient.field(Schema.Boolean.annotate({ description: "Inbox status of the conversation.", examples: [true] })),
  starred: Lenient.field(
    Schema.Boolean.annotate({ description: "Starred status of the conversation.", examples: [true] })
  ),
  deleted: Lenient.field(
    Schema.Boolean.annotate({ description: "Deleted status of the conversation.", examples: [false] })
  )
}

/**
 * A conversation. Every field may be missing or `null`. A value of an unexpected type is
 * kept unchanged in `unrecognized`. Undocumented fields (`dateAdded`, `tags`, …) are kept.
 *
 * **Details**
 *
 * The documentation describes `id` as "Contact ID", but it is the conversation's id.
 *
 * **Example** (Decode a recorded response)
 *
 * ```ts
 * import { Conversation } from "effect-highlevel"
 * import * as Schema from "effect/Schema"
 *
 * const conversation = Schema.decodeUnknownSync(Conversation.Conversation)({
 *   id: "cJTzny9zF2D5MnfWoZs2",
 *   dateAdded: "2026-07-17T10:22:59.598Z",
 *   lastMessageType: 100,
 *   unreadCount: "none",
 *   starred: true
 * })
 *
 * conversation.starred // => true
 * conversation.lastMessageType // => 100
 * conversation.dateAdded // => "2026-07-17T10:22:59.598Z"
 * conversation.unrecognized // => { unreadCount: "none" }
 * ```
 */
export const Conversation = Lenient.struct(fields, {
  description: "Conversation data of the provided conversation ID."
})

export interface Conversation extends Schema.Schema.Type<typeof Conversation> {}
