/**
 * Writes every example of the documentation (the ```ts fences of README.md, AGENTS.md,
 * docs/*.md and JSDoc) as a test into build/documentation, where it is type-checked and
 * run. A line `expression // => value` is an assertion. A fence with a file name,
 * ```ts first.ts, is a whole file: it is type-checked as it stands.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"

const output = "build/documentation"

const filesIn = (directory: string, ending: string) =>
  readdirSync(directory, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(ending))
    .map((file) => join(directory, file))
    .toSorted()

const sources = ["README.md", "AGENTS.md", ...filesIn("docs", ".md"), ...filesIn("src", ".ts")]

const fences = (file: string) => {
  const text = readFileSync(file, "utf8")
  const fence = file.endsWith(".md")
    ? /^```ts(?: (\S+))?\n([\s\S]*?)^```$/gm
    : /^ *\* ```ts(?: (\S+))?\n([\s\S]*?)^ *\* ```$/gm
  return Array.from(text.matchAll(fence), ({ 1: name, 2: code = "", index }) => ({
    name,
    line: text.slice(0, index).split("\n").length,
    code: file.endsWith(".md") ? code : code.replaceAll(/^ *\* ?/gm, "")
  }))
}

const assertion = (line: string) => {
  const match = /^(\s*)(.*\S)\s+\/\/ => (.+)$/.exec(line)
  if (match === null) return line
  const [, indent, expression, expected] = match
  return `${indent}assert.deepStrictEqual<unknown>(${expression}, ${expected})`
}

const test = (title: string, code: string) => {
  // An import may span lines; everything up to and including the last one goes to the top.
  const lines = code.trimEnd().split("\n")
  const last = lines.findLastIndex((line) => /from "[^"]+"$/.test(line) || line.startsWith('import "'))
  return [
    `import { assert, it } from "@effect/vitest"`,
    ...lines.slice(0, last + 1),
    "",
    `it(${JSON.stringify(title)}, async () => {`,
    ...lines.slice(last + 1).map((line) => `  ${assertion(line)}`),
    "  assert.isTrue(true)",
    "})",
    ""
  ].join("\n")
}

rmSync(output, { recursive: true, force: true })
mkdirSync(output, { recursive: true })
let count = 0
for (const file of sources) {
  const page = file.replaceAll(/[\\/]/g, "-")
  for (const { code, line, name } of fences(file)) {
    if (name === undefined) writeFileSync(join(output, `${page}.${line}.test.ts`), test(`${file}:${line}`, code))
    else writeFileSync(join(output, `${page}.${name}`), code)
    count++
  }
}
writeFileSync(
  join(output, "tsconfig.json"),
  // An example may name a value that it does not use.
  JSON.stringify({ extends: "../../tsconfig.json", compilerOptions: { noUnusedLocals: false }, include: ["*.ts"] })
)
console.log(`${count} examples of the documentation`)
