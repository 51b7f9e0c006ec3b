import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import { Sandbox } from "effect-highlevel/testing"
import { ids } from "./harness.ts"
import {
  badRequest,
  codeGrant,
  app,
  locationToken,
  pageUrl,
  redirectUri,
  refreshGrant,
  send,
  sendJson,
  unauthorized,
  unprocessable,
  update,
  type Request
} from "./sandboxRequests.ts"

const agency = Effect.flatMap(Sandbox.Sandbox, ({ issue }) => issue({ userType: "Company", companyId: "agency" }))

const provide = Effect.provide(Sandbox.layer())

describe("the page of the sandbox", () => {
  const query = "redirect_uri=https%3A%2F%2Fapp.example%2Fcallback&scope=conversations.write&state=s"
  it.effect.each([
    [
      "v1",
      `/oauth/chooselocation?client_id=66f-abc&version_id=66f&${query}`,
      400,
      "No integration found with the id: 66f"
    ],
    [
      "v1, of the sandbox's own app",
      `/oauth/chooselocation?client_id=sandbox-app&version_id=sandbox&${query}`,
      400,
      "No integration found with the id: sandbox"
    ],
    [
      "an unknown app",
      `/v2/oauth/chooselocation?client_id=66f-abc&version_id=sandbox&${query}`,
      400,
      "No integration found with the id: 66f"
    ],
    ["no version_id", `/v2/oauth/chooselocation?client_id=sandbox-app&${query}`, 400, "error.noAppVersionIdFound"],
    [
      "another version_id",
      `/v2/oauth/chooselocation?client_id=sandbox-app&version_id=x&${query}`,
      400,
      "error.noAppVersionIdFound"
    ],
    ["no client_id", `/v2/oauth/chooselocation?version_id=sandbox&${query}`, 200, ""],
    [
      "no redirect_uri",
      "/v2/oauth/chooselocation?client_id=sandbox-app&version_id=sandbox",
      400,
      "error.invalidRedirectUri"
    ]
  ] as const)("with %s does not work", ([, path, status, text]) =>
    Effect.gen(function* () {
      const response = yield* send({ path })
      assert.deepStrictEqual([response.status, response.body], [status, text])
      assert.notProperty(response.headers, "location")
    }).pipe(provide)
  )

  it.effect("redirects with a code and the state", () =>
    Effect.gen(function* () {
      const { headers, status } = yield* send({
        path: `/v2/oauth/chooselocation?client_id=sandbox-app&version_id=sandbox&${query}`
      })
      assert.strictEqual(status, 302)
      const target = new URL(headers["location"] ?? "")
      assert.strictEqual(target.searchParams.get("state"), "s")
      const { body } = yield* sendJson(codeGrant(target.searchParams.get("code") ?? ""))
      assert.deepInclude(body, { userType: "Location", locationId: ids.locationId, scope: "conversations.write" })
    }).pipe(provide)
  )
})

describe("the token endpoint of the sandbox", () => {
  const approve = (query?: Record<string, string>, choice?: Sandbox.Choice) =>
    Effect.flatMap(Sandbox.Sandbox, (sandbox) => sandbox.approve(pageUrl(query), choice))

  it.effect("exchanges a code without a redirect_uri, with its own, and with no other", () =>
    Effect.gen(function* () {
      const statusOf = (more: Record<string, string>) =>
        Effect.gen(function* () {
          const { code } = yield* approve()
          const { body, status } = yield* sendJson(codeGrant(code, more))
          return [status, body["error"]]
        })
      assert.deepStrictEqual(yield* statusOf({}), [200, undefined])
      assert.deepStrictEqual(yield* statusOf({ redirect_uri: redirectUri }), [200, undefined])
      assert.deepStrictEqual(yield* statusOf({ redirect_uri: "https://other.example" }), [400, "invalid_grant"])
    }).pipe(provide)
  )

  it.effect("takes JSON in camel case for v3, and responds in camel case", () =>
    Effect.gen(function* () {
      const { code } = yield* approve()
      const json = {
        clientId: "sandbox-app",
        clientSecret: "sandbox-secret",
        grantType: "authorization_code",
        userType: "Location",
        redirectUri,
        code
      }
      const dated = yield* sendJson({ path: "/oauth/token", version: "2021-07-28", json })
      assert.strictEqual(dated.status, 400)
      const { body, status } = yield* sendJson({ path: "/oauth/token", version: "v3", json })
      assert.strictEqual(status, 200)
      assert.containsAllKeys(body, ["accessToken", "refreshToken", "expiresIn", "tokenType"])
      assert.notProperty(body, "access_token")
    }).pipe(provide)
  )

  it.effect("gives an agency that approves a Company token, even where a Location was asked for", () =>
    Effect.gen(function* () {
      const { code } = yield* approve({}, { userType: "Company", companyId: "agency", locationIds: ["a", "b"] })
      const { body } = yield* sendJson(codeGrant(code, { user_type: "Location" }))
      assert.deepInclude(body, {
        userType: "Company",
        companyId: "agency",
        approvedLocations: ["a", "b"],
        installToFutureLocations: false
      })
      assert.notProperty(body, "locationId")
      const location = yield* locationToken(String(body["access_token"]), "a")
      assert.deepInclude(location.body, { userType: "Location", locationId: "a" })
    }).pipe(provide)
  )

  it.effect("gives a location that approves a Location token, even where a Company was asked for", () =>
    Effect.gen(function* () {
      const { code } = yield* approve({}, { userType: "Location" })
      const { body } = yield* sendJson(codeGrant(code, { user_type: "Company" }))
      assert.deepInclude(body, { userType: "Location", locationId: ids.locationId })
      assert.notProperty(body, "approvedLocations")
    }).pipe(provide)
  )

  it.effect("brings a code without the state where the customer began in the marketplace", () =>
    Effect.gen(function* () {
      assert.property(yield* approve({ state: "s" }), "state")
      const begun = yield* approve({ state: "s" }, { fromMarketplace: true })
      assert.notProperty(begun, "state")
      assert.strictEqual((yield* sendJson(codeGrant(begun.code))).status, 200)
    }).pipe(provide)
  )

  it.effect.each([0.25, 2])("issues tokens that live for %s seconds", (expiresIn) =>
    Effect.gen(function* () {
      const { code } = yield* approve()
      const { body } = yield* sendJson(codeGrant(code))
      assert.strictEqual(body["expires_in"], expiresIn)
      const token = String(body["access_token"])
      yield* TestClock.adjust(expiresIn * 1000 - 1)
      assert.strictEqual((yield* update(token)).status, 200)
      yield* TestClock.adjust(1)
      assert.strictEqual((yield* update(token)).status, 401)
      assert.strictEqual((yield* sendJson(refreshGrant(body["refresh_token"]))).status, 200)
    }).pipe(Effect.provide(Sandbox.layer({ oauth: { expiresIn } })))
  )
})

