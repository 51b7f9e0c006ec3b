/**
 * Writes the table of errors into docs/errors.md and AGENTS.md, from the code: each class,
 * whether it is transient, whether something was applied, and what to do. With
 * `--check` it fails where a page is out of date.
 */
import { HighLevelError } from "effect-highlevel"
import { readFileSync, writeFileSync } from "node:fs"
import * as DateTime from "effect/DateTime"

const call = { operation: "Conversations.update", conversationId: "c", locationId: "l" }
const response = { ...call, messages: [], body: "" }
const {
  BadRequest,
  DailyLimitExceeded,
  InvalidRequest,
  RateLimiterUnavailable,
  ReconnectRequired,
  RequestTimeout,
  TokenUnavailable,
  TransportFailure,
  Unauthorized,
  UnexpectedBody,
  UnexpectedStatus,
  Unprocessable,
  UnreadableResponse,
  Unsuccessful
} = HighLevelError
const reasons: ReadonlyArray<HighLevelError.Reason> = [
  "InvalidToken",
  "MissingScope",
  "WrongLocation",
  "WrongTokenType",
  "LocationInactive",
  "MissingToken",
  "VersionHeader"
]

const rows: ReadonlyArray<readonly [when: string, error: HighLevelError.HighLevelError]> = [
  ["400", new BadRequest({ ...response, status: 400 })],
  ["400, `NotFound`", new BadRequest({ ...response, status: 400, reason: "NotFound" })],
  ...reasons.map((reason) => [`401, \`${reason}\``, new Unauthorized({ ...response, status: 401, reason })] as const),
  [
    "401, `GatewayTimeout`",
    new Unauthorized({ ...response, status: 401, reason: "GatewayTimeout", applied: "unknown" })
  ],
  ["401, any other", new Unauthorized({ ...response, status: 401 })],
  ["422", new Unprocessable({ ...response, status: 422 })],
  ["408, 5xx", new UnexpectedStatus({ ...response, status: 503, applied: "unknown" })],
  ["429", new UnexpectedStatus({ ...response, status: 429 })],
  ["500, `NotFound`", new UnexpectedStatus({ ...response, status: 500, reason: "NotFound" })],
  ["403, `WrongLocation`", new UnexpectedStatus({ ...response, status: 403, reason: "WrongLocation" })],
  ["any other status", new UnexpectedStatus({ ...response, status: 404 })],
  ["2xx that reports an error", new Unsuccessful({ ...response, status: 200 })],
  ["2xx that is not JSON", new UnexpectedBody({ ...response, status: 200, cause: "" })],
  ["2xx that cannot be read", new UnreadableResponse({ ...response, status: 200, cause: "" })],
  ["no response, or cut off", new TransportFailure({ ...call, cause: "" })],
  ["no response in time", new RequestTimeout({ ...call, scope: "attempt", waitingFor: "response", timeoutMillis: 1 })],
  ["no token, `invalid_grant`", new ReconnectRequired({ ...call, messages: [] })],
  ["no token, `Unreachable`", new TokenUnavailable({ ...call, messages: [], reason: "Unreachable" })],
  ["no token, `Refused`", new TokenUnavailable({ ...call, messages: [], reason: "Refused" })],
  ["no request left today", new DailyLimitExceeded({ ...call, resetsAt: DateTime.makeUnsafe(0) })],
  ["the shared store fails", new RateLimiterUnavailable({ ...call, cause: "" })],
  ["refused here", new InvalidRequest({ operation: call.operation, issues: [{ field: "", message: "" }] })]
]

const missing = HighLevelError.HighLevelError.members.filter(
  (member) => !rows.some(([, error]) => error instanceof member)
)
if (missing.length > 0) throw new Error(`No row for ${missing.map(({ name }) => name).join(", ")}`)

const cells = rows.map(([when, error]) => [
  `\`${error._tag}\``,
  when,
  HighLevelError.isTransient(error) ? "yes" : "no",
  HighLevelError.applied(error),
  HighLevelError.advice(error)
])
const table = [["error", "when", "transient", "applied", "what to do"], ...cells]
const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...table.map((row) => row[column]?.length ?? 0)))
const line = (row: ReadonlyArray<string>, fill = " ") =>
  `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0, fill)).join(" | ")} |`
const text = [
  line(table[0] ?? []),
  line(
    widths.map(() => ""),
    "-"
  ),
  ...table.slice(1).map((row) => line(row))
].join("\n")

let isStale = false
for (const page of ["docs/errors.md", "AGENTS.md"]) {
  const before = readFileSync(page, "utf8")
  const after = before.replace(/(<!-- errors -->\n)[\s\S]*?(<!-- \/errors -->)/, `$1\n${text}\n\n$2`)
  if (!after.includes(text)) throw new Error(`${page} has no place for the table: <!-- errors --> … <!-- /errors -->`)
  if (before === after) continue
  isStale = true
  if (!process.argv.includes("--check")) writeFileSync(page, after)
}
if (isStale && process.argv.includes("--check")) {
  console.error("The table of errors is out of date: npm run errors")
  process.exitCode = 1
}
console.log(`${rows.length} errors`)
