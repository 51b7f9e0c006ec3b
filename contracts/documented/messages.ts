/** The messages of the documented contract, made of the examples of the vendor's webhook pages (`webhook-events.json`). */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import type { Message } from "../interaction.ts"
import type { Field, JsonObject } from "./documentation.ts"

interface Page {
  readonly description: string
  readonly properties: Readonly<Record<string, { readonly type: string }>>
  readonly examples: ReadonlyArray<JsonObject>
}

const file = "webhook-events.json"

const { pages }: { readonly pages: Readonly<Record<string, Page>> } = JSON.parse(
  readFileSync(join("contracts/documented", file), "utf8")
)

const pageOf = (name: string): Page => {
  const page = pages[name]
  if (page === undefined) throw new Error(`${file} has no ${name}`)
  return page
}

/** The documentation of an event. */
export interface DocumentedEvent {
  readonly type: string
  readonly description: string
  readonly fields: ReadonlyArray<Field>
}

export const events: ReadonlyArray<DocumentedEvent> = Object.entries(pages).map(
  ([name, { description, examples, properties }]) => {
    const [example = {}] = examples
    return {
      type: String(example["type"]),
      description,
      fields: Object.entries(properties).map(([field, { type }]) => ({
        name: field,
        type,
        example: example[field],
        isRequired: false,
        source: `${file} #/pages/${name}/properties/${field}`
      }))
    }
  }
)

/** Documented fields that no message has. */
export const leftOut: Readonly<Record<string, string>> = {
  userId: "of a call, or of an installation that a user began",
  messageId: "of a call or a voicemail",
  callDuration: "of a call",
  callStatus: "of a call",
  conversationProviderId: "of a conversation provider of one's own",
  planId: "of a paid app; nothing is done with it",
  trial: "of a paid app; nothing is done with it",
  isWhitelabelCompany: "about the agency; nothing is done with it",
  whitelabelDetails: "about the agency; nothing is done with it",
  companyName: "about the agency; nothing is done with it"
}

/** An example of a page, and what makes a provider send it. */
const message = (
  page: string,
  description: string,
  state: (contents: JsonObject) => Message["state"],
  exact: ReadonlyArray<string>,
  example = 0
): Message => {
  const contents = Object.fromEntries(
    Object.entries(pageOf(page).examples[example] ?? {}).filter(([name]) => leftOut[name] === undefined)
  )
  return {
    operation: String(contents["type"]),
    description,
    comments: [`${file} #/pages/${page}/examples/${example}: ${pageOf(page).description}`],
    state: state(contents),
    contents,
    exact: ["type", ...exact]
  }
}

const arrives =
  (direction: string) =>
  ({ body = "", contactId = "", conversationId = "", locationId = "" }: JsonObject) => ({
    name: "a message arrives",
    params: {
      conversation: { id: conversationId, contactId, locationId },
      message: { conversationId, body, direction }
    }
  })

const account = ({ companyId, locationId }: JsonObject): JsonObject => ({
  ...(companyId === undefined ? {} : { companyId }),
  ...(locationId === undefined ? {} : { locationId })
})

const ofMessage = ["locationId", "contactId", "conversationId", "body"]

export const messages: ReadonlyArray<Message> = [
  message(
    "ConversationUnreadWebhook",
    "the unread count of a conversation changes",
    ({ contactId = "", deleted = "", id = "", inbox = "", locationId = "", starred = "", unreadCount = 0 }) => ({
      name: "the unread count changes",
      params: { conversation: { id, contactId, locationId, inbox, starred, deleted, unreadCount: 1 }, unreadCount }
    }),
    ["locationId", "id", "contactId", "unreadCount", "inbox", "starred", "deleted"]
  ),
  message("InboundMessage", "a contact sends a message", arrives("inbound"), ofMessage),
  message("OutboundMessage", "a user sends a message", arrives("outbound"), ofMessage),
  message(
    "AppInstall",
    "a location installs the app",
    (contents) => ({ name: "the app is installed", params: account(contents) }),
    ["locationId", "companyId"],
    1
  ),
  ...(["a location", "an agency"] as const).map((who, example) =>
    message(
      "AppUninstall",
      `${who} uninstalls the app`,
      (contents) => ({ name: "the app is uninstalled", params: account(contents) }),
      [who === "a location" ? "locationId" : "companyId"],
      example
    )
  )
]
