import * as NodeRedis from "@effect/platform-node/NodeRedis"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { OAuth, TokenStore } from "effect-highlevel"
import { Sandbox } from "effect-highlevel/testing"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { layerOAuth, layerSandbox, refreshes, updates } from "./oauth.ts"
import { run, start } from "./process.ts"
import { isMissing, startRedis } from "./redis.ts"

const worker = "test/fixtures/token-worker.ts"

// `npm run test:kill` kills more often.
const kills = Number(process.env["KILLS"] ?? 1)

const directory = mkdtempSync(join(tmpdir(), "tokens-"))
afterAll(() => rmSync(directory, { recursive: true }))

let redis: Awaited<ReturnType<typeof startRedis>> | undefined

const stores = [
  {
    name: "files",
    isSkipped: false,
    place: () => directory,
    layer: Layer.provide(TokenStore.layerFile({ directory }), NodeServices.layer)
  },
  {
    name: "Redis",
    isSkipped: isMissing,
    place: () => String(redis?.port),
    layer: Layer.unwrap(
      Effect.sync(() =>
        Layer.provide(
          TokenStore.layerRedis(),
          NodeRedis.layer({ socket: { host: "127.0.0.1", port: redis?.port ?? 0 } })
        )
      )
    )
  }
]

/** Locations whose refresh token is stored, and no access token: whoever comes first has to refresh. */
const adopt = Effect.fnUntraced(function* (locations: ReadonlyArray<string>) {
  const sandbox = yield* Sandbox.Sandbox
  const oauth = yield* OAuth.OAuth
  for (const locationId of locations) {
    yield* sandbox.seed({ id: `in ${locationId}`, locationId })
    yield* oauth.importRefreshToken({ locationId }, (yield* sandbox.issue({ locationId })).refreshToken)
  }
})

const outcomes = (stdout: string): Array<{ locationId: string; outcome: string }> =>
  stdout
    .split("\n")
    // The last line of a killed process may be torn.
    .filter((line) => line.endsWith("}"))
    .map((line) => JSON.parse(line))

