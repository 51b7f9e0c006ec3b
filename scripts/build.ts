/** dist: a module per source file with types and maps, and the command line in one file. */
import { build } from "esbuild"
import { execFileSync } from "node:child_process"
import { chmodSync, mkdirSync, rmSync, writeFileSync } from "node:fs"
import { bundledPackages, licences } from "./licences.ts"

rmSync("dist", { recursive: true, force: true })
execFileSync("tsc", ["-p", "tsconfig.build.json"], { stdio: "inherit" })

// Bundled, so that it starts fast and an operator needs nothing but Node.
const { metafile } = await build({
  metafile: true,
  entryPoints: ["src/cli/main.ts"],
  outdir: "dist/cli",
  bundle: true,
  // What a command alone needs is loaded by it alone.
  splitting: true,
  platform: "node",
  format: "esm",
  target: "node22",
  minify: true,
  legalComments: "none",
  // Dependencies in CommonJS call require.
  banner: {
    js: `import { createRequire as createRequire_ } from "node:module"; const require = createRequire_(import.meta.url);`
  }
})
chmodSync("dist/cli/main.js", 0o755)
const packages = bundledPackages(metafile)
writeFileSync(
  "dist/cli/THIRD-PARTY-LICENSES.txt",
  `The command of effect-highlevel contains code of these packages.\n\n${licences(packages)}`
)
// For check:package, which looks whether each of them is named in the tarball.
mkdirSync("build", { recursive: true })
writeFileSync("build/bundled.json", JSON.stringify(packages))
