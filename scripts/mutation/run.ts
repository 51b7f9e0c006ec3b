/**
 * Mutation testing of src. Each mutant is one small change; a test or the type check has to find it.
 *
 *     npm run test:mutation                          # every 42nd mutant
 *     npm run test:mutation -- --every 1             # all of them: hours
 *     npm run test:mutation -- --files src/client    # of these files
 *     npm run test:mutation -- --survivors           # those that survived last time
 *     npm run test:mutation -- --continue            # those without a result
 *     npm run test:mutation -- --report              # only writes the report again
 *
 * Results are kept in build/mutation and added to; the report is scripts/mutation/report.md.
 * Exits 1 when a survivor has no reason in scripts/mutation/reasons.ts, or the score is below 90 %.
 */
import { createHash } from "node:crypto"
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { basename } from "node:path"
import { parseArgs } from "node:util"
import * as Mutants from "./mutants.ts"
import * as Pool from "./pool.ts"
import * as Report from "./report.ts"
import { excludedTests } from "./tests.ts"
import * as Types from "./types.ts"

const { values } = parseArgs({
  options: {
    every: { type: "string", default: "42" },
    seed: { type: "string", default: "1" },
    files: { type: "string", multiple: true, default: ["src/"] },
    processes: { type: "string", default: "2" },
    continue: { type: "boolean", default: false },
    survivors: { type: "boolean", default: false },
    report: { type: "boolean", default: false }
  }
})
const directory = "build/mutation"
const instrumentedPath = `${directory}/instrumented.json`
const coverageDirectory = `${directory}/coverage`
const coveragesPath = `${directory}/coverages.json`
const resultsPath = `${directory}/results.json`
const every = Number(values.every)
const seed = Number(values.seed)
const processes = Number(values.processes)

mkdirSync(directory, { recursive: true })
const { files, mutants } = await Mutants.load()
const results = new Map<string, Report.Outcome>(
  existsSync(resultsPath) ? JSON.parse(readFileSync(resultsPath, "utf8")) : []
)
const sampled = Mutants.sample(mutants, every, seed)
const save = () => writeFileSync(resultsPath, JSON.stringify([...results], undefined, 1))

if (!values.report) {
  writeFileSync(instrumentedPath, JSON.stringify(files))
  const workerArguments = [instrumentedPath, coverageDirectory]

  // Each test file by itself: which mutants its tests reach, and which run while it loads. Kept while nothing changed.
  const testFiles = globSync("test/*.test.ts").filter((file) => !excludedTests.includes(basename(file)))
  const coverageOf = (file: string) => `${coverageDirectory}/${basename(file)}.json`
  const source = JSON.stringify(files)
  const hashOf = (file: string) => createHash("sha256").update(source).update(readFileSync(file)).digest("hex")
  const coverages: Record<string, { readonly hash: string; readonly millis: number }> = existsSync(coveragesPath)
    ? JSON.parse(readFileSync(coveragesPath, "utf8"))
    : {}
  await Pool.run(
    workerArguments,
    testFiles
      .filter((file) => coverages[file]?.hash !== hashOf(file))
      .map((file) => ({ file, task: () => ({ mutant: "", specifications: [{ file }] }) })),
    processes,
    ({ file }, outcome) => {
      if (outcome === "timeout" || outcome.failed !== undefined) {
        throw new Error(`${file} fails without a mutant: ${outcome === "timeout" ? outcome : outcome.failed}`)
      }
      coverages[file] = { hash: hashOf(file), millis: outcome.millis }
    }
  )
  writeFileSync(coveragesPath, JSON.stringify(coverages))
  const millisOf = (file: string) => coverages[file]?.millis ?? 0
  const reached = new Map<string, Map<string, Array<string> | undefined>>()
  const reach = (mutant: string, file: string, test: string | undefined) => {
    const files = reached.get(mutant) ?? new Map<string, Array<string> | undefined>()
    reached.set(mutant, files)
    if (test === undefined) files.set(file, undefined)
    else if (files.has(file)) files.get(file)?.push(test)
    else files.set(file, [test])
  }
  for (const file of testFiles) {
    const { loaded, tests }: { loaded: Array<string>; tests: Array<[string, Array<string>]> } = JSON.parse(
      readFileSync(coverageOf(file), "utf8")
    )
    for (const mutant of loaded) reach(mutant, file, undefined)
    for (const [test, ids] of tests) for (const mutant of ids) reach(mutant, file, test)
  }

  const chosen = (values.survivors ? mutants : sampled)
    .filter(({ file }) => values.files.some((prefix) => file.startsWith(prefix)))
    .filter((mutant) => !values.survivors || results.get(Mutants.keyOf(mutant))?.status === "survived")
    .filter((mutant) => !values.continue || !results.has(Mutants.keyOf(mutant)))
  console.log(`${chosen.length} of ${mutants.length} mutants, ${testFiles.length} test files`)
  // What found others of the same file comes first, then the quickest.
  const finders = new Map<string, number>()
  const finderOf = (mutant: Mutants.Mutant, test: string) => `${mutant.file} ${test}`
  const jobs = chosen.map((mutant) => {
    const specifications = [...(reached.get(mutant.id) ?? [])].map(([file, tests]) => ({ file, tests }))
    const found = ({ file }: { file: string }) => finders.get(finderOf(mutant, file)) ?? 0
    const task = () => ({
      mutant: mutant.id,
      specifications: specifications.toSorted(
        (one, other) => found(other) - found(one) || millisOf(one.file) - millisOf(other.file)
      )
    })
    return { mutant, isReached: specifications.length > 0, task }
  })
  Types.prepare()
  let done = 0
  const started = Date.now()
  const note = (mutant: Mutants.Mutant, outcome: Report.Outcome) => {
    results.set(Mutants.keyOf(mutant), outcome)
    done += 1
    if (done % 10 === 0) save()
    if (done % 50 === 0) console.log(`${done} of ${jobs.length}, ${Math.round((Date.now() - started) / 1000)} s`)
  }
  // One by one: they share a folder.
  let checked: Promise<void> = Promise.resolve()
  const check = (mutant: Mutants.Mutant) => {
    checked = checked.then(async () =>
      note(mutant, { status: (await Types.finds(mutant)) ? "caught by the type check" : "survived" })
    )
  }
  const reachedByTests = jobs.filter(({ isReached }) => isReached)
  for (const { isReached, mutant } of jobs) if (!isReached) check(mutant)
  await Pool.run(workerArguments, reachedByTests, processes, ({ mutant }, outcome) => {
    const failed = outcome === "timeout" ? "timeout" : outcome.failed
    if (failed === undefined) check(mutant)
    else {
      const finder = finderOf(mutant, failed.split(":")[0] ?? "")
      finders.set(finder, (finders.get(finder) ?? 0) + 1)
      note(mutant, { status: "caught by a test", by: failed })
    }
  })
  await checked
  save()
}

const report = await Report.write(mutants, results)
console.log(report.summary)
if (!report.complete) process.exitCode = 1