describe.each(stores)("processes that share their tokens in $name", ({ isSkipped, layer, name, place }) => {
  if (name === "Redis" && !isSkipped) {
    beforeAll(async () => {
      redis = await startRedis()
    })
    afterAll(() => redis?.end())
  }
  const provide = (options?: Sandbox.Options) =>
    Effect.provide(layerOAuth().pipe(Layer.provideMerge(layer), Layer.provideMerge(layerSandbox(options))))

  it.live.skipIf(isSkipped)(
    "refresh once, all four of them",
    () =>
      Effect.gen(function* () {
        const sandbox = yield* Sandbox.Sandbox
        yield* adopt(["shared"])
        // Long enough for all of them to come and want the same.
        yield* sandbox.fault({ kind: "slow-headers", delay: "1500 millis", operation: "token" })
        const url = yield* Sandbox.url
        const results = yield* Effect.promise(() =>
          Promise.all(Array.from({ length: 4 }, () => run(worker, [url, place(), "once", "shared"])))
        )
        for (const { code, stderr, stdout } of results) {
          assert.strictEqual(code, 0, stderr)
          assert.deepStrictEqual(
            outcomes(stdout).map(({ outcome }) => outcome),
            Array.from({ length: 10 }, () => "applied")
          )
        }
        assert.strictEqual((yield* refreshes).length, 1)
        assert.strictEqual((yield* updates).length, 40)
      }).pipe(provide()),
    30_000
  )

  it.live.skipIf(isSkipped)(
    `lose no location when they are killed between a refresh and its storing, ${kills} times`,
    () =>
      Effect.gen(function* () {
        const store = yield* TokenStore.TokenStore
        const locations = ["one", "two", "three"]
        yield* adopt(locations)
        const url = yield* Sandbox.url
        const seen: Array<string> = []
        let cutOff = 0
        for (let kill = 0; kill <= kills; kill++) {
          const before = (yield* refreshes).length
          // The first is sure to be killed before it stores; the others are killed when it happens.
          const env: Record<string, string> = kill === 0 ? { STORE_DELAY_MILLIS: "10000" } : {}
          const child = start(worker, [url, place(), "forever", ...locations], env)
          child.stdout.setEncoding("utf8").on("data", (line) => seen.push(line))
          child.stderr.setEncoding("utf8").on("data", (line) => seen.push(line))
          const closed = once(child, "close")
          if (kill === kills) {
            // The last one lives until every location has been refreshed and updated by it.
            const from = seen.length
            while (
              !locations.every((locationId) =>
                outcomes(seen.slice(from).join("")).some(
                  (line) => line.locationId === locationId && line.outcome === "applied"
                )
              )
            ) {
              yield* Effect.sleep("10 millis")
            }
          } else {
            while ((yield* refreshes).length <= before) yield* Effect.sleep("2 millis")
            yield* Effect.sleep(Math.random() * 60)
          }
          child.kill("SIGKILL")
          yield* Effect.promise(() => closed)
          // Cut off is what HighLevel has rotated and the store does not know.
          const answered = new Set(
            (yield* refreshes)
              .filter(({ status }) => status === 200)
              .map(({ body }) => new URLSearchParams(body).get("refresh_token"))
          )
          for (const locationId of locations) {
            const text = Option.getOrThrow(yield* store.get(`sandbox-app:location:${locationId}`))
            if (answered.has(JSON.parse(Redacted.value(text)).tokens.refreshToken)) cutOff++
          }
        }
        console.log(`${name}: ${kills} kills cut off ${cutOff} refreshes, ${(yield* refreshes).length} in all`)
        assert.isAbove(cutOff, 0)
        // A token that lives this short may be expired when it arrives; a lost one would ask to reconnect.
        const others = outcomes(seen.join("")).filter(
          ({ outcome }) => outcome !== "applied" && !outcome.includes("access token is invalid")
        )
        assert.deepStrictEqual(others, [])
        // Each of them still has a refresh token that works.
        for (const locationId of locations) {
          const text = Option.getOrThrow(yield* store.get(`sandbox-app:location:${locationId}`))
          const fresh = yield* OAuth.OAuth
          assert.include(Redacted.value(text), "refreshToken")
          yield* fresh.token({ locationId })
        }
      }).pipe(provide({ oauth: { expiresIn: 0.5 }, rateLimit: { max: 1_000_000, daily: 1_000_000 } })),
    60_000 + kills * 5000
  )

  // `npm run test:kill` takes the whole of it.
  const isLong = kills > 1
  const [agencies, locationsEach, singles, seconds] = isLong ? [5, 20, 20, 60] : [2, 3, 3, 3]

  // Both in `npm run test:kill`.
  if (!isLong && name !== "Redis") return
  it.live.skipIf(isSkipped)(
    `renew each token once as it expires: ${agencies} agencies x ${locationsEach} locations and ${singles} single ones, ${seconds} s`,
    () =>
      Effect.gen(function* () {
        const sandbox = yield* Sandbox.Sandbox
        const oauth = yield* OAuth.OAuth
        const url = yield* Sandbox.url
        const own = Array.from({ length: singles }, (_, index) => `single-${index}-${name}`)
        yield* adopt(own)
        const served: Array<string> = []
        for (let agency = 0; agency < agencies; agency++) {
          const companyId = `agency-${agency}-${name}`
          const locationIds = Array.from({ length: locationsEach }, (_, index) => `${companyId}-${index}`)
          yield* sandbox.install({ companyId, locationIds })
          for (const locationId of locationIds) yield* sandbox.seed({ id: `in ${locationId}`, locationId })
          const { refreshToken } = yield* sandbox.issue({ userType: "Company", companyId })
          yield* oauth.importRefreshToken({ companyId }, refreshToken)
          for (const locationId of locationIds) yield* oauth.addLocation({ companyId, locationId })
          served.push(...locationIds)
        }
        const before = (yield* sandbox.requests).length
        const results = yield* Effect.promise(() =>
          Promise.all(
            Array.from({ length: isLong ? 4 : 2 }, () =>
              run(worker, [url, place(), "seconds", ...own, ...served], { SECONDS: String(seconds) })
            )
          )
        )
        const all = results.flatMap(({ stdout }) => outcomes(stdout))
        const others = all.filter(({ outcome }) => outcome !== "applied")
        assert.deepStrictEqual(others.slice(0, 3), [])
        assert.strictEqual(new Set(all.map(({ locationId }) => locationId)).size, own.length + served.length)

        const requests = (yield* sandbox.requests).slice(before)
        const renewals = requests.filter(({ path }) => path.startsWith("/oauth/"))
        const byAccount = new Map<string, number>()
        const byRefreshToken = new Map<string, number>()
        for (const { body, path } of renewals) {
          const form = new URLSearchParams(body)
          if (path === "/oauth/locationToken") {
            const locationId = form.get("locationId") ?? ""
            byAccount.set(locationId, (byAccount.get(locationId) ?? 0) + 1)
          } else {
            const refreshToken = form.get("refresh_token") ?? ""
            byRefreshToken.set(refreshToken, (byRefreshToken.get(refreshToken) ?? 0) + 1)
          }
        }
        // A token lives for two seconds, and is renewed in its last tenth.
        const expiries = Math.ceil(seconds / 1.8) + 1
        assert.isAtMost(Math.max(...byAccount.values()), expiries)
        assert.isAtMost(byRefreshToken.size, (own.length + agencies) * expiries)
        assert.deepStrictEqual(
          [...byRefreshToken.values()].filter((times) => times > 1),
          []
        )
        console.log(`${name}: ${all.length} updates, ${renewals.length} renewals, ${others.length} failures`)
      }).pipe(provide({ oauth: { expiresIn: 2 }, rateLimit: { max: 10_000_000, daily: 10_000_000 } })),
    180_000
  )
})
