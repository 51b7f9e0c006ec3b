/** Formats the conversations of a search as a table. */
import * as DateTime from "effect/DateTime"
import type { FoundConversation } from "../wire/searchConversations.ts"
import * as Output from "./output.ts"

const header = ["ID", "CONTACT", "UNREAD", "LAST MESSAGE", "TYPE", "ASSIGNED TO"]
const contactColumn = 1

/** The minimum and maximum widths of the name column, which yields to the columns on its right. */
const contactWidth = (columns: number) => (columns === Infinity ? Infinity : Math.min(24, Math.max(12, columns - 88)))

const wide =
  /[\p{Script=Han}\p{Script=Hangul}\p{Script=Hiragana}\p{Script=Katakana}\p{Emoji_Presentation}\uff01-\uff60]/u
const combining = /[\p{Mn}\p{Me}\u200d]/u

const widthOf = (text: string) => {
  let width = 0
  for (const character of text) width += wide.test(character) ? 2 : combining.test(character) ? 0 : 1
  return width
}

/** Shortens a text with an ellipsis. */
const cut = (text: string, width: number) => {
  if (widthOf(text) <= width) return text
  let kept = ""
  for (const character of text) {
    if (widthOf(kept + character) >= width) break
    kept += character
  }
  return `${kept}…`
}

const pad = (text: string, width: number) => text + " ".repeat(Math.max(0, width - widthOf(text)))

const cellsOf = (found: FoundConversation) => {
  const { assignedTo, contactId, contactName, email, fullName, id, lastMessageDate, lastMessageType, phone } = found
  return [
    id,
    fullName || contactName || email || phone || contactId,
    found.unreadCount ?? 0,
    lastMessageDate && DateTime.formatIso(lastMessageDate).slice(0, 16).replace("T", " ").concat("Z"),
    lastMessageType,
    assignedTo
  ].map((value) => Output.printable(String(value ?? "")))
}

/** Formats page after page. The first one has the header and determines the column widths. */
export const make = (columns: number) => {
  let widths: ReadonlyArray<number> | undefined
  const row = (cells: ReadonlyArray<string>, widths: ReadonlyArray<number>) => {
    const padded = cells.map((cell, column) => pad(cell, widths[column] ?? 0))
    return cut(padded.join("  ").trimEnd(), columns)
  }
  return (page: ReadonlyArray<FoundConversation>): string => {
    const rows = page.map((found) =>
      cellsOf(found).map((cell, column) => (column === contactColumn ? cut(cell, contactWidth(columns)) : cell))
    )
    const isFirst = widths === undefined
    const known = (widths ??= header.map((name, column) =>
      Math.max(widthOf(name), ...rows.map((cells) => widthOf(cells[column] ?? "")))
    ))
    return (isFirst ? [header, ...rows] : rows).map((cells) => row(cells, known)).join("\n")
  }
}
