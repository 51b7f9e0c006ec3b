/** In each worker of a run: switches the mutant on, or notes which mutants each test reaches. */
import { mkdirSync, writeFileSync } from "node:fs"
import { basename } from "node:path"
import { afterAll, afterEach, beforeEach, inject } from "vitest"

interface Switch {
  activeMutant?: string
  /** Mutants in a loop without an end throw after this many hits. */
  hitCount?: number
  hitLimit?: number
  currentTestId?: string
  mutantCoverage?: { static: Record<string, number>; perTest: Record<string, Record<string, number>> }
}

declare module "vitest" {
  interface ProvidedContext {
    mutant: string
    coverage: string
  }
}

declare global {
  var __stryker__: Switch | undefined
}

const state: Switch = (globalThis.__stryker__ ??= {})
const mutant = inject("mutant")
if (mutant !== "") {
  state.activeMutant = mutant
  state.hitCount ??= 0
  state.hitLimit = 1_000_000
} else {
  const directory = inject("coverage")
  let file = ""
  beforeEach(({ task }) => {
    file = basename(task.file.filepath)
    state.currentTestId = task.id
  })
  afterEach(() => {
    state.currentTestId = ""
  })
  afterAll(() => {
    if (file === "") return
    mkdirSync(directory, { recursive: true })
    const { static: loaded, perTest } = state.mutantCoverage ?? { static: {}, perTest: {} }
    const tests = Object.entries(perTest).map(([id, hits]) => [id, Object.keys(hits)])
    writeFileSync(`${directory}/${file}.json`, JSON.stringify({ loaded: Object.keys(loaded), tests }))
  })
}
