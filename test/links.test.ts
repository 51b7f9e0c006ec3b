/** Every relative link of the pages leads to a file and a heading, and every page is found from the README. */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs"
import { dirname, join, normalize } from "node:path"
import { assert, describe, it } from "vitest"

const docs = readdirSync("docs")
  .filter((file) => file.endsWith(".md"))
  .map((file) => join("docs", file))
const pages = ["README.md", "AGENTS.md", "CHANGELOG.md", "contracts/README.md", ...docs]

/** The page without its code, in which brackets are no links and `#` begins no heading. */
const proseOf = (page: string) => readFileSync(page, "utf8").replaceAll(/^```[\s\S]*?^```$/gm, "")

const linksOf = (page: string) =>
  Array.from(proseOf(page).matchAll(/\]\(([^)\s]+)\)/g), ([, link = ""]) => link).filter(
    (link) => !/^[a-z]+:/.test(link)
  )

/** The anchors that GitHub gives to the headings. */
const anchorsOf = (page: string) => {
  const seen = new Map<string, number>()
  return Array.from(proseOf(page).matchAll(/^#{1,6} (.+)$/gm), ([, heading = ""]) => {
    const slug = heading
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1")
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\p{M}_ -]/gu, "")
      .replaceAll(" ", "-")
    const count = seen.get(slug) ?? 0
    seen.set(slug, count + 1)
    return count === 0 ? slug : `${slug}-${count}`
  })
}

/** What is wrong with a link, or undefined. */
const problemOf = (page: string, link: string) => {
  const [path = "", anchor] = link.split("#")
  const target = path === "" ? page : normalize(join(dirname(page), path))
  if (!existsSync(target)) return `${page}: ${link}: there is no such file`
  if (anchor === undefined) return undefined
  const file = statSync(target).isDirectory() ? join(target, "README.md") : target
  return anchorsOf(file).includes(anchor) ? undefined : `${page}: ${link}: there is no such heading`
}

const targetsOf = (page: string) =>
  linksOf(page).map((link) => normalize(join(dirname(page), link.split("#")[0] ?? "")))

describe("the documentation", () => {
  it("has no broken link", () => {
    const problems = pages.flatMap((page) => linksOf(page).map((link) => problemOf(page, link)))
    assert.isAbove(problems.length, 100)
    assert.deepStrictEqual(
      problems.filter((problem) => problem !== undefined),
      []
    )
  })

  it("tells a broken link", () => {
    assert.match(problemOf("README.md", "docs/missing.md") ?? "", /no such file/)
    assert.match(problemOf("docs/README.md", "errors.md#missing") ?? "", /no such heading/)
    assert.isUndefined(problemOf("docs/README.md", "../README.md"))
  })

  it("has every page within two clicks of the README, and one click of the index", () => {
    const index = targetsOf("docs/README.md")
    assert.include(targetsOf("README.md"), "docs/README.md")
    assert.deepStrictEqual(
      docs.filter((page) => page !== "docs/README.md" && !index.includes(page)),
      []
    )
  })

  it("has a README of at most 180 lines", () => {
    assert.isAtMost(readFileSync("README.md", "utf8").trimEnd().split("\n").length, 180)
  })
})
