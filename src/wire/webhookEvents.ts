/**
 * The events that HighLevel delivers to an app, as far as this package knows them. Live
 * events lack some documented fields, and have `appId`, `versionId`, `timestamp` and
 * `webhookId` in addition.
 *
 * @see {@link https://marketplace.gohighlevel.com/docs/webhook/WebhookIntegrationGuide | Webhook Integration Guide}
 */
import * as Schema from "effect/Schema"
import { LastMessageDate } from "./Conversation.ts"
import * as Lenient from "./lenient.ts"

const text = Lenient.field(Schema.String)
const flag = Lenient.field(Schema.Boolean)

/** Fields that any event may have. */
const common = {
  type: text,
  /** The app that the event is for; it may be missing from an event about a conversation. */
  appId: text,
  versionId: text,
  /** When it happened, the same in every delivery of the event. */
  timestamp: Lenient.field(LastMessageDate),
  /** The id of the event, the same in every delivery. */
  webhookId: text,
  locationId: text
}

/** The unread count of a conversation has changed. */
export const ConversationUnreadUpdate = Lenient.struct({
  _tag: Schema.tag("ConversationUnreadUpdate"),
  ...common,
  /** The conversation. */
  id: text,
  contactId: text,
  unreadCount: Lenient.field(Schema.Finite),
  inbox: flag,
  starred: flag,
  deleted: flag
})

export interface ConversationUnreadUpdate extends Schema.Schema.Type<typeof ConversationUnreadUpdate> {}

const message = {
  ...common,
  conversationId: text,
  contactId: text,
  messageId: text,
  body: text,
  contentType: text,
  dateAdded: Lenient.field(LastMessageDate),
  direction: text,
  messageType: text,
  status: text,
  userId: text,
  attachments: Lenient.field(Schema.Array(Schema.String))
}

/** A contact has sent a message. */
export const InboundMessage = Lenient.struct({ _tag: Schema.tag("InboundMessage"), ...message })

export interface InboundMessage extends Schema.Schema.Type<typeof InboundMessage> {}

/** A message was sent to a contact: by a user if it has a `userId`, else automatically. */
export const OutboundMessage = Lenient.struct({ _tag: Schema.tag("OutboundMessage"), ...message })

export interface OutboundMessage extends Schema.Schema.Type<typeof OutboundMessage> {}

const installation = { ...common, companyId: text, userId: text, planId: text, installType: text }

/** A location or an agency has installed the app. */
export const Install = Lenient.struct({ _tag: Schema.tag("INSTALL"), ...installation })

export interface Install extends Schema.Schema.Type<typeof Install> {}

/** A location or an agency has uninstalled the app: its tokens are invalid. */
export const Uninstall = Lenient.struct({ _tag: Schema.tag("UNINSTALL"), ...installation })

export interface Uninstall extends Schema.Schema.Type<typeof Uninstall> {}

/** An event as HighLevel sent it. */
export interface Document {
  readonly [name: string]: unknown
}

/** Any other event, or one that is not as documented. */
export interface Unknown {
  readonly _tag: "Unknown"
  /** The `type` of its document. */
  readonly type: string | undefined
  readonly document: Document
}

/** An event. */
export type Event = ConversationUnreadUpdate | InboundMessage | OutboundMessage | Install | Uninstall | Unknown

const decoders = {
  ConversationUnreadUpdate: Lenient.decode(ConversationUnreadUpdate),
  InboundMessage: Lenient.decode(InboundMessage),
  OutboundMessage: Lenient.decode(OutboundMessage),
  INSTALL: Lenient.decode(Install),
  UNINSTALL: Lenient.decode(Uninstall)
}

const isKnown = (type: unknown): type is keyof typeof decoders =>
  typeof type === "string" && Object.hasOwn(decoders, type)

/** Reads the `timestamp` of any event. */
export const decodeTimestamp = Schema.decodeUnknownResult(LastMessageDate)

/** Reads the document of an event. */
export const decode = (document: Document): Event => {
  const { type } = document
  const known = isKnown(type) ? decoders[type](document) : undefined
  if (known?._tag === "Success") return known.success
  return { _tag: "Unknown", type: typeof type === "string" ? type : undefined, document }
}
