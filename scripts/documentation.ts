/**
 * Writes every example of the documentation (the ```ts fences of JSDoc, README.md
 * and AGENTS.md) as a test into build/documentation, where it is type-checked and
 * run. A line `expression // => value` is an assertion.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { basename, join } from "node:path"

const output = "build/documentation"

const sources = [
  "README.md",
  "AGENTS.md",
  ...readdirSync("src", { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .map((file) => join("src", file))
    .toSorted()
]

const fences = (file: string) => {
  const text = readFileSync(file, "utf8")
  const fence = file.endsWith(".md") ? /^```ts\n([\s\S]*?)^```$/gm : /^ *\* ```ts\n([\s\S]*?)^ *\* ```$/gm
  return Array.from(text.matchAll(fence), (match) => ({
    line: text.slice(0, match.index).split("\n").length,
    code: file.endsWith(".md") ? (match[1] ?? "") : (match[1] ?? "").replaceAll(/^ *\* ?/gm, "")
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
  for (const { code, line } of fences(file)) {
    writeFileSync(join(output, `${basename(file, ".ts")}.${line}.test.ts`), test(`${file}:${line}`, code))
    count++
  }
}
writeFileSync(
  join(output, "tsconfig.json"),
  // An example may name a value that it does not use.
  JSON.stringify({ extends: "../../tsconfig.json", compilerOptions: { noUnusedLocals: false }, include: ["*.ts"] })
)
console.log(`${count} examples of the documentation`)
