/** `npm run check`: the scripts `check:…` that need no build, side by side; fails if one of them fails. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { readFileSync } from "node:fs"

const { scripts } = JSON.parse(readFileSync("package.json", "utf8"))

const run = async (name: string) => {
  const start = performance.now()
  let output = ""
  const child = spawn(scripts[name], { shell: true, stdio: ["ignore", "pipe", "pipe"] })
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (output += text))
  const [code] = await once(child, "close")
  console.log(`── ${name}: ${((performance.now() - start) / 1000).toFixed(1)} s\n${output.trimEnd()}`)
  if (code !== 0) console.error(`── ${name} failed`)
  return code === 0
}

const names = ["check:types", "check:format", "check:lint", "check:architecture", "check:errors"]
const passed = await Promise.all(names.map(run))
process.exitCode = passed.every(Boolean) ? 0 : 1
