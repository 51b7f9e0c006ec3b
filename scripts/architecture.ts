/**
 * Data flows one way: the files of a folder import each other, without a cycle, and
 * the folders below it, as listed here. The core imports no Node. Draws what it finds
 * into docs/structure.svg; with `--check` it fails where the picture is out of date.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import * as Picture from "./structure.ts"

const folders: Readonly<Record<string, ReadonlyArray<string>>> = {
  wire: [],
  rateLimit: [],
  client: ["wire", "rateLimit"],
  oauth: ["wire", "rateLimit", "client"],
  jobs: ["wire", "client"],
  node: ["client"],
  webhooks: ["wire", "client", "oauth"],
  testing: ["wire"],
  cli: ["wire", "rateLimit", "client", "oauth", "jobs", "node", "testing"]
}
const maximumLines = 350

const problems: Array<string> = []
const imports = new Map<string, ReadonlyArray<string>>()
const lines = new Map<string, number>()
for (const file of readdirSync("src", { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"))) {
  const text = readFileSync(join("src", file), "utf8")
  const specifiers = Array.from(
    text.replaceAll(/^ *\*.*$/gm, "").matchAll(/(?:from |^import |import\()"([^"]+)"/gm),
    ([, specifier = ""]) => specifier
  )
  const targets = specifiers.filter((name) => name.startsWith(".")).map((name) => join(dirname(file), name))
  imports.set(file, targets)
  lines.set(file, text.split("\n").length - 1)
  if (text.split("\n").length - 1 > maximumLines) problems.push(`${file}: more than ${maximumLines} lines`)
  const folder = dirname(file)
  if (folder === ".") continue
  for (const target of targets) {
    const other = dirname(target)
    if (other !== folder && folders[folder]?.includes(other) !== true) problems.push(`${file}: imports ${target}`)
  }
  for (const name of specifiers.filter((specifier) => !specifier.startsWith("."))) {
    if (/^effect(\/(http|http-api|cli|persistence|observability|schema))?$/.test(name))
      problems.push(`${file}: imports the barrel ${name}`)
    if (!name.startsWith("effect/") && folder !== "cli" && folder !== "node")
      problems.push(`${file}: imports ${name}; only the command line and what is for Node may`)
  }
}

const { cycles, svg } = Picture.draw(Object.keys(folders), imports, lines)
problems.push(...cycles.map((cycle) => `a cycle: ${cycle}`))
const picture = "docs/structure.svg"
if (!process.argv.includes("--check")) {
  mkdirSync("docs", { recursive: true })
  writeFileSync(picture, svg)
} else if (readFileSync(picture, "utf8") !== svg) problems.push(`${picture} is out of date: npm run structure`)

for (const problem of problems) console.error(problem)
console.log(`${imports.size} modules in ${Object.keys(folders).length} folders, ${problems.length} problems`)
process.exitCode = problems.length === 0 ? 0 : 1
