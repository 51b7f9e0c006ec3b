/**
 * Data flows one way. Each row may import the rows above it, and nothing else;
 * files of one row may not import each other. The core imports no Node.
 */
import { readdirSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"

const rows: ReadonlyArray<ReadonlyArray<string>> = [
  [
    "internal/tolerant",
    "internal/version",
    "internal/redaction",
    "internal/course",
    "internal/hash",
    "internal/series",
    "internal/deadline"
  ],
  ["internal/safeCause"],
  ["internal/transport"],
  ["Conversation"],
  ["ConversationUpdate", "ErrorBody"],
  ["internal/operation"],
  ["HighLevelApi", "HighLevelError", "HighLevelApi", "QuotaStore", "HighLevelMetrics", "internal/ledger"],
  ["Journal"],
  ["internal/options", "internal/said", "internal/bucket", "internal/retry"],
  ["AccessToken", "internal/answer"],
  ["internal/quotaRedis"],
  ["Quota"],
  ["internal/tokenFile", "internal/tokenRedis"],
  ["TokenStore"],
  ["internal/oauthEndpoint"],
  ["internal/tokenRecord"],
  ["internal/tokenKeeper"],
  ["OAuth"],
  ["internal/request"],
  ["internal/attempt"],
  ["internal/policy"],
  ["Conversations"],
  ["internal/jobUpdate"],
  ["Bulk"],
  ["UpdateQueue"],
  ["index"],
  ["testing/SandboxModel"],
  ["testing/internal/oauthState", "testing/internal/requestErrors"],
  ["testing/internal/state"],
  ["testing/internal/oauthRoutes", "testing/internal/providerStates"],
  ["testing/internal/routes"],
  ["testing/Sandbox"],
  ["testing/index"],
  ["cli/ExitCode", "cli/Output"],
  ["cli/CliFailure"],
  ["cli/Token", "cli/Input", "cli/Progress", "cli/RedisConnection", "cli/StoredTokens"],
  ["cli/Credentials", "cli/Report", "cli/Shared"],
  ["cli/Enqueue", "cli/Serve", "cli/Work"],
  ["cli/Update", "cli/UpdateAll", "cli/QueueCommands", "cli/SandboxCommand"],
  ["cli/Cli"],
  ["cli/Program"],
  ["cli/main"]
]

const rank = new Map(rows.flatMap((row, index) => row.map((name) => [name, index] as const)))
const problems: Array<string> = []

for (const file of readdirSync("src", { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"))) {
  const name = file.slice(0, -3)
  const own = rank.get(name)
  if (own === undefined) {
    problems.push(`${file}: has no row in scripts/architecture.ts`)
    continue
  }
  const text = readFileSync(join("src", file), "utf8").replaceAll(/^ *\*.*$/gm, "")
  for (const [, specifier = ""] of text.matchAll(/^(?:import|export) [^"]*from "([^"]+)"/gm)) {
    if (specifier.startsWith(".")) {
      const target = join(dirname(name), specifier).slice(0, -3)
      const other = rank.get(target)
      if (other === undefined || other >= own) problems.push(`${file}: imports ${specifier}, which is not above it`)
    } else if (/^effect(\/(http|http-api|cli|persistence|observability|schema))?$/.test(specifier)) {
      problems.push(`${file}: imports the barrel ${specifier}`)
    } else if (!specifier.startsWith("effect/") && !name.startsWith("cli/")) {
      problems.push(`${file}: imports ${specifier}; only the command line may`)
    }
  }
}

for (const problem of problems) console.error(problem)
console.log(`${rank.size} modules in ${rows.length} rows, ${problems.length} problems`)
process.exitCode = problems.length === 0 ? 0 : 1
