import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as NodeRedis from "@effect/platform-node/NodeRedis"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { OAuth, TokenStore } from "effect-highlevel"
import { Sandbox } from "effect-highlevel/testing"
import { type ChildProcess, execFileSync } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { inputOf, outcomeLines, sandboxWith, token, unread } from "./bulk.ts"
import { layerOAuth } from "./oauth.ts"
import * as Cli from "./cli.ts"
import * as Process from "./process.ts"
import { isMissing, startRedis } from "./redis.ts"

// `npm run test:kill` kills more often.
const kills = Number(process.env["KILLS"] ?? 1)
const cli = "src/cli/main.ts"

const closing = (child: ChildProcess) => once(child, "close")

const directory = mkdtempSync(join(tmpdir(), "bulk-"))
afterAll(() => rmSync(directory, { recursive: true }))

describe("a job that is killed", () => {
  it.live(
    `${kills} times is done in the end: the last value of each conversation, and few repetitions`,
    () =>
      Effect.gen(function* () {
        const sandbox = yield* Sandbox.Sandbox
        // Answers that take a while keep requests on their way when the kill comes.
        yield* sandbox.fault({ kind: "slow-headers", delay: "10 millis", times: Infinity })
        const once = 100 + kills * 60
        const twice = 10
        const concurrency = 8
        const input = join(directory, "input.ndjson")
        const journal = join(directory, "journal.ndjson")
        const ids = (index: number) => ({ conversationId: `c${index}`, locationId: "l0" })
        const lines = [
          // Two fields of each conversation, and of some a field with two values.
          ...Array.from({ length: once }, (_, index) => ({ ...ids(index), unreadCount: 0 })),
          ...Array.from({ length: once }, (_, index) => ({ ...ids(index), starred: true })),
          ...Array.from({ length: twice }, (_, index) => ({ ...ids(index), unreadCount: 5 })),
          ...Array.from({ length: twice }, (_, index) => ({ ...ids(index), unreadCount: 7 }))
        ]
        writeFileSync(input, lines.map((line) => JSON.stringify(line)).join("\n"))
        const start = Effect.map(Sandbox.url, (url) =>
          Process.start(
            cli,
            ["update-all", "--input", input, "--journal", journal, "--concurrency", String(concurrency)],
            { HIGHLEVEL_TOKEN: token, HIGHLEVEL_BASE_URL: url }
          )
        )
        for (let kill = 0; kill < kills; kill++) {
          const before = (yield* sandbox.applied).length
          const child = yield* start
          child.stdout.resume()
          const closed = closing(child)
          while ((yield* sandbox.applied).length === before && child.exitCode === null) yield* Effect.sleep("2 millis")
          yield* Effect.sleep(Math.random() * 150)
          child.kill("SIGKILL")
          yield* Effect.promise(() => closed)
          // A power cut in the middle of a write, too.
          if (kill % 3 === 0) writeFileSync(journal, readFileSync(journal).subarray(0, -5))
        }
        const last = yield* start
        last.stdout.resume()
        const [code] = yield* Effect.promise(() => closing(last))
        assert.strictEqual(code, 0)
        assert.deepStrictEqual(
          yield* unread(once),
          Array.from({ length: once }, (_, index) => (index < twice ? 7 : 0))
        )
        const applied = yield* sandbox.applied
        const starred = new Set(applied.flatMap((update) => (update.starred === true ? [update.conversationId] : [])))
        assert.strictEqual(starred.size, once)
        const repeated = applied.length - lines.length
        console.log(`${kills} kills, ${lines.length} updates, ${repeated} repeated`)
        // Those in flight, the one whose line was cut, and those of a field with two values.
        assert.isAtMost(repeated, kills * (concurrency + 1 + twice * 2) + twice * 2)
      }).pipe(Effect.provide(sandboxWith(100 + kills * 60))),
    60_000 + kills * 15_000
  )
})

/** A small disk, for as long as the scope; its path. */
const smallDisk = Effect.acquireRelease(
  Effect.sync(() => {
    const path = mkdtempSync(join(directory, "disk-"))
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", path])
    return path
  }),
  (path) => Effect.sync(() => execFileSync("umount", [path]))
)

