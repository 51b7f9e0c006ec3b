/** The generated pages; `npm run contracts -- -u` accepts a change. */
import { join } from "node:path"
import { format, resolveConfig } from "prettier"
import { expect } from "vitest"

export type Row = ReadonlyArray<string>

const line = (row: Row) => `| ${row.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`

export const table = (head: Row, rows: ReadonlyArray<Row>) =>
  [head, head.map(() => "---"), ...rows].map(line).join("\n")

/** The committed page must be what was generated. */
export const expectPage = async (name: string, paragraphs: ReadonlyArray<string>) => {
  const file = join(import.meta.dirname, name)
  const options = await resolveConfig(file)
  const text = await format(paragraphs.join("\n\n"), { ...options, parser: "markdown" })
  await expect(text).toMatchFileSnapshot(file)
}
