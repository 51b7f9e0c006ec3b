/**
 * The API reference, from the JSDoc of every public module: build/reference.
 * Fails on a broken link, and on an export without a description or a category.
 */
import { spawnSync } from "node:child_process"
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"

const output = "build/reference"
const data = "build/reference.json"
// TypeDoc takes the comment at the head of a file for the module's only where it says @module.
const sources = "build/reference-source"

rmSync(output, { recursive: true, force: true })
rmSync(sources, { recursive: true, force: true })
cpSync("src", sources, { recursive: true })

const modules = [".", "testing"].flatMap((folder) =>
  readdirSync(join("src", folder), { withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name !== "index.ts")
    .map((entry) => join(folder, entry.name))
)
for (const module of modules) {
  const file = join(sources, module)
  writeFileSync(file, readFileSync(file, "utf8").replace(/^ \* @since/m, ` * @module ${module.slice(0, -3)}\n$&`))
}
writeFileSync(
  join(sources, "tsconfig.json"),
  JSON.stringify({ extends: "../../tsconfig.json", compilerOptions: { types: [] }, include: ["."], exclude: ["cli"] })
)

const options = {
  options: "scripts/reference/typedoc.json",
  tsconfig: join(sources, "tsconfig.json"),
  basePath: sources,
  html: output,
  json: data
}
const { status } = spawnSync(
  process.execPath,
  [
    "scripts/reference/node_modules/typedoc/bin/typedoc",
    ...Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]),
    ...modules.map((module) => join(sources, module))
  ],
  { stdio: "inherit" }
)
if (status !== 0) process.exit(status ?? 1)

interface Reflection {
  readonly id: number
  readonly name: string
  readonly variant: "project" | "declaration" | "reference" | "signature"
  readonly comment?: {
    readonly summary: ReadonlyArray<{ readonly text: string }>
    readonly blockTags?: ReadonlyArray<{ readonly tag: string }>
  }
  readonly signatures?: ReadonlyArray<Reflection>
  readonly children?: ReadonlyArray<Reflection>
  readonly categories?: ReadonlyArray<{ readonly title: string; readonly children: ReadonlyArray<number> }>
}

// The comment of a function belongs to its signatures.
const isDescribed = ({ comment, signatures = [] }: Reflection): boolean =>
  comment?.summary.some(({ text }) => text.trim() !== "") === true || signatures.some(isDescribed)
const isDated = ({ comment, signatures = [] }: Reflection): boolean =>
  comment?.blockTags?.some(({ tag }) => tag === "@since") === true || signatures.some(isDated)

const project: Reflection = JSON.parse(readFileSync(data, "utf8"))
const problems: Array<string> = []
let count = 0
for (const module of project.children ?? []) {
  if (!isDescribed(module)) problems.push(`${module.name}: no description`)
  const exported = (module.children ?? []).filter(({ variant }) => variant === "declaration")
  // A schema and its type share a name, and one description is enough for both.
  const described = new Set(exported.filter(isDescribed).map(({ name }) => name))
  const uncategorized = module.categories?.find(({ title }) => title === "Other")?.children
  for (const reflection of exported) {
    count++
    const missing = [
      described.has(reflection.name) ? [] : ["description"],
      uncategorized?.includes(reflection.id) === true ? ["@category"] : [],
      isDated(reflection) ? [] : ["@since"]
    ].flat()
    if (missing.length > 0) problems.push(`${module.name}.${reflection.name}: no ${missing.join(", no ")}`)
  }
}
for (const problem of problems) console.error(problem)
console.log(`${count} exports of ${modules.length} modules in ${output}, ${problems.length} problems`)
process.exitCode = problems.length === 0 ? 0 : 1
