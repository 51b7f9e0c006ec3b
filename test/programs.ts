/** Bundles the programs that tests start as processes, as the published command is: they start in a third of the time. */
import { build } from "esbuild"
import { join } from "node:path"
import { bundled } from "../contracts/gate/recording.ts"

const outdir = "build/programs"

/** Where the bundle of a program is. */
export const bundleOf = (program: string) => join(outdir, program.replace(/\.ts$/, ".js"))

const bundle = (programs: Array<string>, options = {}) =>
  build({
    entryPoints: programs,
    outdir,
    outbase: ".",
    conditions: ["effect-highlevel-source"],
    bundle: true,
    splitting: true,
    platform: "node",
    format: "esm",
    logLevel: "error",
    banner: {
      js: `import { createRequire as createRequire_ } from "node:module"; const require = createRequire_(import.meta.url);`
    },
    ...options
  })

const examples = ["contacts", "locations", "oauth", "quickstart", "server", "telemetry", "webhooks"]

export const setup = async () => {
  await bundle(["src/cli/main.ts", "test/fixtures/*.ts", ...examples.map((name) => `examples/${name}.ts`)], bundled)
  // Part of the contracts: what it sends is not recorded.
  await bundle(["contracts/live.ts"])
}
