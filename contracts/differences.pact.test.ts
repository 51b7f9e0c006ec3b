/** The differences between the two contracts are those of the committed page. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, it } from "vitest"
import * as Differences from "./differences.ts"
import * as Documentation from "./documented/documentation.ts"
import type { Interaction } from "./interaction.ts"
import { interactions } from "./observed/interactions.ts"
import { messages } from "./observed/messages.ts"
import * as Page from "./page.ts"
import * as Webhooks from "./webhooks.ts"

const fieldOf = ({ status }: Interaction, name: string) => `\`${status}${name === "" ? "" : `: ${name}`}\``

/** A row for each difference, with the interactions in which it was seen. */
const rowsOf = async (own: ReadonlyArray<Interaction>): Promise<ReadonlyArray<Page.Row>> => {
  const rows = new Map<string, { readonly row: Page.Row; readonly seen: Array<string> }>()
  for (const interaction of own) {
    const differences = Differences.differencesOf(interaction)
    const readings = await Differences.readingsOf(interaction, differences)
    for (const [index, { documented, name, observed }] of differences.entries()) {
      const row = [fieldOf(interaction, name), documented, observed, readings[index] ?? ""]
      const known = rows.get(row.join("|")) ?? { row, seen: [] }
      rows.set(row.join("|"), known)
      known.seen.push(interaction.description)
    }
  }
  return [...rows.values()].map(({ row, seen: [first = "", ...rest] }) =>
    row.concat(rest.length === 0 ? first : `${first}, and ${rest.length} more`)
  )
}

const sourcesOf = (list: ReadonlyArray<Pick<Interaction, "comments" | "description">>) =>
  list.map(({ comments, description }) => `- **${description}**: ${comments.join(". ")}.`).join("\n")

const counted = (rows: ReadonlyArray<Page.Row>) => `${rows.length} difference${rows.length === 1 ? "" : "s"}`

const columns = ["field", "documented as", "observed as", "the client reads", "seen in"]

const messageSections = () =>
  Promise.all(
    messages.map(async (message) => {
      const { contents, description, operation } = message
      const read = await Webhooks.receive(contents)
      const rows = Differences.messageDifferencesOf(message).map(({ documented, name, observed }) => [
        `\`${name}\``,
        documented,
        observed,
        Differences.readAt(name, contents, read),
        description
      ])
      return [`## ${operation}, a webhook: ${counted(rows)}`, Page.table(columns, rows), sourcesOf([message])]
    })
  )

it("the page lists every difference", async () => {
  const sections = await Promise.all(
    Object.keys(Documentation.operations).map(async (name) => {
      const own = interactions.filter(({ operation }) => operation === name)
      const rows = await rowsOf(own)
      return own.length === 0 ? [] : [`## ${name}: ${counted(rows)}`, Page.table(columns, rows), sourcesOf(own)]
    })
  )
  await Page.expectPage("differences.md", [
    "# Where the documented and the observed contract differ",
    "Generated from both contracts, by calling the client with each observed response: see [README.md](README.md). " +
      "Under each table: the sources of its interactions. Of a token, the caller sees the access token; the rest is stored.",
    ...sections.concat(await messageSections()).flat()
  ])
})

/** The recorded response with one field more, or one of another type. */
const changes = (interaction: Interaction) => {
  const { response } = interaction
  if (typeof response === "string") return []
  return ["color", ...Object.keys(response)].map((name) =>
    Object.assign({}, interaction, { response: Object.assign({}, response, { [name]: { changed: true } }) })
  )
}

it("a recorded field that changes is not in the page", () => {
  const page = readFileSync(join(import.meta.dirname, "differences.md"), "utf8").replaceAll(/ +/g, " ")
  const isListed = (interaction: Interaction) =>
    Differences.differencesOf(interaction).every(({ documented, name, observed }) =>
      page.includes(`| ${fieldOf(interaction, name)} | ${documented} | ${observed} |`)
    )
  for (const interaction of interactions) {
    assert.isTrue(isListed(interaction), interaction.description)
    for (const changed of changes(interaction)) {
      assert.isFalse(isListed(changed), `${changed.description}: ${JSON.stringify(changed.response)}`)
    }
  }
})