describe("a malformed request to the OAuth server has a documented body", () => {
  const grants = "authorization_code, refresh_token, client_credentials"
  const missing = [
    "client_id must be a string",
    "client_secret must be a string",
    `grant_type must be one of the following values: ${grants}`
  ]
  const rows: ReadonlyArray<readonly [string, Request, number, unknown]> = [
    [
      "no body",
      { method: "POST", path: "/oauth/token" },
      400,
      badRequest("Expected the content type application/x-www-form-urlencoded")
    ],
    ["an empty form", { path: "/oauth/token", form: {} }, 422, unprocessable(...missing)],
    [
      "camelCase fields in a form",
      { path: "/oauth/token", form: { ...app, grant_type: "refresh_token", userType: "Location" } },
      422,
      unprocessable("property userType should not exist")
    ],
    [
      "an unknown grant and user type",
      { path: "/oauth/token", form: { ...app, grant_type: "password", user_type: "User" } },
      422,
      unprocessable(
        `grant_type must be one of the following values: ${grants}`,
        "user_type must be one of the following values: Company, Location"
      )
    ],
    [
      "client_credentials",
      { path: "/oauth/token", form: { ...app, grant_type: "client_credentials" } },
      400,
      badRequest("Grant type client_credentials is not supported")
    ],
    [
      "JSON without v3",
      { path: "/oauth/token", json: app },
      400,
      badRequest("Expected the content type application/x-www-form-urlencoded")
    ],
    [
      "snake_case JSON for v3",
      {
        path: "/oauth/token",
        version: "v3",
        json: { clientId: "c", clientSecret: "s", grantType: "refresh_token", refresh_token: "r" }
      },
      422,
      unprocessable("property refresh_token should not exist")
    ],
    [
      "broken JSON for v3",
      { path: "/oauth/token", version: "v3", text: "{" },
      400,
      badRequest("Unexpected token in JSON")
    ],
    ["no version", { path: "/oauth/locationToken", form: {} }, 401, unauthorized("version header was not found.")],
    [
      "an unknown version",
      { path: "/oauth/locationToken", form: {}, version: "x", token: "wrong" },
      400,
      badRequest("Invalid API version segment 'x' at position 0")
    ],
    [
      "no token",
      { path: "/oauth/locationToken", form: {}, version: "v3" },
      401,
      unauthorized("No Authorization header found for authentication!")
    ],
    [
      "a wrong token",
      { path: "/oauth/locationToken", form: {}, version: "v3", token: "x" },
      401,
      unauthorized("Invalid JWT")
    ],
    [
      "no version at the installed locations",
      { path: "/oauth/installedLocations" },
      401,
      unauthorized("version header was not found.")
    ],
    [
      "no token at the installed locations",
      { path: "/oauth/installedLocations", version: "v3" },
      401,
      unauthorized("No Authorization header found for authentication!")
    ]
  ]
  it.effect.each(rows)("%s", ([, request, status, body]) =>
    Effect.gen(function* () {
      assert.deepStrictEqual<unknown>(yield* sendJson(request), { status, body })
    }).pipe(provide)
  )

  it.effect("of an agency", () =>
    Effect.gen(function* () {
      const { accessToken: token } = yield* agency
      const common = { version: "2021-07-28", token }
      const tokenPath = "/oauth/locationToken"
      assert.deepStrictEqual<unknown>(
        [
          (yield* sendJson({ ...common, path: tokenPath, form: { companyId: "agency" } })).body,
          (yield* sendJson({ ...common, path: tokenPath, form: { companyId: "a", locationId: "b", location: "c" } }))
            .body,
          (yield* sendJson({ ...common, path: tokenPath, json: { companyId: "agency", locationId: "a" } })).body,
          (yield* sendJson({ ...common, path: tokenPath, method: "POST" })).body,
          (yield* sendJson({ ...common, path: "/oauth/installedLocations?limit=ten&isInstalled=1" })).body
        ],
        [
          unprocessable("locationId must be a string"),
          unprocessable("property location should not exist"),
          badRequest("Unsupported content type"),
          badRequest("Unsupported content type"),
          unprocessable(
            "companyId must be a string",
            "appId must be a string",
            "limit must be a number string",
            "isInstalled must be a boolean string"
          )
        ]
      )
    }).pipe(provide)
  )
})
