/** What is known of one runtime when it is done. */
export interface Report {
  readonly runtime: string
  /** As the runtime itself tells it. */
  readonly version: string
  readonly suite: "behaviour" | "smoke"
  readonly passed: number
  readonly failed: number
  readonly skipped: number
  readonly failures: ReadonlyArray<{ readonly test: string; readonly message: string }>
}

/** A runtime that should be there and is not, or of which nothing came, has failed. */
export const nothing = (runtime: string, suite: Report["suite"], message: string): Report => ({
  runtime,
  version: "",
  suite,
  passed: 0,
  failed: 1,
  skipped: 0,
  failures: [{ test: runtime, message }]
})
