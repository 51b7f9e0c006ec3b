/** A real Redis of the test's own, that can be stopped and started, and forgets unless it is told not to. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** In CI a missing Redis is a failure; elsewhere its tests are skipped, with a notice. */
export const isMissing = spawnSync("redis-server", ["--version"]).status !== 0 && process.env["CI"] === undefined

if (isMissing) console.warn("redis-server is not installed: the tests of the shared quota are SKIPPED")

export const freePort = async () => {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  server.close()
  await once(server, "close")
  return typeof address === "object" && address !== null ? address.port : 0
}

export const startRedis = async (options?: { readonly isDurable: boolean }) => {
  const port = await freePort()
  const directory = mkdtempSync(join(tmpdir(), "redis-"))
  let child: ChildProcess | undefined
  const start = async () => {
    const started = spawn(
      "redis-server",
      ["--port", String(port), "--save", "", "--dir", directory, "--bind", "127.0.0.1"].concat(
        options?.isDurable === true ? ["--appendonly", "yes", "--appendfsync", "always"] : []
      ),
      {
        stdio: ["ignore", "pipe", "inherit"]
      }
    )
    child = started
    let output = ""
    while (!output.includes("Ready to accept connections")) output += String((await once(started.stdout, "data"))[0])
    started.stdout.resume()
  }
  const stop = async () => {
    child?.kill("SIGKILL")
    if (child !== undefined) await once(child, "exit")
  }
  await start()
  return {
    port,
    start,
    stop,
    end: async () => {
      await stop()
      rmSync(directory, { recursive: true })
    }
  }
}
