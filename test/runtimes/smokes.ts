/**
 * The smoke program where no test runner is: bundled from the package as it is
 * published, run in workerd and in Chromium, over real HTTP against the sandbox.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { build, type Plugin } from "esbuild"
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer, request as send, type Server } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { json, text } from "node:stream/consumers"
import * as Sandbox from "../../src/testing/Sandbox.ts"
import { nothing, type Report } from "./report.ts"
import { expected, refusals } from "./smoke.ts"

interface Runtime {
  readonly name: string
  readonly program: string
  /** What to do about a missing one. */
  readonly install: string
  /** What the program saw of the sandbox. */
  readonly run: (program: string, baseUrl: string, directory: string) => Promise<unknown>
}

const maxWait = 60_000

// The program imports the sources, for their types. What runs is what an application gets by the package's name.
const published: Plugin = {
  name: "published",
  setup: ({ onResolve, resolve }) =>
    onResolve({ filter: /^\.\.\/\.\.\/src\/(client|webhooks)\/\w+\.ts$/ }, ({ kind, path }) =>
      resolve(path.replace(/^\.\.\/\.\.\/src\/\w+/, "effect-highlevel").replace(".ts", ""), { kind, resolveDir: "." })
    )
}

const bundle = async (entry: string) => {
  const { metafile, outputFiles } = await build({
    entryPoints: [join(import.meta.dirname, entry)],
    bundle: true,
    write: false,
    metafile: true,
    // Nothing of Node: an import of it would not resolve.
    platform: "browser",
    format: "esm",
    target: "es2022",
    plugins: [published],
    // The conditions of the repository's own would lead back to the sources.
    tsconfigRaw: {}
  })
  const inputs = Object.keys(metafile.inputs)
  if (!inputs.includes("dist/client/Conversations.js"))
    throw new Error(`Not of what is published: ${inputs.join(", ")}`)
  return outputFiles[0]?.text ?? ""
}

const end = async (child: ChildProcess) => {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, "exit")
  // With its children: a browser is many processes.
  process.kill(-child.pid, "SIGKILL")
  await ended
}

const listen = async (server: Server) => {
  await once(server.listen(0, "127.0.0.1"), "listening")
  const address = server.address()
  return `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`
}

const inWorkerd = async (program: string, baseUrl: string, directory: string) => {
  writeFileSync(join(directory, "worker.js"), await bundle("worker.ts"))
  writeFileSync(
    join(directory, "config.capnp"),
    `using Workerd = import "/workerd/workerd.capnp";
    const config :Workerd.Config = (
      services = [(name = "main", worker = .worker), (name = "internet", network = (allow = ["private"]))],
      sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")]
    );
    const worker :Workerd.Worker = (
      modules = [(name = "worker.js", esModule = embed "worker.js")],
      compatibilityDate = "2026-11-01"
    );`
  )
  // It tells the port on the third descriptor.
  const child = spawn(program, ["serve", "--control-fd=3", join(directory, "config.capnp")], {
    stdio: ["ignore", "ignore", "inherit", "pipe"],
    detached: true
  })
  try {
    const control = child.stdio[3]
    if (control === null || control === undefined) throw new Error("workerd was not started")
    child.once("exit", (code) => control.destroy(new Error(`workerd ended with ${code}`)))
    const [line] = await once(control, "data", { signal: AbortSignal.timeout(maxWait) })
    const { port } = JSON.parse(String(line))
    const response = await fetch(`http://127.0.0.1:${port}/?sandbox=${encodeURIComponent(baseUrl)}`, {
      signal: AbortSignal.timeout(maxWait)
    })
    const body = await response.text()
    return response.ok ? JSON.parse(body) : body
  } finally {
    await end(child)
  }
}

const inChromium = async (program: string, baseUrl: string, directory: string) => {
  const script = await bundle("page.ts")
  let tell: (seen: unknown) => void = () => undefined
  const seen = new Promise<unknown>((resolve) => (tell = resolve))
  // A page may only call where it came from, so that everything else goes on to the sandbox.
  const server = createServer((request, response) => {
    if (request.url === "/") {
      response.writeHead(200, { "content-type": "text/html" }).end(`<script type="module" src="page.js"></script>`)
    } else if (request.url === "/page.js") {
      response.writeHead(200, { "content-type": "text/javascript" }).end(script)
    } else if (request.url === "/seen") {
      tell(json(request))
      response.writeHead(204).end()
    } else {
      const onward = send(
        `${baseUrl}${request.url}`,
        { method: request.method, headers: request.headers },
        (answer) => {
          response.writeHead(answer.statusCode ?? 502, answer.headers)
          answer.pipe(response)
        }
      )
      onward.on("error", () => response.destroy())
      request.pipe(onward)
    }
  })
  const url = await listen(server)
  const child = spawn(
    program,
    [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      `--user-data-dir=${join(directory, "profile")}`,
      // Without it, it ends when the page has loaded.
      "--remote-debugging-port=0",
      url
    ],
    { stdio: ["ignore", "ignore", "pipe"], detached: true }
  )
  const said = text(child.stderr)
  const timeout = setTimeout(() => tell("nothing in a minute"), maxWait)
  child.once("exit", () => tell(said))
  try {
    return await seen
  } finally {
    clearTimeout(timeout)
    await end(child)
    server.closeAllConnections()
    server.close()
  }
}

const compare = (seen: unknown): Report["failures"] => {
  const lines: ReadonlyArray<unknown> = Array.isArray(seen) ? seen : [seen]
  return expected.flatMap((line, index) =>
    lines[index] === line ? [] : [{ test: line, message: `saw ${JSON.stringify(lines[index])}` }]
  )
}

export const runtimes: ReadonlyArray<Runtime> = [
  {
    name: "workerd",
    program: join(import.meta.dirname, "node_modules/@cloudflare/workerd-linux-64/bin/workerd"),
    install: "npm ci --prefix test/runtimes (for Linux on x64)",
    run: inWorkerd
  },
  { name: "Chromium", program: "/usr/bin/chromium", install: "apt-get install chromium", run: inChromium }
]

export const smoke = ({ install, name, program, run }: Runtime): Promise<Report> =>
  Effect.gen(function* () {
    if (!existsSync(program)) return nothing(name, "smoke", `not installed: ${install}`)
    const { stdout } = spawnSync(program, ["--version"], { encoding: "utf8" })
    const version = /\d[\d.-]+/.exec(stdout)?.[0] ?? stdout

    const sandbox = yield* Sandbox.Sandbox
    const baseUrl = yield* Sandbox.url
    for (const status of refusals) yield* sandbox.refuse({ status, conversationId: `refused-${status}` })
    const directory = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "runtimes-"))),
      (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true, maxRetries: 5 }))
    )
    const seen = yield* Effect.promise(() => run(program, baseUrl, directory).catch(String))
    const applied = (yield* sandbox.applied).length
    const failures = [
      ...compare(seen),
      ...(applied === 1 ? [] : [{ test: "the sandbox", message: `applied ${applied} updates instead of one` }])
    ]
    return {
      runtime: name,
      version,
      suite: "smoke" as const,
      passed: expected.length + 1 - failures.length,
      failed: failures.length,
      skipped: 0,
      failures
    }
  }).pipe(
    Effect.scoped,
    Effect.provide(
      Sandbox.layerServer().pipe(
        Layer.provideMerge(NodeHttpServer.layer(() => createServer(), { port: 0, host: "127.0.0.1" }))
      )
    ),
    Effect.runPromise
  )
