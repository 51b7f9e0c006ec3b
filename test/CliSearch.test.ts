import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { Sandbox } from "effect-highlevel/testing"
import { once } from "node:events"
import * as FoundTable from "../src/cli/foundTable.ts"
import { outcomeLines, token } from "./bulk.ts"
import * as Cli from "./cli.ts"
import * as Process from "./process.ts"
import { ids, layerSandbox, locationId } from "./oauth.ts"

const run = Effect.fnUntraced(function* (
  args: ReadonlyArray<string>,
  env: Record<string, string> = {},
  stdin?: string
) {
  const baseUrl = yield* Sandbox.url
  return yield* Cli.run(args, { HIGHLEVEL_TOKEN: token, HIGHLEVEL_BASE_URL: baseUrl, ...env }, stdin)
})
const search = (...args: ReadonlyArray<string>) => run(["search", "--location-id", locationId, ...args])
const documents = (stdout: string) =>
  stdout
    .split("\n")
    .slice(0, -1)
    .map((line): Record<string, unknown> => JSON.parse(line))

/** A token without a scope. */
const withoutScope = Effect.gen(function* () {
  const sandbox = yield* Sandbox.Sandbox
  const { accessToken } = yield* sandbox.issue({ locationId, scopes: ["conversations.write"] })
  return { HIGHLEVEL_TOKEN: Redacted.value(accessToken) }
})

const seed = (id: string, over: Partial<Sandbox.Seed> = {}): Sandbox.Seed => ({
  id,
  locationId: "l",
  lastMessageDate: DateTime.makeUnsafe(1_700_000_000_000),
  ...over
})

describe("effect-highlevel get", () => {
  it.live("prints a table, or one line of JSON", () =>
    Effect.gen(function* () {
      const args = ["get", ids.conversationId, "--location-id", locationId]
      const table = yield* run(args)
      assert.deepStrictEqual([table.code, table.stderr], [0, ""])
      assert.match(table.stdout, /^lastMessageDate {2}2021-08-03T16:27:33.263Z$/m)
      const json = yield* run([...args, "--json"])
      assert.deepStrictEqual([json.code, json.stderr], [0, ""])
      assert.deepInclude(JSON.parse(json.stdout), { id: ids.conversationId, lastMessageDate: "1628008053263" })
    }).pipe(Effect.provide(layerSandbox()))
  )

  it.live.each([
    ["unknown", 65, "BadRequest"],
    ["..", 64, "InvalidRequest"]
  ] as const)("of %s exits with %i", ([id, code, tag]) =>
    Effect.gen(function* () {
      const failed = yield* run(["get", id, "--location-id", locationId, "--json"])
      assert.deepStrictEqual([failed.code, failed.stdout, JSON.parse(failed.stderr)._tag], [code, "", tag])
    }).pipe(Effect.provide(layerSandbox()))
  )

  it.live("says which scope is missing, and so do search and mark-read", () =>
    Effect.gen(function* () {
      const env = yield* withoutScope
      for (const args of [["get", ids.conversationId], ["search"], ["mark-read", "--yes"]]) {
        const { code, stderr, stdout } = yield* run([...args, "--location-id", locationId], env)
        assert.deepStrictEqual([code, stdout], [77, ""])
        assert.include(stderr, "conversations.readonly")
      }
    }).pipe(Effect.provide(layerSandbox()))
  )
})

