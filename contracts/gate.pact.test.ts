/** The gate itself: what it lets pass, what it does not, and what it misses. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { matcher } from "./gate/interactions.ts"
import { judge } from "./gate/judge.ts"
import { name, object, type RecordedRequest } from "./gate/request.ts"

const headers = {
  accept: "application/json",
  authorization: `Bearer ${name}`,
  "content-type": "application/json",
  version: "2021-07-28"
}
const body = { locationId: name, starred: true }
const update: RecordedRequest = { method: "PUT", path: `/conversations/${name}`, query: {}, headers, body }
const { "content-type": _, ...withoutBody } = headers
const page = { locationId: name, limit: "100", sort: "asc", sortBy: "last_message_date", startAfterDate: name }
const search: RecordedRequest = { method: "GET", path: "/conversations/search", query: page, headers: withoutBody }
const form = {
  client_id: name,
  client_secret: name,
  grant_type: "refresh_token",
  refresh_token: name,
  user_type: "Location"
}
const token: RecordedRequest = {
  method: "POST",
  path: "/oauth/token",
  query: {},
  headers: { accept: "application/json", "content-type": "application/x-www-form-urlencoded" },
  body: form
}
const { authorization: __, ...withoutToken } = headers

describe("a request", () => {
  let pact: Awaited<ReturnType<typeof matcher>>
  beforeAll(async () => {
    pact = await matcher()
  })
  afterAll(() => pact.end())

  it.each<[string, RecordedRequest]>([
    ["an update", update],
    ["an update of everything", { ...update, body: { ...body, unreadCount: 5, feedback: object } }],
    ["a page of a search", search],
    ["a refresh", token]
  ])("%s is under contract", async (_, request) => assert.isNotEmpty(await pact.matches(request)))

  it.each<[string, RecordedRequest]>([
    ["another method", { ...update, method: "PATCH" }],
    ["another path", { ...update, path: "/conversation/c" }],
    ["a path after that of a contract", { ...update, path: `/conversations/${name}/messages` }],
    ["a query", { ...update, query: { dryRun: "true" } }],
    ["no token", { ...update, headers: withoutToken }],
    ["a token of another scheme", { ...update, headers: { ...headers, authorization: "Basic eDp5" } }],
    ["another version", { ...update, headers: { ...headers, version: "v2" } }],
    ["no Accept", { ...update, headers: { ...headers, accept: "*/*" } }],
    ["another Content-Type", { ...update, headers: { ...headers, "content-type": "text/plain" } }],
    ["no location", { ...update, body: { starred: true } }],
    ["a field that is not documented", { ...update, body: { ...body, color: "red" } }],
    ["a count in a text", { ...update, body: { ...body, unreadCount: "1" } }],
    ["no body", { ...update, body: undefined }],
    ["a body where none is documented", { ...search, body }],
    ["a body that is not an object", { ...update, body: [body] }],
    ["a search with an unknown parameter", { ...search, query: { ...page, color: "red" } }],
    ["a search without a location", { ...search, query: { limit: "100" } }],
    ["a refresh without a secret", { ...token, body: { ...form, client_secret: "" } }],
    ["a refresh with a token that it does not need", { ...token, headers: { ...token.headers, ...withoutBody } }],
    ["a refresh in JSON", { ...token, headers: { ...token.headers, "content-type": "application/json" } }]
  ])("with %s is not under contract", async (_, request) => assert.isEmpty(await pact.matches(request)))
})

it("feedback in the form of another version is another interaction", async () => {
  const pact = await matcher()
  const matched = async (feedback: string) => {
    const request = { ...update, headers: { ...headers, version: "v3" }, body: { locationId: name, feedback } }
    return (await pact.matches(request)).map(({ description }) => description)
  }
  assert.deepStrictEqual(await matched("positive"), ["a request to give feedback in version v3"])
  assert.deepStrictEqual(await matched(object), ["a request to give feedback in the form of another version than v3"])
  pact.end()
})

it("an interaction is exercised by its request with its response, and with no other", async () => {
  const message = "Token's user type mismatch!"
  const responses = [{ status: 200 }, { status: 401, fields: { message } }, { status: 403 }]
  const sent = { request: update, by: "a test", count: 1, responses }
  const unknown = { request: { ...update, body: { ...body, color: "red" } }, by: "a test", count: 1, responses }
  const { exercised, problems } = await judge([sent, unknown])
  const descriptions = new Set(Array.from(exercised, ({ description }) => description))
  for (const of200 of [
    "a conversation is starred",
    "a request to star a conversation",
    "the token is that of an agency"
  ]) {
    assert.isTrue(descriptions.has(of200), of200)
  }
  for (const ofNone of ["the token is that of another location", "a request to read a conversation", "a 422"]) {
    assert.isFalse(descriptions.has(ofNone), ofNone)
  }
  assert.isTrue(problems.some((problem) => /^not under contract: .*color.* sent by a test$/.test(problem)))
  assert.include(problems, "not exercised: the token is that of another location (highlevel-api-observed)")
  assert.isTrue(problems.some((problem) => problem.startsWith("an exception that no request needs: ")))
})

it("requests leave the client in one place, which is where they are recorded", () => {
  const files = readdirSync("src", { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"))
  const sending = files.filter((file) => {
    // The sandbox delivers webhooks, and its page sends actions from a browser.
    if (file.startsWith("testing") || file === join("cli", "sandboxPageAssets.ts")) return false
    const code = readFileSync(join("src", file), "utf8").replaceAll(/^ *(\*|\/\/).*$/gm, "")
    return /\b(httpClient|HttpClient)\.(execute|get|post|put|patch|del|head|options)\(|\bfetch\(/.test(code)
  })
  assert.deepStrictEqual(sending, [join("client", "exchange.ts")])
})
