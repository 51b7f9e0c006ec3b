import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Sandbox } from "effect-highlevel/testing"
import { execFile } from "node:child_process"
import { once } from "node:events"
import { readFileSync } from "node:fs"
import { inputOf, outcomeLines, sandboxWith, temporaryFiles, token } from "./bulk.ts"
import * as Process from "./process.ts"
import { serving } from "./undici.ts"

const { file, newPath } = temporaryFiles()

const run = Effect.fnUntraced(function* (args: ReadonlyArray<string>) {
  const HIGHLEVEL_BASE_URL = yield* Sandbox.url
  return yield* Effect.promise(() =>
    Process.run("src/cli/main.ts", ["update-all", ...args], { HIGHLEVEL_TOKEN: token, HIGHLEVEL_BASE_URL })
  )
})

describe("effect-highlevel update-all, as a process,", () => {
  it.live(
    "goes on where it was stopped: Ctrl-C ends what was sent, and the journal has it",
    () =>
      Effect.gen(function* () {
        const sandbox = yield* Sandbox.Sandbox
        const count = 30
        const input = file(Array.from({ length: count }, (_, index) => inputOf(index, 0)).join("\n"))
        const journal = newPath()
        yield* sandbox.fault({ kind: "slow-headers", delay: "100 millis", times: Infinity })
        const url = yield* Sandbox.url
        const args = ["--input", input, "--journal", journal, "--concurrency", "3"]
        const child = Process.start("src/cli/main.ts", ["update-all", ...args], {
          HIGHLEVEL_TOKEN: token,
          HIGHLEVEL_BASE_URL: url
        })
        let [stdout, stderr] = ["", ""]
        child.stdout.setEncoding("utf8").on("data", (text) => (stdout += text))
        child.stderr.setEncoding("utf8").on("data", (text) => (stderr += text))
        while ((yield* sandbox.applied).length < 10) yield* Effect.sleep("5 millis")
        child.kill("SIGINT")
        const [code] = yield* Effect.promise(() => once(child, "close"))
        assert.strictEqual(code, 130)
        const applied = (yield* sandbox.applied).length
        assert.isBelow(applied, count)
        assert.strictEqual(outcomeLines(stdout).length, applied)
        assert.strictEqual(readFileSync(journal, "utf8").trim().split("\n").length - 1, applied)
        assert.match(stderr, new RegExp(`^${applied} lines: ${applied} applied in`, "m"))

        const again = yield* run(args)
        assert.strictEqual(again.code, 0)
        assert.strictEqual(outcomeLines(again.stdout).filter(({ outcome }) => outcome === "Skipped").length, applied)
        assert.strictEqual((yield* sandbox.applied).length, count)
      }).pipe(Effect.provide(sandboxWith(30))),
    30_000
  )

  it.live(
    "stops when nobody reads its outcomes any more, and the journal has what was done",
    () =>
      Effect.gen(function* () {
        const sandbox = yield* Sandbox.Sandbox
        const input = file(Array.from({ length: 5000 }, (_, index) => inputOf(index % 50, 0)).join("\n"))
        const journal = newPath()
        const child = Process.start("src/cli/main.ts", ["update-all", "--input", input, "--journal", journal], {
          HIGHLEVEL_TOKEN: token,
          HIGHLEVEL_BASE_URL: yield* Sandbox.url
        })
        let stderr = ""
        child.stderr.setEncoding("utf8").on("data", (text) => (stderr += text))
        child.stdout.once("data", () => child.stdout.destroy())
        const [code] = yield* Effect.promise(() => once(child, "close"))
        assert.strictEqual(code, 70)
        assert.include(stderr, "Cannot write outcomes")
        const applied = (yield* sandbox.applied).length
        assert.isBelow(applied, 5000)
        assert.strictEqual(readFileSync(journal, "utf8").trim().split("\n").length - 1, applied)
      }).pipe(Effect.provide(sandboxWith(50))),
    30_000
  )

  it.live(
    "goes on when nobody reads its progress any more",
    () =>
      Effect.gen(function* () {
        const sandbox = yield* Sandbox.Sandbox
        const input = file(Array.from({ length: 30 }, (_, index) => inputOf(index, 0)).join("\n"))
        const child = Process.start("src/cli/main.ts", ["update-all", "--input", input], {
          HIGHLEVEL_TOKEN: token,
          HIGHLEVEL_BASE_URL: yield* Sandbox.url
        })
        child.stderr.destroy()
        let stdout = ""
        child.stdout.setEncoding("utf8").on("data", (text) => (stdout += text))
        const [code] = yield* Effect.promise(() => once(child, "close"))
        assert.strictEqual(code, 0)
        assert.strictEqual(outcomeLines(stdout).length, 30)
        assert.strictEqual((yield* sandbox.applied).length, 30)
      }).pipe(Effect.provide(sandboxWith(30))),
    20_000
  )

  it.live(
    "is ended at once by a second Ctrl-C, whoever does not read or answer",
    () =>
      Effect.gen(function* () {
        const sandbox = yield* Sandbox.Sandbox
        yield* sandbox.fault({ kind: "slow-headers", delay: "3 seconds", times: Infinity })
        const input = file(inputOf(0, 0))
        const child = Process.start("src/cli/main.ts", ["update-all", "--input", input], {
          HIGHLEVEL_TOKEN: token,
          HIGHLEVEL_BASE_URL: yield* Sandbox.url
        })
        const closed = once(child, "close")
        while ((yield* sandbox.requests).length === 0) yield* Effect.sleep("5 millis")
        child.kill("SIGINT")
        const [stopping] = yield* Effect.promise(() => once(child.stderr, "data"))
        assert.include(String(stopping), "Finishing in-flight requests. Press Ctrl-C again to quit now.")
        child.kill("SIGINT")
        const [code] = yield* Effect.promise(() => closed)
        assert.strictEqual(code, 130)
        // The server of the test does not wait for its answer either.
        yield* sandbox.reset
      }).pipe(Effect.provide(sandboxWith(1))),
    40_000
  )
})

it.live(
  "effect-highlevel loads undici with its first request, and not before",
  () =>
    Effect.gen(function* () {
      const url = yield* serving((_, response) => response.writeHead(422).end("{}"))
      // At the end, the process tells how many modules of undici it loaded.
      const report = `import module from "node:module"
        const isOfUndici = (name) => name.includes("/undici/")
        process.on("exit", () => console.log("undici: " + Object.keys(module._cache).filter(isOfUndici).length))`
      const flags = [
        "--conditions=effect-highlevel-source",
        "--import=./contracts/gate/register.ts",
        "--import",
        `data:text/javascript,${encodeURIComponent(report)}`
      ]
      const env = { PATH: process.env["PATH"], HIGHLEVEL_TOKEN: token, HIGHLEVEL_BASE_URL: url }
      const loaded = (...args: ReadonlyArray<string>) =>
        Effect.callback<string>((resume) => {
          execFile(process.execPath, [...flags, "src/cli/main.ts", ...args], { env }, (_, stdout) =>
            resume(Effect.succeed(/undici: (\d+)\n$/.exec(stdout)?.[1] ?? "nothing"))
          )
        })
      assert.strictEqual(yield* loaded("--version"), "0")
      assert.strictEqual(yield* loaded("--help"), "0")
      const update = loaded("update", "c", "--location-id", "l", "--unread-count", "0")
      assert.isAbove(Number(yield* update), 0)
    }).pipe(Effect.scoped),
  30_000
)
