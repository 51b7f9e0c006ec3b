import { assert, describe, it } from "@effect/vitest"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import { HighLevelClient, Journal, OAuth, TokenStore } from "effect-highlevel"
import { Sandbox } from "effect-highlevel/testing"
import { execFile } from "node:child_process"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { promisify } from "node:util"
import { inputOf, type OutcomeLine, outcomeLines, sandboxWith, temporaryFiles, token, unread } from "./bulk.ts"
import { layerOAuth } from "./oauth.ts"
import * as Cli from "./cli.ts"
import { bundleOf } from "./programs.ts"

const { file, newPath } = temporaryFiles()

const run = Effect.fnUntraced(function* (
  args: ReadonlyArray<string>,
  env: Record<string, string> = {},
  stdin?: string
) {
  const baseUrl = yield* Sandbox.url
  return yield* Cli.run(["update-all", ...args], { HIGHLEVEL_TOKEN: token, HIGHLEVEL_BASE_URL: baseUrl, ...env }, stdin)
})

const outcomes = (stdout: string) =>
  outcomeLines(stdout)
    .toSorted((one, other) => one.line - other.line)
    .map(({ line, outcome }) => `${line} ${outcome}`)

// It runs a command on a terminal of its own; that of BSD takes other arguments.
const script = "/usr/bin/script"
const hasTerminal = process.platform === "linux" && existsSync(script)
if (!hasTerminal) console.warn("there is no script of util-linux: the test of the bar on a terminal is SKIPPED")

describe.skipIf(!hasTerminal)("on a terminal", () => {
  it.live(
    "has a bar, also where the outcomes go to a file",
    () =>
      Effect.gen(function* () {
        const sandbox = yield* Sandbox.Sandbox
        yield* sandbox.fault({ kind: "slow-headers", delay: "500 millis", times: Infinity })
        const input = file(`${inputOf(0, 0)}\n${inputOf(0, 1)}`)
        const outcomes = newPath()
        const command = `stty cols 100; ${process.execPath} ${bundleOf("src/cli/main.ts")} update-all --input ${input} > ${outcomes}`
        const env = {
          PATH: process.env["PATH"],
          NO_COLOR: "1",
          HIGHLEVEL_TOKEN: token,
          HIGHLEVEL_BASE_URL: yield* Sandbox.url
        }
        const run = promisify(execFile)(script, ["-qec", command, "/dev/null"], { env })
        const { stdout } = yield* Effect.promise(() => run)
        assert.match(stdout, /\[=+ +\] 1\/2 {2}/)
        assert.match(stdout, /2 lines: 2 applied in \d+ s/)
        assert.strictEqual(readFileSync(outcomes, "utf8").trim().split("\n").length, 2)
      }).pipe(Effect.provide(sandboxWith(1))),
    20_000
  )
})

