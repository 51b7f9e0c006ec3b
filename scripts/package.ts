/**
 * What is published works: the right files, types that resolve, and a project
 * that installs the tarball, imports every entry and runs the command.
 */
import { execFileSync } from "node:child_process"
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const run = (command: string, args: ReadonlyArray<string>, cwd = ".") =>
  execFileSync(command, [...args], { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] })

const { devDependencies, version } = JSON.parse(readFileSync("package.json", "utf8"))
const peer = devDependencies["@effect/platform-node"]
const directory = mkdtempSync(join(tmpdir(), "effect-highlevel-"))
try {
  const [packed] = JSON.parse(run("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", directory]))
  const files: ReadonlyArray<string> = packed.files.map((file: { readonly path: string }) => file.path)
  const unexpected = files.filter(
    (file) =>
      !/^(src|dist|examples|contracts\/pacts)\/|^contracts\/README\.md$|^docs\/[a-z-]+\.md$|^docs\/README\.md$|^(README|AGENTS|CHANGELOG|LICENSE|package)(\.md|\.json)?$/.test(
        file
      )
  )
  const missing = [
    "dist/index.js",
    "dist/index.d.ts",
    "dist/testing/index.js",
    "contracts/pacts/effect-highlevel-highlevel-api.json",
    "dist/cli/main.js",
    "dist/cli/THIRD-PARTY-LICENSES.txt",
    "examples/quickstart.ts",
    "CHANGELOG.md",
    "README.md",
    "docs/README.md",
    "LICENSE"
  ].filter((file) => !files.includes(file))
  if (unexpected.length + missing.length > 0) {
    throw new Error(`In the package, unexpected: ${unexpected.join(", ")}; missing: ${missing.join(", ")}`)
  }
  console.log(`package: ${files.length} files, ${packed.size} bytes packed`)

  const tarball = join(directory, packed.filename)
  run("publint", ["run", tarball, "--strict"])
  run("attw", [tarball, "--profile", "esm-only", "--quiet"])
  console.log("publint and arethetypeswrong: clean")

  const consumer = join(directory, "consumer")
  cpSync("test/consumer", consumer, {
    recursive: true,
    filter: (path) => !path.includes("node_modules")
  })
  const quiet = ["--no-audit", "--no-fund", "--loglevel=error"]
  run("npm", ["ci", ...quiet], consumer)
  run("npm", ["install", "--no-save", ...quiet, tarball], consumer)
  for (const typescript of ["typescript-5.9", "typescript-6", "typescript-7"]) {
    const { version } = JSON.parse(readFileSync(join(consumer, "node_modules", typescript, "package.json"), "utf8"))
    for (const [module, moduleResolution] of [
      ["NodeNext", "NodeNext"],
      ["ESNext", "Bundler"]
    ] as const) {
      const options = ["-p", ".", "--module", module, "--moduleResolution", moduleResolution]
      run(process.execPath, [join("node_modules", typescript, "bin/tsc"), ...options], consumer)
    }
    console.log(`a consumer type-checks with TypeScript ${version} (nodenext, bundler)`)
  }
  const updated = run(process.execPath, ["main.ts"], consumer).trim()
  const command = run("npx", ["--no-install", "effect-highlevel", "--version"], consumer).trim()
  console.log(`a consumer runs: ${updated}; ${command}`)

  const installed = join(consumer, "node_modules/effect-highlevel")
  // Node runs no TypeScript below node_modules: an example is copied, as a reader does.
  run("npm", ["install", "--no-save", ...quiet, tarball, `@effect/platform-node@${peer}`], consumer)
  cpSync(join(installed, "examples/quickstart.ts"), join(consumer, "quickstart.ts"))
  run(process.execPath, ["quickstart.ts"], consumer)
  console.log("a consumer runs: examples/quickstart.ts")

  const licences = readFileSync(join(installed, "dist/cli/THIRD-PARTY-LICENSES.txt"), "utf8")
  const bundled: ReadonlyArray<string> = JSON.parse(readFileSync("build/bundled.json", "utf8"))
  if (bundled.length === 0) throw new Error("The command is said to contain no package")
  for (const folder of bundled) {
    const { name, version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"))
    const [, text = ""] = licences.split(`\n${name} ${version} (`)
    if (!/copyright/i.test(text.slice(0, 500))) throw new Error(`The command contains ${name}, not its licence`)
  }
  console.log(`the command ships the licences of ${bundled.length} packages`)

  if (packed.version !== version) throw new Error("The tarball is of another version")
} finally {
  rmSync(directory, { recursive: true, force: true })
}
