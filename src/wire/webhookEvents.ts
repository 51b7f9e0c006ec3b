/**
 * The webhook events that this package knows. Live events lack some documented fields,
 * and add `appId`, `versionId`, `timestamp` and `webhookId`.
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
  /** The receiving app. Events about a conversation may lack it. */
  appId: text,
  versionId: text,
  /** When the event happened. All its deliveries have the same value. */
  timestamp: Lenient.field(LastMessageDate),
  /** The id of the event. All its deliveries have the same value. */
  webhookId: text,
  locationId: text
}

/** The unread count of a conversation changed. */
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

/** A contact sent a message. */
export const InboundMessage = Lenient.struct({ _tag: Schema.tag("InboundMessage"), ...message })

export interface InboundMessage extends Schema.Schema.Type<typeof InboundMessage> {}

/** A message was sent to a contact, by a user if it has a `userId`, else automatically. */
export const OutboundMessage = Lenient.struct({ _tag: Schema.tag("OutboundMessage"), ...message })

export interface OutboundMessage extends Schema.Schema.Type<typeof OutboundMessage> {}

const installation = { ...common, companyId: text, userId: text, planId: text, installType: text }

/** A location or an agency installed the app. */
export const Install = Lenient.struct({ _tag: Schema.tag("INSTALL"), ...installation })

export interface Install extends Schema.Schema.Type<typeof Install> {}

/** A location or an agency uninstalled the app. Its tokens are invalid. */
export const Uninstall = Lenient.struct({ _tag: Schema.tag("UNINSTALL"), ...installation })

export interface Uninstall extends Schema.Schema.Type<typeof Uninstall> {}

/** The raw event. */
export interface Document {
  readonly [name: string]: unknown
}

/** An event of another type, or one that does not match its documentation. */
export interface Unknown {
  readonly _tag: "Unknown"
  /** The `type` of its document. */
  readonly type: string | undefined
  readonly document: Document
}

/** A webhook event. */
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

/** Decodes the `timestamp` of any event. */
export const decodeTimestamp = Schema.decodeUnknownResult(LastMessageDate)

/** Decodes an event. */
export const decode = (document: Document): Event => {
  const { type } = document
  const known = isKnown(type) ? decoders[type](document) : undefined
  if (known?._tag === "Success") return known.success
  return { _tag: "Unknown", type: typeof type === "string" ? type : undefined, document }
}