describe("effect-highlevel update-all", () => {
  it.live(
    "updates each line, reports the bad ones with their numbers, and exits with the worst",
    () =>
      Effect.gen(function* () {
        const input = file(`\uFEFFc0\r\n\n${inputOf(1, 3)}\nunknown\n{oops\n..\nc0\n`)
        const args = ["--input", input, "--location-id", "l0", "--unread-count", "0"]
        const { code, stderr, stdout } = yield* run(args)
        assert.deepStrictEqual(outcomes(stdout), [
          "1 Applied",
          "3 Applied",
          "4 Failed",
          "5 Invalid",
          "6 Invalid",
          "7 Applied"
        ])
        assert.strictEqual(code, 65)
        assert.match(
          stderr,
          /^6 lines \(3 of them conversation ids\): 3 applied, 1 failed, 2 invalid in \d+ s \(\d+\.\d\/s\)\n$/
        )
        assert.deepStrictEqual(yield* unread(2), [0, 3])
      }).pipe(Effect.provide(sandboxWith(2))),
    20_000
  )

  it.live(
    "tells of an update that was applied and whose response cannot be read, and sends one again behind a login page",
    () =>
      Effect.gen(function* () {
        const sandbox = yield* Sandbox.Sandbox
        yield* sandbox.refuse({ status: 200, body: "" })
        yield* sandbox.refuse({ status: 200, body: "<html>Sign in</html>" })
        const args = ["--location-id", "l0", "--unread-count", "0", "--concurrency", "1", "--json"]
        const { code, stderr, stdout } = yield* run(args, {}, "c0\nc1")
        assert.strictEqual(code, 0)
        assert.deepStrictEqual(
          stdout
            .trim()
            .split("\n")
            .map((line) => JSON.parse(line))
            .map(({ attempts, outcome, response }) => [outcome, attempts, response]),
          [
            ["Applied", 1, "unreadable"],
            ["Applied", 2, undefined]
          ]
        )
        assert.deepInclude(JSON.parse(stderr), { _tag: "Summary", applied: 2, unreadable: 1 })
      }).pipe(Effect.provide(sandboxWith(2))),
    20_000
  )

  it.live(
    "sends nothing in a dry run, says all in JSON if asked, and reads stdin",
    () =>
      Effect.gen(function* () {
        const sandbox = yield* Sandbox.Sandbox
        const { code, stderr, stdout } = yield* run(["--dry-run", "--json"], {}, `${inputOf(0, 1)}\n${inputOf(1, 1)}`)
        assert.strictEqual(code, 0)
        assert.deepStrictEqual(
          stdout
            .trim()
            .split("\n")
            .map((line) => JSON.parse(line)),
          [
            { line: 1, conversationId: "c0", locationId: "l0", outcome: "Planned", unreadCount: 1 },
            { line: 2, conversationId: "c1", locationId: "l0", outcome: "Planned", unreadCount: 1 }
          ]
        )
        assert.deepInclude(JSON.parse(stderr), { _tag: "Summary", lines: 2, planned: 2 })
        assert.deepStrictEqual(yield* sandbox.requests, [])
      }).pipe(Effect.provide(sandboxWith(2))),
    20_000
  )

  it.live.each([
    [["--input", "/nowhere"], {}, 64, "Cannot read /nowhere: there is no such file or folder"],
    [["--input", "src"], {}, 64, "Cannot read src: it is a folder"],
    [["--input", "README.md", "--max-failures", "0"], {}, 64, "max-failures"],
    [["--concurrency", "0"], {}, 64, "concurrency"],
    [
      ["--input", "README.md", "--journal", "package.json"],
      {},
      64,
      "package.json is not a journal: line 1 is not a valid entry"
    ],
    [
      ["--input", "README.md", "--location-id", "l", "--starred"],
      { HIGHLEVEL_BASE_URL: "http://example.com" },
      64,
      "baseUrl"
    ],
    [["--input", "README.md"], { HIGHLEVEL_TOKEN: "" }, 64, "HIGHLEVEL_TOKEN"],
    [
      ["--input", "README.md"],
      { HIGHLEVEL_TOKEN: "", HIGHLEVEL_CLIENT_ID: "app", HIGHLEVEL_CLIENT_SECRET: "s" },
      64,
      "HIGHLEVEL_TOKENS"
    ]
  ] as const)(
    "%j with %j exits with %i",
    ([args, env, code, said]) =>
      Effect.gen(function* () {
        const result = yield* run(args, env)
        assert.include(result.stderr, said)
        assert.strictEqual(result.code, code)
        assert.strictEqual(result.stdout, "")
      }).pipe(Effect.provide(sandboxWith(1))),
    20_000
  )

  it.live(
    "does not use the journal of another server, or one that another run uses",
    () =>
      Effect.gen(function* () {
        const journal = newPath()
        writeFileSync(journal, `{"journal":1,"server":"https://sandbox.example"}\n`)
        const input = file(inputOf(0, 0))
        const args = ["--input", input, "--journal", journal]
        const other = yield* run([...args, "--json"])
        const message = `The journal ${journal} is of https://sandbox.example, and this job is for ${yield* Sandbox.url}. Nothing was sent`
        assert.deepStrictEqual(
          [other.code, JSON.parse(other.stderr)],
          [64, { _tag: "JournalError", reason: "OtherServer", message }]
        )
        writeFileSync(journal, "")
        yield* Journal.open({ path: journal, owner: "process 7 on web-1" }).pipe(
          Effect.provide(
            HighLevelClient.layer({ token: Redacted.make(token), baseUrl: yield* Sandbox.url }).pipe(
              Layer.provide(FetchHttpClient.layer),
              Layer.merge(NodeServices.layer)
            )
          )
        )
        const used = yield* run(args)
        assert.strictEqual(used.code, 75)
        assert.match(used.stderr, /^The journal \S+ is in use by process 7 on web-1, since \S+\n$/)
        const sandbox = yield* Sandbox.Sandbox
        assert.deepStrictEqual(yield* sandbox.requests, [])
      }).pipe(Effect.scoped, Effect.provide(sandboxWith(1))),
    20_000
  )

  it.live(
    "takes the tokens that an app has stored of its customers, and so does update",
    () =>
      Effect.gen(function* () {
        const sandbox = yield* Sandbox.Sandbox
        const tokens = newPath()
        yield* Effect.gen(function* () {
          const oauth = yield* OAuth.OAuth
          for (const locationId of ["l0", "l1"]) {
            yield* oauth.importRefreshToken({ locationId }, (yield* sandbox.issue({ locationId })).refreshToken)
          }
        }).pipe(
          Effect.provide(
            layerOAuth().pipe(
              Layer.provide(TokenStore.layerFile({ directory: tokens })),
              Layer.provide(NodeServices.layer)
            )
          )
        )
        const env = {
          HIGHLEVEL_TOKEN: "",
          HIGHLEVEL_CLIENT_ID: Sandbox.defaultApp.clientId,
          HIGHLEVEL_CLIENT_SECRET: Redacted.value(Sandbox.defaultApp.clientSecret),
          HIGHLEVEL_TOKENS: tokens
        }
        const all = yield* run(["--input", file(`${inputOf(0, 0, 3)}\n${inputOf(1, 0, 3)}\n${inputOf(2, 0, 3)}`)], env)
        assert.deepStrictEqual(outcomes(all.stdout), ["1 Applied", "2 Applied", "3 Failed"])
        assert.include(all.stdout, "ReconnectRequired")
        assert.strictEqual(all.code, 77)
        const baseUrl = yield* Sandbox.url
        const one = yield* Cli.run(["update", "c0", "--location-id", "l0", "--starred", "--base-url", baseUrl], env)
        assert.deepStrictEqual([one.code, one.stderr], [0, ""])
        assert.strictEqual((yield* sandbox.requests).filter(({ path }) => path === "/oauth/token").length, 2)
      }).pipe(Effect.provide(sandboxWith(3, 3))),
    20_000
  )

  it.live(
    "with a fifth of all requests going wrong: journal, stdout and HighLevel agree, line by line",
    () =>
      Effect.gen(function* () {
        const sandbox = yield* Sandbox.Sandbox
        const count = 200
        yield* sandbox.fault({ kind: "disconnect", every: 25, times: Infinity })
        yield* sandbox.fault({ kind: "reset-body", every: 25, times: Infinity })
        yield* sandbox.fault({ kind: "truncated-json", every: 25, times: Infinity })
        yield* sandbox.fault({ kind: "slow-body", delay: "50 millis", every: 25, times: Infinity })
        yield* sandbox.refuse({ status: 502, body: "<html>bad gateway</html>", every: 30, times: Infinity })
        yield* sandbox.refuse({ status: 422, every: 60, times: Infinity })
        yield* sandbox.refuse({ status: 429, headers: { "retry-after": "0" }, every: 60, times: Infinity })
        const journal = newPath()
        const input = file(Array.from({ length: count }, (_, index) => inputOf(index, 0, 3)).join("\n"))
        const { code, stdout } = yield* run(["--input", input, "--journal", journal])
        const said = outcomeLines(stdout)
        const requests = (yield* sandbox.requests).length
        const journaled = readFileSync(journal, "utf8")
          .trim()
          .split("\n")
          .slice(1)
          .map((line): Pick<OutcomeLine, "conversationId" | "outcome"> => {
            const { outcome, update } = JSON.parse(line)
            return { outcome, conversationId: update.conversationId }
          })
        const rows = (all: ReadonlyArray<Pick<OutcomeLine, "conversationId" | "outcome">>) =>
          all.map(({ conversationId, outcome }) => `${conversationId} ${outcome}`).toSorted()
        assert.strictEqual(said.length, count)
        assert.deepStrictEqual(rows(said), rows(journaled))
        const applied = new Set((yield* sandbox.applied).map(({ conversationId }) => conversationId))
        for (const { attempts, conversationId = "", outcome } of said) {
          if (outcome === "Applied") assert.isTrue(applied.has(conversationId), conversationId)
          // A refusal of the second request says nothing of the first, whose answer was lost.
          else if (attempts === 1) assert.isFalse(applied.has(conversationId), conversationId)
        }
        const failed = said.filter(({ outcome }) => outcome === "Failed").length
        assert.isAbove(failed, 0)
        assert.strictEqual(code, 65)
        // And what failed is applied by the next run.
        const again = yield* run(["--input", input, "--journal", journal])
        assert.isBelow(outcomeLines(again.stdout).filter(({ outcome }) => outcome === "Failed").length, failed)
        console.log(`${count} updates, ${requests} requests, ${failed} refused for good`)
      }).pipe(Effect.provide(sandboxWith(200, 3))),
    60_000
  )

  it.live(
    "with a wrong token sends next to nothing, says why, and the next run sends the rest",
    () =>
      Effect.gen(function* () {
        const sandbox = yield* Sandbox.Sandbox
        const journal = newPath()
        const args = ["--location-id", "l0", "--unread-count", "0", "--journal", journal]
        const input = Array.from({ length: 1001 }, (_, index) => `c${index}`).join("\n")
        const wrong = yield* run(args, { HIGHLEVEL_TOKEN: "wrong-token" }, input)
        const sent = (yield* sandbox.requests).length
        const tags = outcomeLines(wrong.stdout).map(({ outcome }) => outcome)
        assert.isAtMost(sent, 20)
        assert.deepStrictEqual(
          ["Failed", "NotSent"].map((tag) => tags.filter((one) => one === tag).length),
          [sent, 1001 - sent]
        )
        assert.strictEqual(wrong.code, 77)
        assert.match(wrong.stderr, /Location l0: nothing more was sent. Unauthorized: .*The token is invalid/)
        const right = yield* run(args, {}, input)
        assert.deepStrictEqual([right.code, (yield* sandbox.applied).length], [0, 1001])
        const again = yield* run(args, {}, input.split("\n").toReversed().join("\n"))
        assert.include(again.stderr, `Nothing was sent: ${journal} records all of them as applied.`)
      }).pipe(Effect.provide(sandboxWith(1001))),
    30_000
  )

  it.live(
    "knows how many lines there are in a file once it is read, comments and empty lines aside, and not in a pipe",
    () =>
      Effect.gen(function* () {
        const text = `# ids\n\nconversationId\nc0\nc1\n\n{oops`
        const args = ["--location-id", "l0", "--unread-count", "0", "--dry-run", "--json"]
        const fromFile = yield* run(["--input", file(text), ...args])
        assert.deepInclude(JSON.parse(fromFile.stderr), { lines: 3, ids: 2, total: 3 })
        const piped = yield* run(args, {}, text)
        assert.deepInclude(JSON.parse(piped.stderr), { lines: 3, ids: 2, total: null })
        const nothing = yield* run(["--input", file(), ...args])
        assert.deepInclude(JSON.parse(nothing.stderr), { lines: 0, total: null })
      }).pipe(Effect.provide(sandboxWith(1))),
    20_000
  )

  it.live(
    "stops after --max-failures, and reads CSV",
    () =>
      Effect.gen(function* () {
        const sandbox = yield* Sandbox.Sandbox
        yield* sandbox.refuse({ status: 422, conversationId: "c1" })
        const csv = newPath()
        writeFileSync(`${csv}.csv`, "contact,conversationId,starred\nAda,c0,true\nBob,c1,true\nEve,c2,true\n")
        const args = ["--input", `${csv}.csv`, "--location-id", "l0", "--concurrency", "1", "--max-failures", "1"]
        const { code, stderr, stdout } = yield* run(args)
        assert.deepStrictEqual(outcomes(stdout), ["2 Applied", "3 Failed", "4 NotSent"])
        assert.include(stderr, "Stopped after 1 failed update. Run the same command again to send the rest.")
        assert.strictEqual(code, 65)
      }).pipe(Effect.provide(sandboxWith(3))),
    20_000
  )
})
