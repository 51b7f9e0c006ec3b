/** Drives the sandbox's page in Chromium through the DevTools protocol; with `--screenshots` it renews docs/images. */
import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const directory = mkdtempSync(join(tmpdir(), "sandbox-page-"))
const sandbox = spawn(process.execPath, ["src/cli/main.ts", "sandbox", "--conversations", "12"])
const browser = spawn("/usr/bin/chromium", [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-dev-shm-usage",
  "--no-first-run",
  "--remote-debugging-port=0",
  "--window-size=1280,860",
  `--user-data-dir=${directory}`,
  "about:blank"
])
const printed = async (stream: NodeJS.ReadableStream, pattern: RegExp) => {
  let text = ""
  for await (const chunk of stream) {
    text += String(chunk)
    const [, found] = pattern.exec(text) ?? []
    if (found !== undefined) return found
  }
  throw new Error(`ended without ${pattern}: ${text}`)
}

const cli = async (url: string, ...args: ReadonlyArray<string>) => {
  const env = { ...process.env, HIGHLEVEL_BASE_URL: url, HIGHLEVEL_TOKEN: "sandbox-token" }
  const child = spawn(process.execPath, ["src/cli/main.ts", ...args], { env, stdio: ["ignore", "ignore", "pipe"] })
  let stderr = ""
  child.stderr.on("data", (chunk) => (stderr += String(chunk)))
  const [code] = await once(child, "close")
  return { code, stderr }
}

try {
  const [url, devtools] = await Promise.all([
    printed(sandbox.stdout, /listens on (http:\S+);/),
    printed(browser.stderr, /DevTools listening on (ws:\S+)/)
  ])
  const { host } = new URL(devtools)
  const target: unknown = await (await fetch(`http://${host}/json/new?${url}/`, { method: "PUT" })).json()
  const socket = new WebSocket(Object(target).webSocketDebuggerUrl)
  await once(socket, "open")
  let calls = 0
  const send = (method: string, params: object = {}) =>
    new Promise<Record<string, never>>((resolve) => {
      const id = ++calls
      const listen = ({ data }: MessageEvent) => {
        const message = JSON.parse(String(data))
        if (message.id !== id) return
        socket.removeEventListener("message", listen)
        resolve(message.result ?? message.error)
      }
      socket.addEventListener("message", listen)
      socket.send(JSON.stringify({ id, method, params }))
    })
  /** Waits in the page, for at most ten seconds, until the expression holds. */
  const until = async (expression: string) => {
    const wait = `new Promise((resolve, reject) => {
      const end = Date.now() + 10_000
      const look = () => { if (${expression}) resolve(true); else if (Date.now() > end) reject(document.body.innerText); else setTimeout(look, 20) }
      look()
    })`
    const seen = await send("Runtime.evaluate", { expression: wait, awaitPromise: true, returnByValue: true })
    assert.deepEqual(
      seen["result"],
      { type: "boolean", value: true },
      `${expression}: ${JSON.stringify(seen).slice(0, 600)}`
    )
  }
  const shoot = async (name: string) => {
    if (!process.argv.includes("--screenshots")) return
    mkdirSync("docs/images", { recursive: true })
    for (const value of ["light", "dark"]) {
      await send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value }] })
      await new Promise((resolve) => setTimeout(resolve, 2_600))
      const shot = await send("Page.captureScreenshot", { format: "png" })
      writeFileSync(`docs/images/${name}-${value}.png`, Buffer.from(String(shot["data"]), "base64"))
    }
  }

  const id = "tDtDnQdgm2LXpyiqYvZ6"
  const unread = `document.querySelector('[data-key="${id}"] .number')?.textContent`
  await until(`${unread} === "1"`)
  await send("Runtime.evaluate", { expression: "globalThis.isSamePage = true" })
  assert.equal((await cli(url, "mark-read", "--location-id", id, "--yes")).code, 0, "mark-read")
  await until(`${unread} === "0" && globalThis.isSamePage`)

  await send("Runtime.evaluate", { expression: `document.querySelector('[data-action="refuse"] button').click()` })
  await until(`document.getElementById("result").textContent.startsWith("Done: refuse")`)
  const refused = await cli(url, "update", id, "--location-id", id, "--starred")
  assert.notEqual(refused.code, 0)
  assert.match(refused.stderr, /422/)
  await until(`document.querySelector("#requests tr .s4")?.textContent === "422"`)
  await shoot("sandbox")

  await send("Page.navigate", { url: `${url}/docs` })
  await until(`document.body?.innerText.includes("Update Conversation")`)
  await shoot("sandbox-docs")
  console.log("The page updates without a reload, refuses requests, and serves the documentation")
  socket.close()
} finally {
  const ended = [sandbox, browser].map((child) => once(child, "close"))
  sandbox.kill("SIGINT")
  browser.kill()
  await Promise.all(ended)
  rmSync(directory, { recursive: true, force: true, maxRetries: 5 })
}
