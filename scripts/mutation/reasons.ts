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
    file: "src/rateLimit/bucket.ts",
    code: "while (index > 0 && (ended[index - 1] ?? -Infinity) > until) index--",
    change: "true",
    reason: "Equal: before the first entry, `?? -Infinity` ends the loop as well."
  },
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
    file: "src/wire/getInstalledLocations.ts",
    code: 'Schema.Finite.annotate({ description: "Total location count under the company", examples: [1231] })',
    reason: "A description in the schema, for readers of the OpenAPI document: cosmetic."
  },
  {
    file: "src/wire/getInstalledLocations.ts",
    code: 'Schema.String.annotate({ description: "VersionId of the app", examples: ["tDtDnQdgm2LXpyiqYvZ6"] })',
    reason: "A description in the schema, for readers of the OpenAPI document: cosmetic."
  },
  {
    file: "src/wire/Conversation.ts",
    code: 'examples: ["TYPE_CALL"]',
    reason: "A description in the schema, for readers of the OpenAPI document: cosmetic."
  },
  {
    file: "src/wire/Conversation.ts",
    code: 'inbox: Lenient.field(Schema.Boolean.annotate({ description: "Inbox status of the conversation.", examples: [true] })),',
    reason: "A description in the schema, for readers of the OpenAPI document: cosmetic."
  },
  {
    file: "src/wire/Conversation.ts",
    code: 'Schema.String.annotate({ description: "Assigned User ID as string", examples: ["tDtDnQdgm2LXpyiqYvZ6"] })',
    reason: "A description in the schema, for readers of the OpenAPI document: cosmetic."
  },
  {
    file: "src/wire/searchConversations.ts",
    code: 'const id = "ABCHkzuJQ8ZMd4Te84GK"',
    reason: "An example in the schema, for readers of the OpenAPI document: cosmetic."
  },
  {
    file: "src/wire/searchConversations.ts",
    code: "const read = (description: string) => Lenient.field(Schema.String.annotate({ description }))",
    reason: "A description in the schema, for readers of the OpenAPI document: cosmetic."
  },
  {
    file: "src/wire/ErrorResponse.ts",
    code: "Lenient.field(Schema.Union([Schema.Array(Schema.String).annotate({ examples: [[example]] }), Schema.String]))",
    reason: "A description in the schema, for readers of the OpenAPI document: cosmetic."
  },
  {
    file: "src/cli/enqueue.ts",
    code: 'Command.withDescription("Put updates into a queue in Redis (HIGHLEVEL_REDIS_URL), one for each conversation"),',
    reason: "A text of `--help`."
  }
]
