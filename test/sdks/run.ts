/**
 * Other clients of HighLevel against the served sandbox, unmodified: the vendor's
 * and a community's. Prints each call, and fails where one did not go as expected.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { createServer } from "node:http"
import process from "node:process"
import { isDeepStrictEqual } from "node:util"
import { Sandbox } from "../../src/testing/index.ts"
import * as Clients from "./clients.js"

const { id: conversationId, locationId } = Sandbox.documentedConversation
const companyId = "sandbox-company"
const redirectUri = "https://app.example/callback"

interface Step {
  readonly name: string
  readonly run: Effect.Effect<object, unknown, Sandbox.Sandbox>
  /** The requests that the SDK sends, with their statuses. */
  readonly sends: ReadonlyArray<string>
  /** What its call returns; without, it fails. */
  readonly returns?: Readonly<Record<string, unknown>>
}

const call = (use: () => Promise<object | undefined>) =>
  Effect.filterOrFail(
    Effect.tryPromise({ try: use, catch: (error) => error }),
    (value) => value !== undefined,
    () => "nothing came back"
  )

/** A customer approves on the page of today, whatever the SDK's own. */
const approve = Effect.fnUntraced(function* (choice: Sandbox.Choice) {
  const { approve } = yield* Sandbox.Sandbox
  const query = new URLSearchParams({ redirect_uri: redirectUri, scope: "conversations.write oauth.write" })
  return (yield* approve(`https://marketplace.gohighlevel.com/v2/oauth/chooselocation?${query}`, choice)).code
})

const open = async (url: string) => {
  const response = await fetch(url, { redirect: "manual" })
  return { page: await response.text() }
}

const token = "POST /oauth/token 200"
const update = `PUT /conversations/${conversationId} 200`

/** `page` is what its own page shows, and `refreshes` what it sends before an update. */
const steps = (
  client: Clients.Client,
  { page, pageUrl, refreshes }: { readonly page: string; readonly pageUrl: string; readonly refreshes: Array<string> }
): ReadonlyArray<Step> => [
  {
    name: "its authorization URL",
    run: call(() => open(pageUrl)),
    sends: [`GET ${new URL(pageUrl).pathname} 400`],
    returns: { page }
  },
  {
    name: "exchange a code, without redirect_uri",
    run: Effect.flatMap(approve({ userType: "Location" }), (code) => call(() => client.exchange(code))),
    sends: [token],
    returns: { userType: "Location", locationId }
  },
  { name: "refresh", run: call(client.refresh), sends: [token], returns: { userType: "Location", locationId } },
  { name: "update", run: call(client.update), sends: [...refreshes, update], returns: { success: true } },
  {
    name: "exchange the code of an agency, as for a Location",
    run: Effect.flatMap(approve({ userType: "Company" }), (code) => call(() => client.exchangeAgency(code))),
    sends: [token],
    returns: { userType: "Company", companyId, approvedLocations: [locationId] }
  },
  ...(client.locationTokenAsIs === undefined
    ? []
    : [
        {
          name: "location token, with the SDK as it is",
          run: call(client.locationTokenAsIs),
          sends: ["POST /oauth/locationToken 401"]
        }
      ]),
  {
    name: "installed locations",
    run: call(client.installedLocations),
    sends: [...client.agencyRefreshes, "GET /oauth/installedLocations 200"],
    returns: { count: 1, installToFutureLocations: true }
  },
  {
    name: "location token",
    run: call(client.locationToken),
    sends: [...client.agencyRefreshes, "POST /oauth/locationToken 200"],
    returns: { userType: "Location", locationId }
  },
  {
    name: "update with the location token",
    run: call(client.updateWithLocationToken),
    sends: [update],
    returns: { success: true }
  }
]

const shown = new Set([
  "page",
  "userType",
  "locationId",
  "companyId",
  "approvedLocations",
  "expires_in",
  "success",
  "count"
])
const pick = (value: object) => Object.fromEntries(Object.entries(value).filter(([name]) => shown.has(name)))

const run = Effect.fnUntraced(function* (client: Clients.Client, own: Parameters<typeof steps>[1]) {
  const sandbox = yield* Sandbox.Sandbox
  const rows: Array<Record<string, string>> = []
  for (const { name, returns, run, sends } of steps(client, own)) {
    const before = (yield* sandbox.requests).length
    const result = yield* Effect.result(run)
    const requests = (yield* sandbox.requests).slice(before)
    const sent = requests.map(({ method, path, status }) => `${method} ${path.split("?")[0]} ${status}`)
    const isExpected =
      isDeepStrictEqual(sent, sends) &&
      (Result.isSuccess(result)
        ? returns !== undefined && isDeepStrictEqual({ ...result.success, ...returns }, { ...result.success })
        : returns === undefined)
    rows.push({
      client: client.name,
      call: name,
      sent: sent.join(", ").replaceAll(conversationId, ":conversationId"),
      "came back": Result.isSuccess(result) ? JSON.stringify(pick(result.success)) : `fails: ${String(result.failure)}`,
      expected: isExpected ? "yes" : "NO"
    })
  }
  return rows
})

/** Tokens that last for 20 seconds: both SDKs refresh them before they use them. */
const layer = Sandbox.layerServer({ oauth: { expiresIn: 20 } }).pipe(
  Layer.provideMerge(NodeHttpServer.layer(() => createServer(), { port: 0, host: "127.0.0.1" }))
)

const settings = (baseUrl: string): Clients.Settings => ({
  baseUrl,
  clientId: Sandbox.defaultApp.clientId,
  clientSecret: Redacted.value(Sandbox.defaultApp.clientSecret),
  appId: "sandbox",
  redirectUri,
  companyId,
  locationId,
  conversationId
})

const official = Effect.gen(function* () {
  const baseUrl = yield* Sandbox.url
  const client = Clients.official(settings(baseUrl))
  const { pathname, search } = new URL(client.pageUrl)
  const page = "No integration found with the id: sandbox"
  return yield* run(client, { pageUrl: baseUrl + pathname + search, page, refreshes: [token] })
})

const gnosticdev = Effect.gen(function* () {
  const client = Clients.gnosticdev(settings(yield* Sandbox.url))
  return yield* run(client, { pageUrl: client.pageUrl, page: "error.noAppVersionIdFound", refreshes: [token] })
})

const rows = await Effect.runPromise(
  Effect.gen(function* () {
    return [...(yield* Effect.provide(official, layer)), ...(yield* Effect.provide(gnosticdev, layer))]
  })
)
const [first = {}] = rows
const columns = Object.keys(first)
const widths = columns.map((column) => Math.max(column.length, ...rows.map((row) => row[column]?.length ?? 0)))
const line = (cells: ReadonlyArray<string>) =>
  console.log(
    cells
      .map((cell, index) => cell.padEnd(widths[index] ?? 0))
      .join("  ")
      .trimEnd()
  )
line(columns)
for (const row of rows) line(columns.map((column) => row[column] ?? ""))
process.exitCode = rows.some(({ expected }) => expected === "NO") ? 1 : 0
