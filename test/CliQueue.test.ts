import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import { Sandbox } from "effect-highlevel/testing"
import { inputOf, sandboxWith, temporaryFiles, token } from "./bulk.ts"
import * as Cli from "./cli.ts"
import { runningLive } from "./harness.ts"
import { isMissing, startRedis } from "./redis.ts"

const patience = 20_000

const { file } = temporaryFiles()

const lines = (text: string) =>
  text
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line))

describe.skipIf(isMissing)("a queue at a shell", () => {
  let redis: Awaited<ReturnType<typeof startRedis>>
  beforeAll(async () => {
    redis = await startRedis()
  })
  afterAll(() => redis.end())

  const run = Effect.fnUntraced(function* (args: ReadonlyArray<string>, env: Record<string, string> = {}) {
    const shell = {
      HIGHLEVEL_TOKEN: token,
      HIGHLEVEL_BASE_URL: yield* Sandbox.url,
      HIGHLEVEL_REDIS_URL: `redis://127.0.0.1:${redis.port}`
    }
    return yield* runningLive(Cli.run(args, { ...shell, ...env }))
  })

  it.effect(
    "says each week which updates of a job are new, and sends only those",
    () =>
      Effect.gen(function* () {
        const sandbox = yield* Sandbox.Sandbox
        const queue = ["--queue", "weekly"]
        const input = file("c0\nc1\n..\n")
        const enqueue = (...args: ReadonlyArray<string>) =>
          run(["enqueue", "--input", input, "--location-id", "l0", "--starred", ...queue, ...args])
        const work = () => run(["work", "--idle", "1", ...queue])

        const first = yield* enqueue("--job", "weekly")
        assert.deepStrictEqual(
          [first.code, first.stdout],
          [64, "Job weekly: 2 of 2 conversations are new. 1 line is invalid.\n"]
        )
        assert.include(first.stderr, "Line 3:")
        const done = yield* work()
        assert.deepStrictEqual(
          [done.code, lines(done.stdout).map(({ outcome }) => outcome)],
          [0, ["Applied", "Applied"]]
        )
        assert.match(done.stderr, /^2 outcomes: 2 applied in \d+ s\n$/)

        const known = `2 are known from before (done, failed or still waiting) and are not sent again. Give another --job name to send them again.`
        const second = yield* enqueue("--job", "weekly")
        assert.strictEqual(second.stdout, `Job weekly: 0 of 2 conversations are new; ${known} 1 line is invalid.\n`)
        const nothing = yield* work()
        assert.deepStrictEqual([nothing.code, nothing.stdout], [0, ""])
        assert.match(nothing.stderr, /^0 outcomes: 0 applied in \d+ s\n$/)

        const more = ["--location-id", "l0", "--starred", "--json", "--input", file("c0\nc1\nc2\n"), ...queue]
        const third = yield* run(["enqueue", "--job", "weekly", ...more])
        assert.deepStrictEqual(
          [third.code, JSON.parse(third.stdout)],
          [0, { _tag: "Enqueued", job: "weekly", updates: 3, conversations: 3, added: 1, known: 2, invalid: 0 }]
        )
        assert.strictEqual(lines((yield* work()).stdout).length, 1)
        assert.strictEqual((yield* sandbox.requests).length, 3)
      }).pipe(Effect.provide(sandboxWith(3))),
    patience
  )

  it.effect(
    "names a job that has no name, so that it can be continued",
    () =>
      Effect.gen(function* () {
        const queue = ["--queue", "unnamed", "--input", file(`${inputOf(0, 1)}\n`)]
        const first = yield* run(["enqueue", ...queue])
        const [, job = ""] = /^This is job ([-0-9a-f]+)\. If it is cut off: Run the same/.exec(first.stderr) ?? []
        assert.strictEqual(first.stdout, `Job ${job}: 1 of 1 conversation is new.\n`)
        assert.strictEqual(first.code, 0)
        assert.include((yield* run(["enqueue", ...queue])).stdout, "1 of 1 conversation is new.")
        assert.include(
          (yield* run(["enqueue", "--job", job, ...queue])).stdout,
          "0 of 1 conversation are new; 1 is known"
        )
      }).pipe(Effect.provide(sandboxWith(1))),
    patience
  )

  it.effect(
    "lists what has failed for good, and sends it again",
    () =>
      Effect.gen(function* () {
        const sandbox = yield* Sandbox.Sandbox
        const queue = ["--queue", "failures"]
        yield* sandbox.refuse({
          status: 422,
          conversationId: "c1",
          body: { statusCode: 422, message: ["bad \u009b31m"] }
        })
        yield* run(["enqueue", "--job", "job", "--input", file(`${inputOf(0, 1)}\n${inputOf(1, 1)}\n`), ...queue])
        const worked = yield* run(["work", "--idle", "1", ...queue])
        assert.strictEqual(worked.code, 65)
        assert.match(
          worked.stderr,
          /^2 outcomes: 1 applied, 1 failed in \d+ s\nList failed updates with: effect-highlevel failures\n$/
        )

        const listed = yield* run(["failures", ...queue])
        const [failure, ...others] = lines(listed.stdout)
        assert.deepStrictEqual(others, [])
        assert.deepStrictEqual(Object.keys(failure), ["job", "update", "error", "deliveries", "failedAt"])
        assert.deepInclude(failure, { job: "job", update: JSON.parse(inputOf(1, 1)), deliveries: 1 })
        assert.strictEqual(failure.error._tag, "Unprocessable")
        assert.notInclude(listed.stdout, "\u009b")
        assert.deepStrictEqual(
          [listed.code, listed.stderr],
          [0, "1 update has failed permanently. --retry puts them back into the queue.\n"]
        )

        const retried = yield* run(["failures", "--retry", "--json", ...queue])
        assert.deepStrictEqual(lines(retried.stdout).length, 1)
        assert.deepStrictEqual(
          [retried.code, JSON.parse(retried.stderr)],
          [0, { _tag: "Failures", failures: 1, retried: true }]
        )
        assert.strictEqual((yield* run(["work", "--idle", "1", ...queue])).code, 0)
        assert.strictEqual((yield* run(["failures", ...queue])).stderr, "0 updates have failed permanently.\n")
        assert.strictEqual((yield* sandbox.applied).length, 2)
      }).pipe(Effect.provide(sandboxWith(2))),
    patience
  )

  it.effect(
    "sends a few of 1,001 updates with a wrong token, and says why it sent no more",
    () =>
      Effect.gen(function* () {
        const sandbox = yield* Sandbox.Sandbox
        const queue = ["--queue", "token"]
        const input = file(Array.from({ length: 1001 }, (_, index) => `${inputOf(index, 0)}\n`).join(""))
        yield* run(["enqueue", "--job", "job", "--input", input, ...queue])
        const { code, stderr, stdout } = yield* run(["work", "--idle", "2", ...queue], { HIGHLEVEL_TOKEN: "wrong" })
        assert.isAtMost((yield* sandbox.requests).length, 20)
        assert.strictEqual(code, 77)
        assert.strictEqual(new Set(lines(stdout).map(({ conversationId }) => conversationId)).size, 1001)
        const [summary = "", location, ...others] = stderr.trim().split("\n")
        assert.match(summary, /^1,00\d outcomes: 0 applied, \d+ returned to the queue, 1,00\d not sent in \d+ s$/)
        assert.match(location ?? "", /^Location l0: 1,00[01] updates not sent\. They wait in the queue for 5 minutes, /)
        assert.include(location, "Unauthorized: The token is invalid")
        assert.isAtMost(others.length, 1)
      }).pipe(Effect.provide(sandboxWith(1001))),
    patience
  )

  it.effect(
    "waits for what an earlier worker could not send, and says so",
    () =>
      Effect.gen(function* () {
        const sandbox = yield* Sandbox.Sandbox
        const queue = ["--queue", "fixed"]
        const input = file(`${inputOf(0, 1)}\n${inputOf(1, 1)}\n`)
        yield* run(["enqueue", "--job", "job", "--input", input, ...queue])
        const refused = yield* run(["work", "--idle", "1", ...queue], { HIGHLEVEL_TOKEN: "wrong" })
        assert.strictEqual(refused.code, 77)
        assert.match(refused.stderr, /\n2 updates left in the queue\.\n$/)
        yield* TestClock.adjust("295 seconds")
        const sent = yield* run(["work", "--idle", "1", ...queue])
        assert.strictEqual(sent.code, 0)
        assert.match(
          sent.stderr,
          /^Not due yet: 2 updates of stopped locations or to be redelivered\. Waiting for those due within 10 minutes\.\n/
        )
        assert.match(sent.stderr, /\n2 outcomes: 2 applied in \d s\n$/)
        assert.strictEqual((yield* sandbox.applied).length, 2)
      }).pipe(Effect.provide(sandboxWith(2))),
    patience
  )

  it.effect(
    "escapes what HighLevel sent, and says in words that Redis is unavailable",
    () =>
      Effect.gen(function* () {
        const sandbox = yield* Sandbox.Sandbox
        yield* sandbox.refuse({ status: 422, body: { statusCode: 422, message: "\u009b31m\u202ered" } })
        const updated = yield* run(["update", "c0", "--location-id", "l0", "--starred", "--json"])
        assert.strictEqual(updated.code, 65)
        assert.notMatch(updated.stderr.trim(), /[\p{Cc}\u202e]/u)
        assert.include(JSON.stringify(JSON.parse(updated.stderr)), "red")

        const malformed = yield* run(["work"], { HIGHLEVEL_REDIS_URL: "redis//:password@nowhere" })
        assert.strictEqual(malformed.code, 64)
        assert.notInclude(malformed.stderr, "password")
        const nowhere = yield* run(["failures"], { HIGHLEVEL_REDIS_URL: "redis://127.0.0.1:1" })
        assert.deepStrictEqual([nowhere.code, nowhere.stderr.includes("Redis cannot be reached")], [75, true])
      }).pipe(Effect.provide(sandboxWith(1))),
    patience
  )
})
