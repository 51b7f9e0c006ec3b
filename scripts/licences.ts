/** The licences of the npm packages in a bundle, as one text to ship with it. */
import type { Metafile } from "esbuild"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"

// Packages published without their licence: the text in their repository.
const repositories: Readonly<Record<string, string>> = {
  "git://github.com/redis/node-redis.git": "scripts/licences/node-redis.txt"
}

/** The folders of the packages that a bundle contains something of, in order. */
export const bundledPackages = (metafile: Metafile): ReadonlyArray<string> => {
  const inputs = Object.values(metafile.outputs).flatMap((output) =>
    Object.entries(output.inputs).flatMap(([path, { bytesInOutput }]) => (bytesInOutput > 0 ? [path] : []))
  )
  const folders = inputs.flatMap((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? [])
  return [...new Set(folders)].toSorted()
}

/** Fails if a package has no licence text. */
export const licences = (packages: ReadonlyArray<string>) =>
  packages
    .map((folder) => {
      const { license, name, repository, version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"))
      const file = readdirSync(folder).find((entry) => /^(licen[cs]e|copying)(\.\w+)?$/i.test(entry))
      const path = file === undefined ? repositories[repository?.url] : join(folder, file)
      if (path === undefined) throw new Error(`${name} ${version} is bundled and has no licence text: ${folder}`)
      return `${name} ${version} (${license})\n\n${readFileSync(path, "utf8").trim()}\n`
    })
    .join(`\n${"-".repeat(80)}\n\n`)
