/** Pact's stub server, as a process. */
import { spawn } from "node:child_process"
import { freePort } from "../test/redis.ts"

const responding = async (url: string): Promise<void> => {
  try {
    await fetch(url)
  } catch {
    await new Promise((resume) => setTimeout(resume, 20))
    return responding(url)
  }
}

/** A process and its children: what npm starts does not end with npm. */
export const kill = (pid: number | undefined) => {
  try {
    if (pid !== undefined) process.kill(-pid)
  } catch {
    // It has ended by itself.
  }
}

/** Serves a pact file until it is ended. */
export const start = async (file: string) => {
  const port = await freePort()
  const { pid } = spawn("node_modules/.bin/pact-stub-server", ["-p", String(port), "-f", file, "-l", "error"], {
    env: { ...process.env, PACT_DO_NOT_TRACK: "true" },
    detached: true,
    stdio: "ignore"
  })
  const url = `http://127.0.0.1:${port}`
  await responding(url)
  return { url, end: () => kill(pid) }
}
