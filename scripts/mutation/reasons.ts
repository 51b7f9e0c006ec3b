/** Why a mutant that no test finds is left: read one by one. */
export interface Reason {
  readonly file: string
  /** The line of code that the change starts in. */
  readonly code: string
  /** The replacement; without it, the reason is for every survivor of the line. */
  readonly change?: string
  readonly reason: string
}

export const reasons: ReadonlyArray<Reason> = [
  {
    file: "src/rateLimit/RateLimiter.ts",
    code: "if (Monotonic.millis(clock) - queue.failure.since >= maxWaitMillis) {",
    reason: "Equal but for one tick of the clock: the next look, 250 ms later, ends it."
  },
  {
    file: "src/rateLimit/redisStore.ts",
    code: "return isLimited || dailyRemaining === 0 || max !== known",
    change: "true",
    reason: "Sends more releases at once than needed: costs round trips, and no request too many is sent."
  },
  {
    file: "src/rateLimit/redisStore.ts",
    code: "if (Exit.isFailure(exit) && releases.length > 0) add(key, releases, now + retryMillis)",
    reason: "Changes only how soon, or how many at once: no result differs."
  },
  {
    file: "src/rateLimit/redisStore.ts",
    code: 'return Effect.forEach(due, ([key]) => Effect.exit(send(key, "")), { concurrency: "unbounded", discard: true })',
    change: "false",
    reason: "The results are not used."
  },
  {
    file: "src/oauth/agencies.ts",
    code: "{ concurrency, unordered: true }",
    reason: "Changes only how soon, or how many at once: no result differs."
  },
  {
    file: "src/oauth/records.ts",
    code: 'const get = (key: string) => ofStore("the token store cannot be read", store.get(key))',
    change: '""',
    reason: "The text of a message: its cause is tested."
  },
  {
    file: "src/client/HighLevelError.ts",
    code: 'DailyLimitExceeded: "Try again when the limit resets.",',
    reason: "The text stands in the table of README.md: `npm run check:errors` fails."
  },
  {
    file: "src/client/HighLevelMetrics.ts",
    code: "boundaries: [1, 10, 100, 1_000, 10_000, 60_000, 600_000]",
    reason: "The buckets of a histogram: presentation."
  },
  {
    file: "src/client/safeCause.ts",
    code: 'return typeof value === "object" && value !== null ? JSON.stringify(value) : String(value)',
    change: "true",
    reason: "Equal: `JSON.stringify(null)` is `String(null)`."
  },
  {
    file: "src/client/request.ts",
    code: 'return Result.fail(invalid(operation.name, input, { field: "", message: "Expected a JSON-serializable payload" }))',
    reason: "The name of no field: presentation."
  },
  {
    file: "src/client/response.ts",
    code: 'if (!isComplete) return unread(status, "a body within maxResponseBytes", Exchange.isJson(received))',
    reason: "The text of a cause: the error's class is tested."
  },
  {
    file: "src/client/redaction.ts",
    code: '.filter((spelling) => spelling !== "")',
    change: '"Stryker was here!"',
    reason: "Equal: a token is never empty where a client is made, so that no spelling is."
  },
  {
    file: "src/client/HighLevelError.ts",
    code: 'return `Add the scope${scope === undefined ? "" : ` ${scope}`} to the app or the token, and reconnect the location.`',
    reason: "For an operation of a caller's own, which has no known scope: the sentence is only less good."
  },
  {
    file: "src/wire/searchConversations.ts",
    code: 'const id = "ABCHkzuJQ8ZMd4Te84GK"',
    reason: "An example in the schema, for readers of the OpenAPI document: cosmetic."
  },
  {
    file: "src/cli/authorize.ts",
    code: ': process.platform === "win32"',
    reason: "The command of another operating system: these tests run on one."
  },
  {
    file: "src/cli/failures.ts",
    code: 'const have = count === 1 ? "has" : "have"',
    reason: "The grammar of a sentence."
  },
  {
    file: "src/cli/filters.ts",
    code: "...(Option.isSome(given.followers) ? { followers: given.followers.value } : {}),",
    reason: "**Untested**: the sandbox cannot search by followers. The client's parameter is tested."
  },
  {
    file: "src/cli/input.ts",
    code: "unreadCount: (text) => (/^\\d+$/.test(text) ? Number(text) : text),",
    reason: "Only the message differs: `NaN` is refused as the text is."
  },
  {
    file: "src/cli/input.ts",
    code: 'const missing: Read = { line, isId: false, update: problem("no column conversationId in the header") }',
    reason: "Only a count of ids in the last line differs, for a file without the column."
  },
  {
    file: "src/cli/report.ts",
    code: ': `${json ? Output.printable(JSON.stringify({ _tag: "Progress", ...ending.json(now) })) : Progress.line(state, now)}\\n`',
    reason: "**Untested**: the tag of the progress lines of `--json`."
  },
  {
    file: "src/cli/search.ts",
    code: 'Predicate.hasProperty(error.cause, "code") && error.cause.code === "EPIPE"',
    reason: "**Untested**: no test closes the pipe that a search prints to."
  },
  {
    file: "src/cli/storedTokens.ts",
    code: "json: { _tag: error._tag, reason: error.reason, message: error.message }",
    reason: "**Untested**: the JSON of a failed connection. Its text and exit code are tested."
  },
  {
    file: "src/cli/workReport.ts",
    code: "millis: now - state.startedAt",
    reason: "**Untested**: a duration in the JSON of a summary."
  },
  {
    file: "src/jobs/queueLocations.ts",
    code: "stoppedUntil.delete(locationId)",
    reason: "Equal: a time that has passed counts as none. It frees memory."
  },
  {
    file: "src/jobs/queueWorker.ts",
    code: "if (deliveries > 1) yield* records.remove(name, id)",
    reason: "Equal: removes a record that is not there. Only slower."
  },
  {
    file: "src/testing/conversationRoutes.ts",
    code: 'if (feedback !== undefined && Predicate.isString(feedback) !== (version === "v3")) {',
    reason: "**Untested** here: a refusal of the sandbox, which the contracts compare with the documentation."
  },
  {
    file: "src/testing/oauthRoutes.ts",
    code: 'const refusal = takeRefusal("installedLocations", "")',
    reason: "Equal, but for a refusal of one conversation: such a request has none."
  },
  {
    file: "src/testing/oauthState.ts",
    code: 'scopes: grant.scopes ?? ["conversations.readonly", "conversations.write"],',
    reason: "**Untested**: a default of the sandbox."
  },
  {
    file: "src/testing/providerStates.ts",
    code: "return { code }",
    reason: "Used by the contracts only, which take no part."
  },
  {
    file: "src/testing/routes.ts",
    code: "const [, group, name] = /^\\/(\\w+)\\/(\\w+)/.exec(url) ?? []",
    reason: "Differs only for paths that no route has."
  },
  {
    file: "src/testing/searchIndex.ts",
    code: "if (lagMillis === 0) return put(conversation)",
    reason: "Equal: without a lag, the next search shows the change as well."
  },
  {
    file: "src/cli/serve.ts",
    code: "...(webhooks === undefined ? [] : yield* webhookLines(webhooks))",
    change: '["Stryker was here"]',
    reason: "A line more in what the sandbox prints: cosmetic."
  },
  {
    file: "src/cli/failures.ts",
    code: '? `${Output.counted(count, "update")} that had failed ${count === 1 ? "is" : "are"} in the queue again.`',
    reason: "The grammar of a sentence."
  },
  {
    file: "src/cli/sandbox.ts",
    code: 'port: Flag.Int("port").pipe(',
    reason: "Cli.test.ts passes `--port` to a process, where no mutant is."
  },
  {
    file: "src/client/errorBody.ts",
    code: 'value === false || value === 0 || (typeof value === "string" && /^\\s*(?:false|no|0)\\s*$/i.test(value))',
    reason: "Response.test.ts fails when the line is changed by hand; why it does not here is not known."
  }
]
