/** The filter flags that `search` and `mark-read` share. */
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import * as Flag from "effect/cli/Flag"

const text = (name: string, description: string) =>
  Flag.String(name).pipe(Flag.withDescription(description), Flag.optional)

// A time without a zone would depend on the machine.
const isTime = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})$/i

/** A time with its zone. */
export const timeFlag = (name: string, description: string) =>
  Flag.String(name).pipe(
    Flag.filterMap(
      (given) => (isTime.test(given) ? DateTime.make(given) : Option.none()),
      () => "a time with its zone, such as 2026-11-24T09:00:00Z"
    ),
    Flag.withDescription(description),
    Flag.withMetavar("time"),
    Flag.optional
  )

/** The location to search in. */
export const locationFlag = Flag.String("location-id").pipe(
  Flag.withDescription("The location of the conversations"),
  Flag.withMetavar("id")
)

export const filterFlags = {
  assignedTo: text("assigned-to", "Assigned to these users (ids, separated by commas), or unassigned"),
  contactId: text("contact-id", "Of this contact"),
  followers: text("followers", "Followed by these users"),
  mentions: text("mentions", "Mentioning these users"),
  query: text("query", "That contain this text"),
  lastMessageType: text("last-message-type", "With this type of the last message, such as TYPE_SMS"),
  lastMessageDirection: Flag.Literals("last-message-direction", ["inbound", "outbound"]).pipe(
    Flag.withDescription("By the last message"),
    Flag.optional
  ),
  lastMessageAction: Flag.Literals("last-message-action", ["automated", "manual"]).pipe(
    Flag.withDescription("By the last message that was sent"),
    Flag.optional
  ),
  addedSince: timeFlag("added-since", "Added at this time or later"),
  addedUntil: timeFlag("added-until", "Added at this time or before")
}

/** The given filters. */
export const filters = (given: {
  readonly assignedTo: Option.Option<string>
  readonly contactId: Option.Option<string>
  readonly followers: Option.Option<string>
  readonly mentions: Option.Option<string>
  readonly query: Option.Option<string>
  readonly lastMessageType: Option.Option<string>
  readonly lastMessageDirection: Option.Option<"inbound" | "outbound">
  readonly lastMessageAction: Option.Option<"automated" | "manual">
  readonly addedSince: Option.Option<DateTime.DateTime>
  readonly addedUntil: Option.Option<DateTime.DateTime>
}) => ({
  ...(Option.isSome(given.assignedTo) ? { assignedTo: given.assignedTo.value } : {}),
  ...(Option.isSome(given.contactId) ? { contactId: given.contactId.value } : {}),
  ...(Option.isSome(given.followers) ? { followers: given.followers.value } : {}),
  ...(Option.isSome(given.mentions) ? { mentions: given.mentions.value } : {}),
  ...(Option.isSome(given.query) ? { query: given.query.value } : {}),
  ...(Option.isSome(given.lastMessageType) ? { lastMessageType: given.lastMessageType.value } : {}),
  ...(Option.isSome(given.lastMessageDirection) ? { lastMessageDirection: given.lastMessageDirection.value } : {}),
  ...(Option.isSome(given.lastMessageAction) ? { lastMessageAction: given.lastMessageAction.value } : {}),
  ...(Option.isSome(given.addedSince) ? { startDate: DateTime.toEpochMillis(given.addedSince.value) } : {}),
  ...(Option.isSome(given.addedUntil) ? { endDate: DateTime.toEpochMillis(given.addedUntil.value) } : {})
})
