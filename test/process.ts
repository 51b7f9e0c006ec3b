/** A program of this repository as a process of its own, and what it printed. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { bundleOf } from "./programs.ts"

export const start = (script: string, args: ReadonlyArray<string> = [], env: Record<string, string> = {}) =>
  spawn(process.execPath, [bundleOf(script), ...args], {
    // Nothing of the caller's environment but the path: a token of the developer's stays out.
    env: { PATH: process.env["PATH"] ?? "", NO_COLOR: "1", NODE_COMPILE_CACHE: "build/compile-cache", ...env },
    stdio: ["ignore", "pipe", "pipe"]
  })

export const run = async (script: string, args?: ReadonlyArray<string>, env?: Record<string, string>) => {
  const child = start(script, args, env)
  let stdout = ""
  let stderr = ""
  child.stdout.setEncoding("utf8").on("data", (text) => (stdout += text))
  child.stderr.setEncoding("utf8").on("data", (text) => (stderr += text))
  const [code] = await once(child, "close")
  return { code, stdout, stderr }
}
