/**
 * `npm run bench:start`: how long the command takes to start, next to bare Node,
 * and how long an application that has loaded Effect takes to import the library.
 * The package as it is built. Writes results/start.json.
 */
import { execFileSync } from "node:child_process"
import { mkdirSync, writeFileSync } from "node:fs"

const runs = Number(process.env["RUNS"] ?? 15)

const node = (args: ReadonlyArray<string>) => {
  const start = performance.now()
  const output = execFileSync(process.execPath, [...args], { encoding: "utf8" })
  return { output, millis: performance.now() - start }
}

const importing = (specifier: string) => {
  const program = `
    await import("effect"); await import("effect/http"); await import("effect/http-api")
    const start = performance.now()
    await import("${specifier}")
    console.log(performance.now() - start)`
  return Number(node(["--input-type=module", "-e", program]).output)
}

const measures: Record<string, () => number> = {
  "node -e 0": () => node(["-e", "0"]).millis,
  "effect-highlevel --version": () => node(["dist/cli/main.js", "--version"]).millis,
  "effect-highlevel --help": () => node(["dist/cli/main.js", "--help"]).millis,
  "import effect-highlevel": () => importing("effect-highlevel"),
  "import effect-highlevel/Conversations": () => importing("effect-highlevel/Conversations"),
  "import effect-highlevel/testing": () => importing("effect-highlevel/testing")
}

const figures = new Map<string, Array<number>>()
for (let run = 0; run < runs; run++) {
  for (const [name, measure] of Object.entries(measures)) figures.set(name, [...(figures.get(name) ?? []), measure()])
}

const results = Array.from(figures, ([name, millis]) => {
  const sorted = millis.toSorted((one, other) => one - other)
  const at = (index: number) => Number((sorted[index] ?? Number.NaN).toFixed(1))
  return { name, medianMillis: at(runs >> 1), minimumMillis: at(0), maximumMillis: at(runs - 1) }
})
console.table(results)
mkdirSync("bench/results", { recursive: true })
writeFileSync("bench/results/start.json", `${JSON.stringify({ node: process.version, runs, results }, undefined, 2)}\n`)
