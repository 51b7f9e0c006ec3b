/**
 * Whether this package works with the next minor of Effect: types and tests, in a
 * copy of the working tree. `node scripts/next-minor.ts 4.0.6` tries that version.
 */
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as SemVer from "effect/SemVer"
import * as SemVerRange from "effect/SemVerRange"
import { execFileSync, spawnSync } from "node:child_process"
import { cpSync, existsSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import packageJson from "../package.json" with { type: "json" }

const pinned = packageJson.devDependencies.effect

/** The newest published version within a range, prereleases aside. */
const newest = (name: string, range: string) => {
  const published: ReadonlyArray<string> = JSON.parse(
    execFileSync("npm", ["view", name, "versions", "--json"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] })
  )
  const versions = published.map(SemVer.parse).filter(Result.isSuccess).map(Result.getOrThrow)
  return Option.map(SemVerRange.maxSatisfying(SemVerRange.parseUnsafe(range), versions), SemVer.format)
}

const { major, minor } = SemVer.parseUnsafe(pinned)
const found = Option.orElse(Option.fromNullishOr(process.argv[2]), () =>
  newest("effect", `>=${major}.${minor + 1}.0 <${major + 1}.0.0`)
)
if (Option.isNone(found)) {
  console.log(`no newer minor than ${pinned} is published`)
  process.exit()
}
const effect = found.value

// These are not released with every version of effect.
const packages = ["@effect/platform-node", "@effect/vitest"].map((name) => {
  const version = Option.getOrThrow(newest(name, `>=${major}.0.0 <=${effect}`))
  return `${name}@${version}`
})

const directory = mkdtempSync(join(tmpdir(), "effect-highlevel-next-"))
const failed: Array<string> = []
const step = (title: string, ...[command = "", ...args]: ReadonlyArray<string>) => {
  console.log(`── ${title}: ${[command, ...args].join(" ")}`)
  const { status } = spawnSync(command, args, { cwd: directory, stdio: "inherit" })
  if (status !== 0) failed.push(title)
  return status === 0
}
try {
  const files = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
    encoding: "utf8"
  })
  for (const file of files.split("\0").filter((file) => file !== "" && existsSync(file))) {
    cpSync(file, join(directory, file))
  }
  const quiet = ["--no-audit", "--no-fund", "--loglevel=error"]
  if (step("install", "npm", "install", "--save-dev", "--save-exact", ...quiet, `effect@${effect}`, ...packages)) {
    step("documentation", "npm", "run", "-s", "documentation")
    step("types", "npm", "run", "-s", "check:types")
    step("tests", "npx", "--no-install", "vitest", "run")
  }
} finally {
  rmSync(directory, { recursive: true, force: true })
}
const said = failed.length === 0 ? "types and tests pass" : `${failed.join(" and ")} failed`
console.log(`effect ${effect} (${packages.join(", ")}): ${said}`)
process.exitCode = failed.length === 0 ? 0 : 1
