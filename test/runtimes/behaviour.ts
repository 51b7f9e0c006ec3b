/** The behaviour tests under one runtime: Vitest itself is run by it. */
import { spawnSync } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import process from "node:process"
import { nothing, type Report } from "./report.ts"

/** A runtime that can be Node to Vitest. */
export interface Runtime {
  readonly name: string
  /** Its key in `process.versions`. */
  readonly key: "node" | "bun" | "deno"
  /** Its program, within `node_modules`. */
  readonly program: string
  readonly evaluate: ReadonlyArray<string>
  readonly run: ReadonlyArray<string>
}

interface VitestReport {
  readonly success: boolean
  readonly numPassedTests: number
  readonly numPendingTests: number
  readonly testResults: ReadonlyArray<{
    readonly name: string
    readonly status: string
    readonly message: string | null
    readonly assertionResults: ReadonlyArray<{
      readonly fullName: string
      readonly status: string
      readonly failureMessages: ReadonlyArray<string | null>
    }>
  }>
}

const brief = (text: string | null | undefined) => (text ?? "no message").split("\n", 1).join("").slice(0, 300)

const failuresOf = ({ testResults }: VitestReport): Report["failures"] =>
  testResults.flatMap(({ assertionResults, message, name, status }) => {
    const failures = assertionResults
      .filter(({ status }) => status === "failed")
      .map(({ failureMessages: [first], fullName }) => ({ test: fullName, message: brief(first) }))
    // A file that could not be loaded has no tests.
    return status === "failed" && failures.length === 0 ? [{ test: name, message: brief(message) }] : failures
  })

export const behaviour = ({ evaluate, key, name, program, run }: Runtime): Report => {
  const binary = join(import.meta.dirname, "node_modules", program)
  if (!existsSync(binary)) {
    return nothing(name, "behaviour", "not installed (for Linux on x64): npm ci --prefix test/runtimes")
  }
  const { stdout } = spawnSync(binary, [...evaluate, "console.log(JSON.stringify(process.versions))"], {
    encoding: "utf8"
  })
  const version = String(JSON.parse(stdout)[key])

  const directory = mkdtempSync(join(tmpdir(), "runtimes-"))
  try {
    const outputFile = join(directory, "report.json")
    const { status, stderr } = spawnSync(
      binary,
      [
        ...run,
        "node_modules/vitest/vitest.mjs",
        "run",
        "--config=test/runtimes/vitest.config.ts",
        "--reporter=json",
        `--outputFile=${outputFile}`
      ],
      {
        encoding: "utf8",
        maxBuffer: 256 * 1024 * 1024,
        timeout: 600_000,
        env: { ...process.env, RUNTIME: `${key} ${version}`, NO_COLOR: "1", DENO_DIR: join(directory, "deno") }
      }
    )
    if (!existsSync(outputFile)) return { ...nothing(name, "behaviour", `no report: ${stderr.slice(0, 300)}`), version }
    const report: VitestReport = JSON.parse(readFileSync(outputFile, "utf8"))
    const failures = failuresOf(report)
    // An error that belongs to no test fails the run alone.
    if (failures.length === 0 && (status !== 0 || !report.success || report.numPassedTests === 0)) {
      return { ...nothing(name, "behaviour", `the run failed: ${stderr.slice(-300)}`), version }
    }
    return {
      runtime: name,
      version,
      suite: "behaviour",
      passed: report.numPassedTests,
      failed: failures.length,
      skipped: report.numPendingTests,
      failures
    }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}
