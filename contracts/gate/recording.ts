/** Puts `exchange.ts`, beside this file, where the client is run by Vitest, by a bundle or by Node itself. */
import type { Plugin as EsbuildPlugin } from "esbuild"
import { rmSync } from "node:fs"
import { join, resolve } from "node:path"
import type { Plugin } from "vitest/config"

const directory = resolve("build/requests")

export const env = { RECORDED_REQUESTS: directory }

const real = join(import.meta.dirname, "../../src/client/exchange.ts")
export const recording = join(import.meta.dirname, "exchange.ts")

export const isExchange = (specifier: string, importer: string | undefined) =>
  importer !== undefined && importer !== recording && resolve(importer, "..", specifier) === real

/** Of Vitest's projects whose requests are recorded. */
export const plugin: Plugin = {
  name: "recorded-requests",
  enforce: "pre",
  resolveId: (specifier, importer) => (isExchange(specifier, importer) ? recording : undefined)
}

/** Of the programs that tests start. */
export const bundled = {
  plugins: [
    {
      name: "recorded-requests",
      setup: ({ onResolve }) => {
        onResolve({ filter: /exchange\.ts$/ }, ({ importer, path }) =>
          isExchange(path, importer) ? { path: recording } : undefined
        )
      }
    } satisfies EsbuildPlugin
  ],
  define: { 'process.env["RECORDED_REQUESTS"]': JSON.stringify(directory) }
}

/** Before the tests. */
export const setup = () => rmSync(directory, { recursive: true, force: true })
