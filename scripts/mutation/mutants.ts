/** The mutants of src: which there are, what each changes, and which of them a run tries. */
import { globSync, readFileSync } from "node:fs"
import { instrument, type Mutant as Instrumented } from "./instrument.js"

export interface Mutant {
  readonly id: string
  readonly file: string
  readonly folder: string
  /** From one. */
  readonly line: number
  readonly column: number
  /** The line of code that the change starts in. */
  readonly code: string
  readonly mutator: string
  readonly original: string
  readonly replacement: string
  /** The file with the change. */
  readonly changed: () => string
}

const offsetOf = (text: string, at: { readonly line: number; readonly column: number }) => {
  let start = 0
  for (let line = 0; line < at.line; line++) start = text.indexOf("\n", start) + 1
  return start + at.column
}

const describe = (text: string, mutant: Instrumented): Mutant => {
  const { start, end } = mutant.location
  const [from, to] = [offsetOf(text, start), offsetOf(text, end)]
  const [, folder = "", rest] = mutant.fileName.split("/")
  return {
    id: mutant.id,
    file: mutant.fileName,
    folder: rest === undefined ? "index" : folder,
    line: start.line + 1,
    column: start.column + 1,
    code: (text.split("\n")[start.line] ?? "").trim(),
    mutator: mutant.mutatorName,
    original: text.slice(from, to),
    replacement: mutant.replacement,
    changed: () => text.slice(0, from) + mutant.replacement + text.slice(to)
  }
}

/** Names a mutant the same in every run while its file does not change. */
export const keyOf = ({ file, line, column, mutator, original, replacement }: Mutant) =>
  `${file}:${line}:${column} +${original.length} ${mutator} ${replacement}`

export const load = async () => {
  const files = globSync("src/**/*.ts")
    .sort()
    .map((name) => ({ name, content: readFileSync(name, "utf8") }))
  const texts = new Map(files.map(({ name, content }) => [name, content]))
  const instrumented = await instrument(files)
  return {
    files: instrumented.files,
    mutants: instrumented.mutants
      .filter(({ status }) => status !== "Ignored")
      .map((mutant) => describe(texts.get(mutant.fileName) ?? "", mutant))
  }
}

/** Every k-th mutant in the order of the source, beginning with the `seed`-th. */
export const sample = (mutants: ReadonlyArray<Mutant>, every: number, seed: number) =>
  mutants.filter((_, index) => index % every === seed % every)
