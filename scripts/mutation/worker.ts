/** A process with one Vitest that holds the instrumented source, and runs tests with one mutant after the other. */
import { readFileSync } from "node:fs"
import { resolve } from "node:path"
import { createVitest, type Reporter } from "vitest/node"

export interface Task {
  /** Empty: none is switched on, and coverage is written. */
  readonly mutant: string
  /** Files with the ids of the tests to run, in this order; all of a file's without. */
  readonly specifications: ReadonlyArray<{ readonly file: string; readonly tests?: ReadonlyArray<string> | undefined }>
}

export interface Result {
  /** The name of the first test that failed, or the error outside of tests. */
  readonly failed?: string
  readonly millis: number
}

/** Sent at each step of a run: what sends none for long hangs. */
const progress = "progress"

const [, , instrumented = "", coverage = ""] = process.argv
const sources = new Map<string, string>(
  JSON.parse(readFileSync(instrumented, "utf8")).map((file: { name: string; content: string }) => [
    resolve(file.name),
    file.content
  ])
)
const conditions = ["effect-highlevel-source"]
const inOrder = class {
  shard = <A>(files: A) => files
  sort = <A>(files: A) => files
}
// What Vitest returns of a run holds results of earlier runs too: these are only this run's.
let failed: string | undefined
const reporter: Reporter = {
  onTestModuleCollected: () => void process.send?.(progress),
  onTestCaseResult: (test) => {
    process.send?.(progress)
    if (test.result().state === "failed") failed ??= `${test.module.relativeModuleId}: ${test.fullName}`
  },
  onTestModuleEnd: (module) => {
    if (module.state() === "failed") failed ??= `${module.relativeModuleId}: does not load`
  },
  onTestRunEnd: (_, [error]) => {
    if (error !== undefined) failed ??= `an error outside of tests: ${error.message}`
  }
}
const vitest = await createVitest(
  "test",
  {
    config: false,
    watch: false,
    include: ["test/**/*.test.ts"],
    isolate: false,
    pool: "threads",
    maxWorkers: 1,
    bail: 1,
    reporters: [reporter],
    silent: true,
    setupFiles: ["scripts/mutation/setup.ts"],
    sequence: { sequencer: inOrder as never }
  },
  {
    resolve: { conditions },
    ssr: { resolve: { conditions } },
    plugins: [{ name: "mutants", enforce: "pre", load: (id: string) => sources.get(id) }]
  }
)
const [project] = vitest.projects
if (project === undefined) throw new Error("Vitest has no project")
project.provide("coverage", coverage)

process.on("message", async ({ mutant, specifications }: Task) => {
  const started = Date.now()
  project.provide("mutant", mutant)
  failed = undefined
  await vitest.runTestSpecifications(
    specifications.map(({ file, tests }) =>
      project.createSpecification(resolve(file), tests === undefined ? undefined : { testIds: [...tests] })
    )
  )
  const result: Result = { ...(failed !== undefined && { failed }), millis: Date.now() - started }
  process.send?.(result)
})
process.send?.("ready")
