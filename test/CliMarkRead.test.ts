import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import { Sandbox } from "effect-highlevel/testing"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, readFileSync } from "node:fs"
import * as InboxPlan from "../src/cli/inboxPlan.ts"
import { outcomeLines, temporaryFiles, token } from "./bulk.ts"
import * as Cli from "./cli.ts"
import { layerSandbox, locationId } from "./oauth.ts"
import * as Process from "./process.ts"
import { bundleOf } from "./programs.ts"

const { newPath } = temporaryFiles()

const run = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
  const baseUrl = yield* Sandbox.url
  return yield* Cli.run(["mark-read", "--location-id", locationId, ...args], {
    HIGHLEVEL_TOKEN: token,
    HIGHLEVEL_BASE_URL: baseUrl
  })
})

const tags = (stdout: string) => outcomeLines(stdout).map(({ conversationId, outcome }) => [conversationId, outcome])

const limits = { max: 1_000_000, intervalMillis: 1000, daily: 100_000_000 }
/** Three of ten are unread: of 100 there are 30. */
const sandbox = (options?: Sandbox.Options) => layerSandbox({ conversations: 100, rateLimit: limits, ...options })

const dates = [1_700_000_000_000, 1_700_000_001_000, 1_700_000_002_000]
const three = dates.map((date, index) => ({
  id: `c${index}`,
  locationId,
  unreadCount: 1 + index,
  assignedTo: index === 1 ? "ada" : "bob",
  lastMessageDate: DateTime.makeUnsafe(date)
}))

