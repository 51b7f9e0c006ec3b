/** Formats the output of the command line. */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Conversation from "../wire/Conversation.ts"

// Messages come from strangers and must not control the terminal.
const controls = /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu

/** Escapes control characters as JSON does, so that JSON stays valid. */
export const printable = (text: string) =>
  text.replace(controls, (character) => {
    if (character === "\n") return "\\n"
    if (character === "\t") return "\\t"
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`
  })

/** Formats a number in English. */
export const count = (value: number): string => value.toLocaleString("en-US")

/** Formats a count with its noun. */
export const counted = (value: number, noun: string): string => `${count(value)} ${noun}${value === 1 ? "" : "s"}`

const cell = (value: unknown): string => {
  if (DateTime.isDateTime(value)) return DateTime.formatIso(value)
  return printable(typeof value === "string" ? value : JSON.stringify(value))
}

// Node before 26 cannot serialize a document nested ten thousand deep.
const orUnprintable = <A>(render: () => A) => Effect.try({ try: render, catch: () => "Unprintable" as const })

/** Formats a row for each field, in the documentation's order. */
export const table = ({ unrecognized = {}, ...conversation }: Conversation.Conversation) =>
  orUnprintable(() => {
    const rows = Object.entries({ ...conversation, ...unrecognized }).map(
      ([name, value]) => [printable(name), cell(value)] as const
    )
    const width = Math.max(0, ...rows.map(([name]) => name.length))
    return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join("\n")
  })

const encode = Schema.encodeEffect(Conversation.Conversation)

/** Formats a conversation as documented, in one line. */
export const json = (conversation: Conversation.Conversation) =>
  Effect.flatMap(encode(conversation), (wire) => orUnprintable(() => printable(JSON.stringify(wire))))
