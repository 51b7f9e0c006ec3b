import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { Sandbox } from "effect-highlevel/testing"
import { ids } from "./harness.ts"
import {
  badRequest,
  codeGrant,
  installed,
  locationToken,
  namesIn,
  pageUrl,
  refreshGrant,
  send,
  sendJson,
  unauthorized,
  update
} from "./sandboxRequests.ts"

const agency = Effect.flatMap(Sandbox.Sandbox, ({ issue }) => issue({ userType: "Company", companyId: "agency" }))

const provide = Effect.provide(Sandbox.layer())

describe("the installations of the sandbox", () => {
  it.effect.each(["2021-07-28", "2021-04-15", "2023-02-21", "v3"])("are exchanged for with version %s", (version) =>
    Effect.gen(function* () {
      const { accessToken } = yield* agency
      assert.strictEqual((yield* locationToken(accessToken, "a", "agency", version)).status, 200)
    }).pipe(provide)
  )

  it.effect("are everywhere in an agency that was not installed by hand", () =>
    Effect.gen(function* () {
      const { issue } = yield* Sandbox.Sandbox
      const { accessToken } = yield* issue({ userType: "Company" })
      const { body } = yield* installed(accessToken, { companyId: "sandbox-company" })
      assert.deepStrictEqual<unknown>(body, {
        locations: [
          {
            _id: ids.locationId,
            name: `Location ${ids.locationId}`,
            address: "47 W 13th St, New York, NY 10011, USA",
            isInstalled: true,
            versionId: "sandbox",
            installedAt: "2024-01-15T10:30:00.000Z"
          }
        ],
        count: 1,
        installToFutureLocations: true
      })
      assert.strictEqual((yield* locationToken(accessToken, "any", "sandbox-company")).status, 200)
    }).pipe(provide)
  )

  it.effect("are in some locations of an agency, and in more later", () =>
    Effect.gen(function* () {
      const { addLocation, install } = yield* Sandbox.Sandbox
      const { accessToken } = yield* agency
      yield* install({ companyId: "agency", locationIds: ["a", "b"] })
      yield* addLocation({ companyId: "agency", locationId: "c", name: "Third" })
      assert.deepStrictEqual(namesIn((yield* installed(accessToken)).body), [
        "a installed",
        "b installed",
        "c not installed"
      ])
      assert.strictEqual((yield* locationToken(accessToken, "b")).status, 200)
      const refused = { status: 400, body: badRequest("The app is not installed in location c") }
      assert.deepStrictEqual<unknown>(yield* locationToken(accessToken, "c"), refused)
      yield* install({ companyId: "agency", locationIds: ["c"] })
      assert.strictEqual((yield* locationToken(accessToken, "c")).status, 200)
      assert.strictEqual((yield* locationToken(accessToken, "a")).status, 200)
    }).pipe(provide)
  )

  it.effect("are in all locations of an agency, and in those that it adds", () =>
    Effect.gen(function* () {
      const { addLocation, install } = yield* Sandbox.Sandbox
      const { accessToken } = yield* agency
      yield* addLocation({ companyId: "agency", locationId: "a" })
      yield* install({ companyId: "agency", locationIds: [], toFutureLocations: false })
      yield* install({ companyId: "agency" })
      yield* addLocation({ companyId: "agency", locationId: "b" })
      const { body } = yield* installed(accessToken)
      assert.deepStrictEqual(namesIn(body), ["a installed", "b installed"])
      assert.isTrue(body["installToFutureLocations"])
    }).pipe(provide)
  )

  it.effect("are listed as the query asks", () =>
    Effect.gen(function* () {
      const { addLocation, install } = yield* Sandbox.Sandbox
      const { accessToken } = yield* agency
      const locationIds = Array.from({ length: 25 }, (_, index) => `l-${index}`)
      yield* install({ companyId: "agency", locationIds })
      yield* addLocation({ companyId: "agency", locationId: "late", name: "Berlin Mitte" })
      const first = yield* installed(accessToken)
      assert.deepStrictEqual([namesIn(first.body)?.length, first.body["count"]], [20, 26])
      const last = yield* installed(accessToken, { skip: "20", limit: "3", isInstalled: "true" })
      assert.deepStrictEqual(namesIn(last.body), ["l-20 installed", "l-21 installed", "l-22 installed"])
      assert.strictEqual(last.body["count"], 25)
      const named = yield* installed(accessToken, { query: "berlin" })
      assert.deepStrictEqual(namesIn(named.body), ["late not installed"])
      const one = yield* installed(accessToken, { locationId: "l-3" })
      assert.deepStrictEqual(namesIn(one.body), ["l-3 installed"])
    }).pipe(provide)
  )

  it.effect("are those of the agency's own, and of this app", () =>
    Effect.gen(function* () {
      const { install } = yield* Sandbox.Sandbox
      const { accessToken } = yield* agency
      yield* install({ companyId: "other", locationIds: ["theirs"] })
      const message = (result: { readonly body: Record<string, unknown> }) => result.body["message"]
      assert.deepStrictEqual(
        [
          message(yield* locationToken(accessToken, "theirs")),
          message(yield* locationToken(accessToken, "theirs", "other")),
          message(yield* installed(accessToken, { companyId: "other" })),
          message(yield* installed(accessToken, { appId: "66f" }))
        ],
        [
          "The app is not installed in location theirs",
          "Company not found",
          "Company not found",
          "No integration found with the id: 66f"
        ]
      )
    }).pipe(provide)
  )

  it.effect("that are removed from a location make its tokens invalid for good, and no others", () =>
    Effect.gen(function* () {
      const { install, issue, uninstall } = yield* Sandbox.Sandbox
      const company = yield* issue({ userType: "Company" })
      const own = yield* issue({ locationId: ids.locationId })
      const exchanged = yield* locationToken(company.accessToken, ids.locationId, "sandbox-company")
      const other = yield* issue({ locationId: "other" })
      yield* uninstall({ locationId: ids.locationId })
      const invalid = { status: 401, body: unauthorized("Invalid JWT") }
      const refused = { status: 400, body: badRequest(`The app is not installed in location ${ids.locationId}`) }
      const lost = Effect.gen(function* () {
        assert.deepStrictEqual<unknown>(yield* update(own.accessToken), invalid)
        assert.deepStrictEqual<unknown>(yield* update(String(exchanged.body["access_token"])), invalid)
        assert.deepInclude(yield* sendJson(refreshGrant(Redacted.value(own.refreshToken))), { status: 400 })
      })
      yield* lost
      assert.deepStrictEqual<unknown>(
        yield* locationToken(company.accessToken, ids.locationId, "sandbox-company"),
        refused
      )
      assert.strictEqual((yield* sendJson(refreshGrant(Redacted.value(other.refreshToken)))).status, 200)
      yield* install({ locationIds: [ids.locationId] })
      yield* lost
      const again = yield* locationToken(company.accessToken, ids.locationId, "sandbox-company")
      assert.strictEqual((yield* update(String(again.body["access_token"]))).status, 200)
    }).pipe(provide)
  )

  it.effect("that are removed from an agency make every token of it invalid", () =>
    Effect.gen(function* () {
      const { approve, issue, uninstall } = yield* Sandbox.Sandbox
      const company = yield* agency
      const location = yield* issue({ companyId: "agency", locationId: ids.locationId })
      const pending = yield* approve(pageUrl(), { companyId: "agency" })
      const other = yield* issue({ locationId: ids.locationId })
      yield* uninstall({ companyId: "agency" })
      const grant = (token: unknown) => Effect.map(sendJson(refreshGrant(token)), ({ body }) => body["error"])
      assert.deepStrictEqual<unknown>(
        [
          (yield* locationToken(company.accessToken, "a")).body,
          (yield* installed(company.accessToken)).body,
          (yield* update(location.accessToken)).body,
          yield* grant(Redacted.value(company.refreshToken)),
          yield* grant(Redacted.value(location.refreshToken)),
          (yield* sendJson(codeGrant(pending.code))).body["error"],
          (yield* update(other.accessToken)).status
        ],
        [
          unauthorized("Invalid JWT"),
          unauthorized("Invalid JWT"),
          unauthorized("Invalid JWT"),
          "invalid_grant",
          "invalid_grant",
          "invalid_grant",
          200
        ]
      )
      // The agency connects again, and has the app everywhere again.
      const { code } = yield* approve(pageUrl(), { userType: "Company", companyId: "agency" })
      const { body } = yield* sendJson(codeGrant(code))
      assert.isTrue(body["installToFutureLocations"])
      assert.strictEqual((yield* locationToken(String(body["access_token"]), "a")).status, 200)
    }).pipe(provide)
  )

  it.effect("stay as they are where the agency connects again, and are those that it names", () =>
    Effect.gen(function* () {
      const { addLocation, approve, install } = yield* Sandbox.Sandbox
      yield* install({ companyId: "agency", locationIds: ["a"] })
      yield* addLocation({ companyId: "agency", locationId: "b" })
      const approved = (choice: Sandbox.Choice) =>
        Effect.gen(function* () {
          const { code } = yield* approve(pageUrl(), { userType: "Company", companyId: "agency", ...choice })
          return (yield* sendJson(codeGrant(code))).body["approvedLocations"]
        })
      assert.deepStrictEqual(yield* approved({}), ["a"])
      assert.deepStrictEqual(yield* approved({ locationIds: ["c"] }), ["a", "c"])
    }).pipe(provide)
  )

  it.effect("come back where a location connects by itself", () =>
    Effect.gen(function* () {
      const { approve, issue, uninstall } = yield* Sandbox.Sandbox
      const { accessToken } = yield* issue({ userType: "Company" })
      const list = Effect.map(installed(accessToken, { companyId: "sandbox-company" }), ({ body }) => namesIn(body))
      yield* uninstall({ locationId: ids.locationId })
      assert.deepStrictEqual(yield* list, [`${ids.locationId} not installed`])
      yield* approve(pageUrl(), { locationId: ids.locationId })
      assert.deepStrictEqual(yield* list, [`${ids.locationId} installed`])
    }).pipe(provide)
  )

  it.effect("are those of one agency", () =>
    Effect.gen(function* () {
      const { install, issue } = yield* Sandbox.Sandbox
      const { accessToken } = yield* issue({ userType: "Company" })
      const list = Effect.map(installed(accessToken, { companyId: "sandbox-company" }), ({ body }) => namesIn(body))
      yield* install({ locationIds: ["a"] })
      assert.deepStrictEqual(yield* list, [`${ids.locationId} not installed`, "a installed"])
      yield* install({ companyId: "agency", locationIds: ["a"] })
      assert.deepStrictEqual(yield* list, [`${ids.locationId} not installed`])
    }).pipe(provide)
  )

  it.effect("of an agency that removed the app are nowhere, new locations included", () =>
    Effect.gen(function* () {
      const { addLocation, uninstall } = yield* Sandbox.Sandbox
      yield* uninstall({ companyId: "agency" })
      yield* addLocation({ companyId: "agency", locationId: "a" })
      const { accessToken } = yield* agency
      assert.deepStrictEqual(namesIn((yield* installed(accessToken)).body), ["a not installed"])
      assert.strictEqual((yield* locationToken(accessToken, "unknown")).status, 400)
    }).pipe(provide)
  )

  it.effect("are forgotten by a reset", () =>
    Effect.gen(function* () {
      const { install, issue, reset } = yield* Sandbox.Sandbox
      yield* install({ companyId: "agency", locationIds: ["a"] })
      yield* reset
      const { accessToken } = yield* issue({ userType: "Company", companyId: "agency" })
      assert.strictEqual((yield* locationToken(accessToken, "b")).status, 200)
    }).pipe(provide)
  )

  it.effect("can be cut off by a fault of their own", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox.Sandbox
      const { accessToken } = yield* agency
      yield* sandbox.fault({ kind: "empty-body", operation: "installedLocations" })
      assert.strictEqual((yield* locationToken(accessToken, "a")).status, 200)
      const { body } = yield* send({
        path: "/oauth/installedLocations?companyId=agency&appId=sandbox",
        version: "v3",
        token: accessToken
      })
      assert.strictEqual(body, "")
    }).pipe(provide)
  )
})
