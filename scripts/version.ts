/** After `changeset version`: the version that package.json now has, wherever it is repeated. */
import { readFileSync, writeFileSync } from "node:fs"

const { version } = JSON.parse(readFileSync("package.json", "utf8"))

const source = "src/client/version.ts"
writeFileSync(source, readFileSync(source, "utf8").replace(/(?<=version = ").*(?=")/, version))

const lock = JSON.parse(readFileSync("package-lock.json", "utf8"))
lock.version = version
lock.packages[""].version = version
writeFileSync("package-lock.json", `${JSON.stringify(lock, undefined, 2)}\n`)

for (const file of ["examples/contracts/package.json", "contracts/README.md"]) {
  writeFileSync(file, readFileSync(file, "utf8").replace(/(?<="effect-highlevel": ")[\d.]+(?=")/, version))
}