describe("effect-highlevel mark-read", () => {
  it.live("does not begin unasked: without a terminal it takes --yes", () =>
    Effect.gen(function* () {
      for (const args of [[], ["--json"], ["--recheck"]]) {
        const { code, stderr, stdout } = yield* run(...args)
        assert.deepStrictEqual([code, stdout], [64, ""])
        assert.include(stderr, "Pass --yes to skip the confirmation, or --dry-run.")
      }
      assert.deepStrictEqual(yield* (yield* Sandbox.Sandbox).requests, [])
    }).pipe(Effect.provide(sandbox()))
  )

  it.live.each([Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, 2 ** 63])(
    "leaves a conversation unread that is sorted by %s, which is no date",
    (sort) =>
      Effect.gen(function* () {
        const server = yield* Sandbox.Sandbox
        const body = { conversations: [{ id: "c", locationId, unreadCount: 1, sort: [sort] }], total: 1 }
        yield* server.refuse({ operation: "search", status: 200, body, times: Infinity })
        const { code, stderr, stdout } = yield* run("--yes")
        assert.strictEqual(code, 0, stderr)
        assert.deepStrictEqual(tags(stdout), [["c", "Newer"]])
        assert.deepStrictEqual(yield* server.applied, [])
      }).pipe(Effect.provide(sandbox()))
  )

  it.live("says what it is about to do, marks what is unread as read, and sums up; then there is nothing to do", () =>
    Effect.gen(function* () {
      const server = yield* Sandbox.Sandbox
      const { code, stderr, stdout } = yield* run("--yes")
      assert.strictEqual(code, 0)
      assert.strictEqual((yield* server.applied).length, 30)
      assert.isTrue(outcomeLines(stdout).every(({ outcome }) => outcome === "Applied"))
      const [found, cutOff, others, cost, summary, ...rest] = stderr.trimEnd().split("\n")
      assert.deepStrictEqual(
        [found, cutOff, others, cost, rest],
        [
          "30 conversations are unread.",
          "Those whose last message is newer than 2021-08-03T16:58:33.263Z stay unread,",
          "and so does what arrives from now on.",
          "This takes a few seconds and about 31 requests of the 99,999,999 left today.",
          []
        ]
      )
      assert.match(summary ?? "", /^30 conversations: 30 marked as read in \d+ s \(\d+\.\d\/s\)$/)

      const again = yield* run("--yes")
      assert.deepStrictEqual(again, { code: 0, stdout: "", stderr: "No conversation is unread.\n" })
    }).pipe(Effect.provide(sandbox()))
  )

  it.live("leaves what is newer than --before, keeps to its filters, and stars", () =>
    Effect.gen(function* () {
      const server = yield* Sandbox.Sandbox
      const before = DateTime.formatIso(DateTime.makeUnsafe(dates[1] ?? 0))
      const bobs = yield* run("--yes", "--assigned-to", "bob", "--before", before, "--starred")
      assert.deepStrictEqual(tags(bobs.stdout).toSorted(), [
        ["c0", "Applied"],
        ["c2", "Newer"]
      ])
      assert.match(bobs.stderr, /^2 conversations: 1 marked as read, 1 newer and left unread in /m)
      assert.deepStrictEqual(yield* server.applied, [
        { conversationId: "c0", locationId, unreadCount: 0, starred: true }
      ])
    }).pipe(Effect.provide(sandbox({ conversations: three })))
  )

  it.live("sends nothing in a dry run, and says all in JSON if asked", () =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* run("--dry-run", "--json")
      assert.deepStrictEqual([code, tags(stdout)], [0, three.map(({ id }) => [id, "Planned"])])
      const [plan, summary] = stderr
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line))
      assert.deepInclude(plan, { _tag: "Plan", unread: 3, requests: 4, millis: 0, before: "2023-11-14T22:13:22.000Z" })
      assert.deepInclude(summary, { _tag: "Summary", conversations: 3, total: 3, planned: 3, applied: 0 })
      assert.deepStrictEqual(yield* (yield* Sandbox.Sandbox).applied, [])
    }).pipe(Effect.provide(sandbox({ conversations: three })))
  )

  it.live("ends with the worst of what failed, and stops after --max-failures", () =>
    Effect.gen(function* () {
      const server = yield* Sandbox.Sandbox
      yield* server.refuse({ status: 422, conversationId: "c0" })
      const { code, stderr, stdout } = yield* run("--yes", "--max-failures", "1", "--concurrency", "1")
      assert.includeDeepMembers(tags(stdout), [["c0", "Failed"]])
      assert.strictEqual(code, 65)
      assert.include(stderr, "1 failed")
      assert.include(stderr, "Stopped after 1 failed update. Run the same command again to send the rest.")
    }).pipe(Effect.provide(sandbox({ conversations: three })))
  )

  it.live("says that a search is incomplete, with what it has marked by then", () =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* run("--yes")
      assert.strictEqual(code, 70)
      assert.match(stderr, /^\d+ conversations: \d+ marked as read/m)
      assert.match(stderr, /^SearchIncomplete: .* Divide the search by a filter\.$/m)
      assert.isAbove(outcomeLines(stdout).length, 0)
    }).pipe(
      Effect.provide(
        sandbox({
          conversations: Array.from({ length: 300 }, (_, index) => ({
            id: `c${index}`,
            locationId,
            unreadCount: 1,
            lastMessageDate: DateTime.makeUnsafe(1)
          }))
        })
      )
    )
  )

  it.live(
    "is stopped by Ctrl-C after the requests in flight, and the same command goes on",
    () =>
      Effect.gen(function* () {
        const server = yield* Sandbox.Sandbox
        yield* server.fault({ kind: "slow-headers", delay: "100 millis", times: Infinity })
        const env = { HIGHLEVEL_TOKEN: token, HIGHLEVEL_BASE_URL: yield* Sandbox.url }
        const args = ["mark-read", "--location-id", locationId, "--yes", "--concurrency", "3"]
        const child = Process.start("src/cli/main.ts", args, env)
        let [stdout, stderr] = ["", ""]
        child.stdout.setEncoding("utf8").on("data", (text) => (stdout += text))
        child.stderr.setEncoding("utf8").on("data", (text) => (stderr += text))
        while ((yield* server.applied).length < 6) yield* Effect.sleep("5 millis")
        child.kill("SIGINT")
        const [code] = yield* Effect.promise(() => once(child, "close"))
        const applied = (yield* server.applied).length
        assert.deepStrictEqual([code, outcomeLines(stdout).length], [130, applied])
        assert.isBelow(applied, 30)
        assert.include(stderr, `${applied} conversations: ${applied} marked as read in`)
        assert.include(stderr, "Run the same command again to continue. --before 2021-08-03T16:58:33.263Z leaves out")

        const again = yield* Effect.promise(() => Process.run("src/cli/main.ts", args, env))
        assert.deepStrictEqual([again.code, outcomeLines(again.stdout).length], [0, 30 - applied])
      }).pipe(Effect.provide(sandbox())),
    30_000
  )
})