const cannotMount = process.platform !== "linux" || process.getuid?.() !== 0
if (cannotMount) console.warn("not root on Linux: the test of a full disk is SKIPPED")

describe.skipIf(cannotMount)("a job whose disk gets full", () => {
  it.live(
    "ends and says so; once there is space, the same command finishes it",
    () =>
      Effect.gen(function* () {
        const sandbox = yield* Sandbox.Sandbox
        const disk = yield* smallDisk
        const filler = join(disk, "filler")
        writeFileSync(filler, new Uint8Array(32 * 1024))
        const conversations = 250
        const input = join(directory, "full.ndjson")
        const lines = [
          ...Array.from({ length: conversations }, (_, index) => inputOf(index, 0)),
          ...Array.from({ length: 10 }, (_, index) => inputOf(index, 7))
        ]
        writeFileSync(input, lines.join("\n"))
        const args = ["--input", input, "--journal", join(disk, "journal")]
        const env = { HIGHLEVEL_TOKEN: token, HIGHLEVEL_BASE_URL: yield* Sandbox.url }
        const run = Effect.promise(() => Process.run(cli, ["update-all", ...args], env))

        const full = yield* run
        assert.strictEqual(full.code, 70)
        assert.include(full.stderr, `journal cannot be read or written: no space is left on the disk\n`)
        const sent = (yield* sandbox.applied).length
        const reported = outcomeLines(full.stdout)

        rmSync(filler)
        const finished = yield* run
        assert.strictEqual(finished.code, 0, finished.stderr)
        const outcomes = new Map(outcomeLines(finished.stdout).map(({ line, outcome }) => [line, outcome]))
        assert.strictEqual(outcomes.size, lines.length)
        // Whatever was sent was reported, also what the journal could not take any more.
        assert.strictEqual(reported.length, sent)
        for (const { outcome } of reported) assert.strictEqual(outcome, "Applied")
        // The half line was removed: the journal can be read again.
        assert.strictEqual((yield* run).code, 0)
        console.log(`${sent} sent and reported before the disk was full`)
        assert.deepStrictEqual(
          yield* unread(conversations),
          Array.from({ length: conversations }, (_, index) => (index < 10 ? 7 : 0))
        )
      }).pipe(Effect.scoped, Effect.provide(sandboxWith(250))),
    60_000
  )
})

