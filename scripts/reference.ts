/**
 * The API reference, from the JSDoc of every public module: build/reference.
 * Fails on a broken link, and on an export without a description.
 */
import { spawnSync } from "node:child_process"
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"

const output = "build/reference"
const data = "build/reference.json"
// TypeDoc takes the comment at the head of a file for the module's only where it says @module.
const sources = "build/reference-source"

rmSync(output, { recursive: true, force: true })
rmSync(sources, { recursive: true, force: true })
cpSync("src", sources, { recursive: true })

// The public modules, by the name they are imported with.
const { exports }: { readonly exports: Record<string, { readonly "effect-highlevel-source"?: string }> } = JSON.parse(
  readFileSync("package.json", "utf8")
)
const modules = Object.entries(exports).flatMap(([name, { "effect-highlevel-source": source }]) =>
  source === undefined || source.endsWith("index.ts")
    ? []
    : [{ name: name.slice(2), source: source.slice("./src/".length) }]
)
modules.push({ name: "testing/Sandbox", source: "testing/Sandbox.ts" })
for (const { name, source } of modules) {
  const file = join(sources, source)
  const text = readFileSync(file, "utf8")
  writeFileSync(file, text.replace(/^\/\*\*[^]*?(?= ?\*\/)/, `$&\n * @module ${name}\n`))
}
writeFileSync(
  join(sources, "tsconfig.json"),
  JSON.stringify({ extends: "../../tsconfig.json", compilerOptions: { types: [] }, include: ["."], exclude: ["cli"] })
)

// The guide beside the reference, in the order of its index and with one search: TypeDoc names a page by its `title`.
const guide = "build/guide"
rmSync(guide, { recursive: true, force: true })
for (const folder of ["docs", "examples", "bench/results"]) cpSync(folder, join(guide, folder), { recursive: true })
for (const file of [
  "README.md",
  "CONTRIBUTING.md",
  "CHANGELOG.md",
  "SECURITY.md",
  "AGENTS.md",
  "LICENSE",
  "contracts/README.md"
])
  cpSync(file, join(guide, file))
const inOrder = Array.from(
  readFileSync("docs/README.md", "utf8").matchAll(/\]\(([a-z-]+\.md)/g),
  ([, page]) => `docs/${page}`
)
const pages = [...new Set(["docs/README.md", ...inOrder]), "contracts/README.md", "CONTRIBUTING.md", "CHANGELOG.md"]
const home = "https://github.com/effect-highlevel/effect-highlevel/blob/main/"
for (const page of ["README.md", "SECURITY.md", ...pages]) {
  const file = join(guide, page)
  const text = readFileSync(file, "utf8")
  const title = /^# (.*)$/m.exec(text)?.[1] ?? page
  // A link to what is no page and no picture leads to the repository.
  const linked = text.replaceAll(
    /\]\((?!https?:|#|mailto:)([^)#\s]+)(#[^)\s]*)?\)/g,
    (link, to: string, anchor = "") => {
      const target = join(page, "..", to)
      return pages.includes(target) || /\.(svg|png)$/.test(target) ? link : `](${home}${target}${anchor})`
    }
  )
  writeFileSync(
    file,
    page === "README.md" ? linked : `---\ntitle: ${JSON.stringify(title)}\ngroup: Guide\n---\n${linked}`
  )
}

const options = {
  readme: join(guide, "README.md"),
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
    ...pages.flatMap((page) => ["--projectDocuments", join(guide, page)]),
    ...modules.map(({ source }) => join(sources, source))
  ],
  { stdio: "inherit" }
)
if (status !== 0) process.exit(status ?? 1)

interface Reflection {
  readonly name: string
  readonly variant: "project" | "declaration" | "reference" | "signature"
  readonly comment?: {
    readonly summary: ReadonlyArray<{ readonly text: string }>
  }
  readonly signatures?: ReadonlyArray<Reflection>
  readonly children?: ReadonlyArray<Reflection>
}

// The comment of a function belongs to its signatures.
const isDescribed = ({ comment, signatures = [] }: Reflection): boolean =>
  comment?.summary.some(({ text }) => text.trim() !== "") === true || signatures.some(isDescribed)
const project: Reflection = JSON.parse(readFileSync(data, "utf8"))
const problems: Array<string> = []
let count = 0
for (const module of project.children ?? []) {
  if (!isDescribed(module)) problems.push(`${module.name}: no description`)
  const exported = (module.children ?? []).filter(({ variant }) => variant === "declaration")
  // A schema and its type share a name, and one description is enough for both.
  const described = new Set(exported.filter(isDescribed).map(({ name }) => name))
  for (const { name } of exported) {
    count++
    if (!described.has(name)) problems.push(`${module.name}.${name}: no description`)
  }
}
for (const problem of problems) console.error(problem)
console.log(`${count} exports of ${modules.length} modules in ${output}, ${problems.length} problems`)
process.exitCode = problems.length === 0 ? 0 : 1