describe("effect-highlevel search", () => {
  it.live("prints every conversation once, the oldest first, as a table that is not cut in a pipe", () =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* search()
      const lines = stdout.trimEnd().split("\n")
      assert.deepStrictEqual([code, stderr, lines.length], [0, "250 conversations.\n", 251])
      assert.match(lines[0] ?? "", /^ID +CONTACT +UNREAD +LAST MESSAGE +TYPE +ASSIGNED TO$/)
      assert.match(lines[2] ?? "", /^conversation-000001 +Contact 1 +2 +2021-08-03 16:28Z +TYPE_EMAIL/)
    }).pipe(Effect.provide(layerSandbox({ conversations: 250 })))
  )

  it.live("finds what its filters say, so many in all, in either order, as lines of JSON", () =>
    Effect.gen(function* () {
      const unread = yield* search("--status", "unread", "--last-message-type", "TYPE_SMS", "--json")
      assert.deepStrictEqual(JSON.parse(unread.stderr), { _tag: "Found", conversations: 9 })
      const found = documents(unread.stdout)
      assert.strictEqual(found.length, 9)
      for (const one of found) assert.deepInclude(one, { locationId, lastMessageType: "TYPE_SMS" })

      const newest = yield* search("--sort", "desc", "--limit", "3", "--json")
      const newestIds = documents(newest.stdout).map(({ id }) => id)
      assert.deepStrictEqual(newestIds, ["conversation-000099", "conversation-000098", "conversation-000097"])
      const one = yield* search("--query", "message 42", "--added-until", "2021-08-03T18:00:00+02:00", "--json")
      assert.strictEqual(one.stdout, "")
      const two = yield* search("--query", "message 42", "--added-until", "2021-08-03T18:30:00+0200", "--json")
      assert.deepStrictEqual(
        documents(two.stdout).map(({ id }) => id),
        ["conversation-000042"]
      )
    }).pipe(Effect.provide(layerSandbox({ conversations: 100 })))
  )

  it.live.each([
    [["--added-since", "yesterday"], "a time with its zone"],
    [["--added-since", "2026-11-24T09:00:00"], "a time with its zone"],
    [["--limit", "0"], "limit"],
    [["--status", "odd"], "status"]
  ] as const)("%j is refused", ([args, said]) =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* search(...args)
      assert.deepStrictEqual([code, stdout], [64, ""])
      assert.include(stderr, said)
    }).pipe(Effect.provide(layerSandbox()))
  )

  it.live("says that a search is incomplete, after what it found", () =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* run(["search", "--location-id", "l", "--json"])
      assert.deepStrictEqual([code, documents(stdout).length], [70, 101])
      assert.match(JSON.parse(stderr).message, /is incomplete: .* Divide the search by a filter\.$/)
    }).pipe(
      Effect.provide(
        layerSandbox({
          conversations: [
            seed("first", { lastMessageDate: DateTime.makeUnsafe(1) }),
            ...Array.from({ length: 300 }, (_, index) => seed(`c${index}`))
          ]
        })
      )
    )
  )

  it.live(
    "ends without an error when its reader has enough",
    () =>
      Effect.gen(function* () {
        const server = yield* Sandbox.Sandbox
        const child = Process.start("src/cli/main.ts", ["search", "--location-id", locationId, "--json"], {
          HIGHLEVEL_TOKEN: token,
          HIGHLEVEL_BASE_URL: yield* Sandbox.url
        })
        let stderr = ""
        child.stderr.setEncoding("utf8").on("data", (text) => (stderr += text))
        child.stdout.once("data", () => child.stdout.destroy())
        const [code] = yield* Effect.promise(() => once(child, "close"))
        assert.deepStrictEqual([code, stderr.includes("WriteFailed")], [0, false])
        assert.isBelow((yield* server.requests).length, 50)
      }).pipe(Effect.provide(layerSandbox({ conversations: 5000 }))),
    20_000
  )

  it.live("does not let a stranger steer the terminal", () =>
    Effect.gen(function* () {
      const { stdout } = yield* run(["search", "--location-id", "l"])
      assert.include(stdout, "Eve\\u001b[2J\\u202e\\nnext")
      const json = yield* run(["search", "--location-id", "l", "--json"])
      for (const control of ["\u001b", "\u202e"]) assert.notInclude(json.stdout, control)
      assert.deepInclude(documents(json.stdout)[0], { fullName: "Eve\u001b[2J\u202e\nnext" })
    }).pipe(Effect.provide(layerSandbox({ conversations: [seed("c", { fullName: "Eve\u001b[2J\u202e\nnext" })] })))
  )

  it.live("prints what update-all reads: its ids, and not the values that they have", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const { stdout } = yield* search("--status", "unread", "--json")
      const updated = yield* run(["update-all", "--unread-count", "0"], {}, stdout)
      assert.deepStrictEqual([updated.code, outcomeLines(updated.stdout).length], [0, 6])
      assert.deepStrictEqual(
        (yield* sandbox.applied).map(({ unreadCount }) => unreadCount),
        [0, 0, 0, 0, 0, 0]
      )
      assert.strictEqual((yield* search("--status", "unread", "--json")).stdout, "")

      const { stdout: document } = yield* run(["get", ids.conversationId, "--location-id", locationId, "--json"])
      const unchanged = yield* run(["update-all"], {}, document)
      assert.strictEqual(unchanged.code, 64)
      assert.include(unchanged.stdout, "nothing to update: give --unread-count, --starred or --no-starred")
    }).pipe(Effect.provide(layerSandbox({ conversations: 20 })))
  )
})

describe("the table of a search", () => {
  const page = [
    { id: "c1", fullName: "A name that is far too long for a column", unreadCount: 12, assignedTo: "u1" },
    { id: "c2", contactName: "日本語の名前がとても長いですね", unreadCount: 0 },
    { id: "c3", email: "ada@example.com" }
  ]

  it("fits the terminal, whatever the width of its characters", () => {
    for (let columns = 1; columns < 140; columns++) {
      for (const line of FoundTable.make(columns)(page).split("\n")) {
        const wide = line.match(/[\u3000-\u9fff]/gu)?.length ?? 0
        assert.isAtMost([...line].length + wide, columns, `${columns}: ${line}`)
      }
    }
    assert.deepStrictEqual(FoundTable.make(112)(page).split("\n"), [
      "ID  CONTACT                   UNREAD  LAST MESSAGE  TYPE  ASSIGNED TO",
      "c1  A name that is far too …  12                          u1",
      "c2  日本語の名前がとても長…   0",
      "c3  ada@example.com           0"
    ])
  })

  it("has its header once, and the widths of its first page", () => {
    const table = FoundTable.make(Infinity)
    table([{ id: "conversation", fullName: "Ada" }])
    assert.strictEqual(table([{ id: "c", fullName: "Bob" }]), "c             Bob      0")
  })
})
