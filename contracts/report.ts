/** A Vitest reporter: which interactions were checked in this run, on which side. */
import type { Reporter, TestModule } from "vitest/node"

const sides = ["consumer", "provider", "stub"] as const

/** What a test checks of an interaction. */
export interface Checked {
  readonly operation: string
  readonly description: string
  readonly contract: string
  readonly side: (typeof sides)[number]
  /** Why the stub cannot serve the interaction, if it cannot. */
  readonly unserved?: string | undefined
}

declare module "vitest" {
  interface TaskMeta {
    checked?: Checked
  }
}

interface Row extends Checked {
  readonly marks: Map<string, string>
}

const columns = ["operation", "interaction", "contract", ...sides]

export default class Report implements Reporter {
  onTestRunEnd(modules: ReadonlyArray<TestModule>) {
    const rows = new Map<string, Row>()
    const reasons = new Map<string, Array<string>>()
    for (const test of modules.flatMap(({ children }) => [...children.allTests()])) {
      const { checked } = test.meta()
      const { state } = test.result()
      if (checked === undefined || state === "skipped" || state === "pending") continue
      const key = JSON.stringify([checked.contract, checked.operation, checked.description])
      const row = rows.get(key) ?? { ...checked, marks: new Map() }
      rows.set(key, row)
      const { unserved } = checked
      row.marks.set(checked.side, state === "failed" ? "✗" : unserved === undefined ? "✓" : "–")
      if (unserved !== undefined) reasons.set(unserved, (reasons.get(unserved) ?? []).concat(checked.description))
    }
    const cells = [...rows.values()]
      .map(({ contract, description, marks, operation }) =>
        [operation, description, contract].concat(sides.map((side) => marks.get(side) ?? "–"))
      )
      .toSorted((one, other) => one.join().localeCompare(other.join()))
    if (cells.length === 0) return
    const widths = columns.map((name, column) => Math.max(name.length, ...cells.map((row) => row[column]?.length ?? 0)))
    const line = (row: ReadonlyArray<string>) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd()
    console.log(["", line(columns), line(widths.map((width) => "-".repeat(width))), ...cells.map(line)].join("\n"))
    for (const [reason, descriptions] of reasons)
      console.log(
        `\nNot served by the stub: ${reason}.\n${descriptions.map((description) => `  ${description}`).join("\n")}`
      )
  }
}
