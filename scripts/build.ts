/** dist: a module per source file with types and maps, and the command line in one file. */
import { build } from "esbuild"
import { execFileSync } from "node:child_process"
import { chmodSync, rmSync } from "node:fs"

rmSync("dist", { recursive: true, force: true })
execFileSync("tsc", ["-p", "tsconfig.build.json"], { stdio: "inherit" })

// Bundled, so that it starts fast and an operator needs nothing but Node.
await build({
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