describe("what mark-read asks", () => {
  const plan = { unread: 30_000, before: undefined }
  const text = (quota: Parameters<typeof InboxPlan.text>[3], recheck = false) =>
    InboxPlan.text(plan, recheck, false, quota).split("\n").slice(1)

  it("has how long it takes and what is left of the day, at HighLevel's limit or the documented one", () => {
    const quota = { max: 50, intervalMillis: 10_000, remaining: 49, daily: 199_999 }
    assert.deepStrictEqual(text(quota), [
      "This takes about 1 h 41 min and about 30,300 requests of the 199,999 left today."
    ])
    assert.deepStrictEqual(text({}), ["This takes about 50 min 20 s and about 30,300 requests."])
    assert.deepStrictEqual(text({}, true), ["This takes about 1 h 40 min and about 60,300 requests."])
  })

  it("says when the day's requests do not suffice, and when HighLevel does not count", () => {
    assert.deepStrictEqual(text({ daily: 100 }), [
      "This takes about 50 min 20 s and about 30,300 requests of the 100 left today.",
      "That is more than today's remaining requests: run the same command again tomorrow."
    ])
    assert.strictEqual(
      InboxPlan.text({ unread: undefined, before: undefined }, false, false, {}),
      "HighLevel does not report how many conversations are unread."
    )
    assert.strictEqual(InboxPlan.text({ unread: 1, before: undefined }, false, true, {}), "1 conversation is unread.")
  })
})

// It runs a command on a terminal of its own; that of BSD takes other arguments.
const script = "/usr/bin/script"
const hasTerminal = process.platform === "linux" && existsSync(script)
if (!hasTerminal) console.warn("there is no script of util-linux: the tests of the question are SKIPPED")

describe.skipIf(!hasTerminal)("mark-read at a terminal", () => {
  /** Types an answer once it is asked; what the terminal showed, and the exit code. */
  const answer = Effect.fnUntraced(function* (typed: string, meanwhile: Effect.Effect<unknown> = Effect.void) {
    const outcomes = newPath()
    const command = `stty cols 100; ${process.execPath} ${bundleOf("src/cli/main.ts")} mark-read --location-id ${locationId} > ${outcomes}`
    const env = {
      PATH: process.env["PATH"],
      NO_COLOR: "1",
      HIGHLEVEL_TOKEN: token,
      HIGHLEVEL_BASE_URL: yield* Sandbox.url
    }
    return yield* Effect.promise(async () => {
      const child = spawn(script, ["-qec", command, "/dev/null"], { env })
      let shown = ""
      let isAnswered = false
      child.stdout.setEncoding("utf8").on("data", (text) => {
        shown += text
        if (isAnswered || !shown.includes("(y/N)")) return
        isAnswered = true
        void Effect.runPromise(meanwhile).then(() => child.stdin.write(typed))
      })
      const [code] = await once(child, "close")
      return { code, shown, outcomes: readFileSync(outcomes, "utf8") }
    })
  })

  it.live(
    "asks, and shows a bar to the end that the search has told",
    () =>
      Effect.gen(function* () {
        const server = yield* Sandbox.Sandbox
        yield* server.fault({ kind: "slow-headers", delay: "500 millis", times: Infinity })
        const { code, outcomes, shown } = yield* answer("y")
        assert.strictEqual(code, 0, shown)
        assert.include(shown, "30 conversations are unread.")
        assert.include(shown, "Mark them as read?")
        assert.match(shown, /\[=+ +\] 1\d\/30 {2}/)
        assert.match(shown, /30 conversations: 30 marked as read in \d+ s/)
        assert.strictEqual(outcomeLines(outcomes).length, 30)
      }).pipe(Effect.provide(sandbox())),
    20_000
  )

  it.live(
    "leaves unread what arrives between question and answer",
    () =>
      Effect.gen(function* () {
        const server = yield* Sandbox.Sandbox
        const { code, outcomes } = yield* answer("y", server.receive({ conversationId: "c1" }))
        assert.deepStrictEqual(
          [code, tags(outcomes).toSorted()],
          [
            0,
            [
              ["c0", "Applied"],
              ["c1", "Newer"],
              ["c2", "Applied"]
            ]
          ]
        )
        assert.deepStrictEqual((yield* server.applied).map(({ conversationId }) => conversationId).toSorted(), [
          "c0",
          "c2"
        ])
      }).pipe(Effect.provide(sandbox({ conversations: three }))),
    20_000
  )

  it.live.each([
    ["no", "n", "Nothing was sent."],
    ["Enter, which is no", "\r", "Nothing was sent."],
    ["Ctrl-C", "\u0003", ""]
  ] as const)(
    "sends nothing after %s",
    ([, typed, said]) =>
      Effect.gen(function* () {
        const { code, outcomes, shown } = yield* answer(typed)
        assert.deepStrictEqual([code, outcomes], [130, ""])
        assert.include(shown, said)
        assert.deepStrictEqual(yield* (yield* Sandbox.Sandbox).applied, [])
      }).pipe(Effect.provide(sandbox())),
    20_000
  )
})
