/** Bundles the programs that tests start as processes, as the published command is: they start in a third of the time. */
import { build } from "esbuild"
import { join } from "node:path"

const outdir = "build/programs"

/** Where the bundle of a program is. */
export const bundleOf = (program: string) => join(outdir, program.replace(/\.ts$/, ".js"))

export const setup = async () => {
  await build({
    entryPoints: [
      "src/cli/main.ts",
      "test/fixtures/*.ts",
      "contracts/live.ts",
      ...["contacts", "locations", "oauth", "quickstart", "server", "telemetry", "webhooks"].map(
        (name) => `examples/${name}.ts`
      )
    ],
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
    }
  })
}