describe.skipIf(isMissing)("a queue that four workers share", () => {
  let redis: Awaited<ReturnType<typeof startRedis>>
  beforeAll(async () => {
    redis = await startRedis({ isDurable: true })
  })
  afterAll(() => redis.end())

  const environment = Effect.map(Sandbox.url, (url) => ({
    HIGHLEVEL_TOKEN: token,
    HIGHLEVEL_BASE_URL: url,
    HIGHLEVEL_REDIS_URL: `redis://127.0.0.1:${redis.port}`
  }))

  it.live(
    `loses nothing when they are killed ${kills} times and Redis is restarted`,
    () =>
      Effect.gen(function* () {
        const sandbox = yield* Sandbox.Sandbox
        yield* sandbox.fault({ kind: "slow-headers", delay: "100 millis", times: Infinity })
        const conversations = 250 + kills * 100
        const input = join(directory, "queue.ndjson")
        writeFileSync(
          input,
          Array.from({ length: conversations * 2 }, (_, index) =>
            inputOf(index % conversations, Math.floor(index / conversations), 4)
          ).join("\n")
        )
        const env = yield* environment
        const enqueued = yield* Cli.run(["enqueue", "--job", "job", "--input", input, "--json"], env)
        assert.deepStrictEqual(
          [enqueued.code, JSON.parse(enqueued.stdout)],
          [
            0,
            {
              _tag: "Enqueued",
              job: "job",
              updates: conversations * 2,
              conversations,
              added: conversations,
              known: 0,
              invalid: 0
            }
          ]
        )

        const stderrs: Array<string> = []
        const worker = () => {
          const child = Process.start(cli, ["work", "--concurrency", "4", "--lease", "3"], env)
          child.stdout.resume()
          child.stderr.setEncoding("utf8").on("data", (text) => stderrs.push(text))
          return { child, closed: once(child, "close"), working: once(child.stdout, "data") }
        }
        const workers = Array.from({ length: 4 }, worker)
        const done = Effect.map(
          sandbox.applied,
          (applied) => new Set(applied.map(({ conversationId }) => conversationId)).size
        )
        for (let kill = 0; kill < kills; kill++) {
          const before = yield* done
          while ((yield* done) < Math.min(conversations, before + 20)) yield* Effect.sleep("5 millis")
          yield* Effect.sleep(Math.random() * 100)
          const index = kill % workers.length
          const victim = workers[index]
          victim?.child.kill("SIGKILL")
          yield* Effect.promise(async () => victim?.closed)
          workers[index] = worker()
          if (kill === Math.floor(kills / 2)) {
            // One that still connects would give up: Redis is away for those who have had it.
            yield* Effect.promise(() => Promise.all(workers.map(({ working }) => working)))
            yield* Effect.promise(() => redis.stop())
            yield* Effect.sleep("300 millis")
            yield* Effect.promise(() => redis.start())
          }
        }
        while ((yield* done) < conversations) yield* Effect.sleep("20 millis")
        // What was taken by the dead may be made once more; then it is quiet.
        for (const { child } of workers) child.kill("SIGINT")
        const codes = yield* Effect.promise(() => Promise.all(workers.map(async ({ closed }) => (await closed)[0])))
        assert.deepStrictEqual(codes, [130, 130, 130, 130])
        assert.deepStrictEqual(
          yield* unread(conversations),
          Array.from({ length: conversations }, () => 1)
        )
        const repeated = (yield* sandbox.applied).length - conversations
        console.log(`${kills} kills, ${conversations} conversations, ${repeated} repeated`)
        assert.isAtMost(repeated, (kills + 4) * 4)
        assert.notInclude(stderrs.join(""), token)
      }).pipe(Effect.provide(sandboxWith(250 + kills * 100, 4))),
    90_000 + kills * 10_000
  )

  it.live(
    "has the tokens of an app's customers in the same Redis, and one refresh for all",
    () =>
      Effect.gen(function* () {
        const sandbox = yield* Sandbox.Sandbox
        yield* Effect.gen(function* () {
          const oauth = yield* OAuth.OAuth
          yield* oauth.importRefreshToken(
            { locationId: "l0" },
            (yield* sandbox.issue({ locationId: "l0" })).refreshToken
          )
        }).pipe(
          Effect.provide(
            layerOAuth().pipe(
              Layer.provide(TokenStore.layerRedis()),
              Layer.provide(NodeRedis.layer({ socket: { host: "127.0.0.1", port: redis.port } }))
            )
          )
        )
        const input = join(directory, "customers.ndjson")
        writeFileSync(input, Array.from({ length: 40 }, (_, index) => inputOf(index, 0)).join("\n"))
        const env = {
          ...(yield* environment),
          HIGHLEVEL_TOKEN: "",
          HIGHLEVEL_CLIENT_ID: Sandbox.defaultApp.clientId,
          HIGHLEVEL_CLIENT_SECRET: Redacted.value(Sandbox.defaultApp.clientSecret)
        }
        const queue = ["--queue", "customers"]
        const enqueued = yield* Cli.run(["enqueue", "--job", "customers", "--input", input, ...queue], env)
        assert.strictEqual(enqueued.code, 0, enqueued.stderr)
        yield* sandbox.fault({ kind: "slow-headers", delay: "1 second", operation: "token" })
        const worked = yield* Effect.all(
          [0, 1].map(() => Cli.run(["work", "--idle", "2", ...queue], env)),
          { concurrency: "unbounded" }
        )
        for (const { code, stderr } of worked) {
          assert.strictEqual(code, 0, stderr)
          assert.notInclude(stderr, "sandbox-secret")
        }
        assert.strictEqual((yield* sandbox.applied).length, 40)
        assert.strictEqual((yield* sandbox.requests).filter(({ path }) => path === "/oauth/token").length, 1)
      }).pipe(Effect.provide(sandboxWith(40))),
    60_000
  )
})
