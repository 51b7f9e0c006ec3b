/**
 * The runtime matrix: the behaviour tests on Node 22, 24 and 26, on Bun and on
 * Deno, and a smoke program of what is published in workerd and in Chromium.
 * Writes results.json. With names as arguments, runs only those, and writes nothing.
 */
import { execFileSync } from "node:child_process"
import { writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import process from "node:process"
import { behaviour, type Runtime } from "./behaviour.ts"
import type { Report } from "./report.ts"
import * as Smokes from "./smokes.ts"

process.chdir(resolve(import.meta.dirname, "../.."))

const node = (major: number): Runtime => ({
  name: `Node ${major}`,
  key: "node",
  program: `node-${major}/bin/node`,
  evaluate: ["-e"],
  run: []
})

const runtimes: ReadonlyArray<Runtime> = [
  node(22),
  node(24),
  node(26),
  { name: "Bun", key: "bun", program: "@oven/bun-linux-x64/bin/bun", evaluate: ["-e"], run: [] },
  { name: "Deno", key: "deno", program: "@deno/linux-x64-glibc/deno", evaluate: ["eval"], run: ["run", "--allow-all"] }
]

const names = process.argv.slice(2)
const isWanted = ({ name }: { readonly name: string }) => names.length === 0 || names.includes(name)

const reports: Array<Report> = []
const add = async (name: string, report: () => Report | Promise<Report>) => {
  const start = Date.now()
  reports.push(await report())
  console.error(`${name}: ${Math.round((Date.now() - start) / 1000)} s`)
}

for (const runtime of runtimes.filter(isWanted)) await add(runtime.name, () => behaviour(runtime))
const smokes = Smokes.runtimes.filter(isWanted)
if (smokes.length > 0) execFileSync("npm", ["run", "-s", "build"], { stdio: "inherit" })
for (const runtime of smokes) await add(runtime.name, () => Smokes.smoke(runtime))

const rows = [
  ["runtime", "version", "tests", "passed", "failed", "skipped"],
  ...reports.map(({ failed, passed, runtime, skipped, suite, version }) =>
    [runtime, version, suite, passed, failed, skipped].map(String)
  )
]
const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? []
console.log(
  rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd()
    )
    .join("\n")
)
for (const { failures, runtime } of reports) {
  for (const { message, test } of failures) console.log(`FAILED in ${runtime}: ${test}\n  ${message}`)
}

if (names.length === 0) {
  writeFileSync(join(import.meta.dirname, "results.json"), `${JSON.stringify(reports, undefined, 2)}\n`)
}
process.exitCode = reports.some(({ failed }) => failed > 0) ? 1 : 0
