/** Whether the type check finds a mutant. */
import { execFile } from "node:child_process"
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import type { Mutant } from "./mutants.ts"

const directory = "build/mutation/types"

/** A copy of src with the rules of the repository; unused names aside: an emptied block would always leave some. */
export const prepare = () => {
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory, { recursive: true })
  cpSync("src", join(directory, "src"), { recursive: true })
  cpSync("package.json", join(directory, "package.json"))
  const options = { noUnusedLocals: false, noUnusedParameters: false, allowUnreachableCode: true }
  writeFileSync(
    join(directory, "tsconfig.json"),
    JSON.stringify({ extends: "../../../tsconfig.json", compilerOptions: options, include: ["src"], exclude: [] })
  )
}

export const finds = async (mutant: Mutant) => {
  const path = join(directory, mutant.file)
  const original = readFileSync(path, "utf8")
  writeFileSync(path, mutant.changed())
  try {
    await promisify(execFile)("tsc", ["--noEmit", "-p", directory])
    return false
  } catch {
    return true
  } finally {
    writeFileSync(path, original)
  }
}
