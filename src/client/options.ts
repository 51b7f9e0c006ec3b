/** Validates the client's options once, before the first request. */
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { RetryOptions } from "./clientOptions.ts"
import { InvalidOptions } from "./HighLevelError.ts"
import { ApiVersion } from "../wire/Operation.ts"

export const invalid = (option: string, expected: string) => Effect.fail(new InvalidOptions({ option, expected }))

/** Characters that are valid in a header. */
export const isVisible = (text: string) => /^[\x21-\x7e]+$/.test(text)

export const visibleToken = "a token of visible ASCII characters, without spaces"

/**
 * Trims a token, since environment values often end in a line break. The rest must be
 * valid in a header: an HTTP client would otherwise fail with a message that contains it.
 */
export const token = (token: Redacted.Redacted) =>
  Effect.flatMap(secret(token, "token"), (trimmed) =>
    isVisible(Redacted.value(trimmed)) ? Effect.succeed(trimmed) : invalid("token", visibleToken)
  )

/** Trims a secret. */
export const secret = (secret: Redacted.Redacted, option: string): Effect.Effect<Redacted.Redacted, InvalidOptions> => {
  if (!Redacted.isRedacted(secret)) return invalid(option, `a Redacted value: Redacted.make(${option})`)
  const value = Redacted.value(secret).trim()
  return value === "" ? invalid(option, `a ${option}, got none`) : Effect.succeed(Redacted.make(value))
}

export const clientId = (clientId: string) =>
  isVisible(clientId) ? Effect.succeed(clientId) : invalid("clientId", "a client id of visible ASCII characters")

/** HighLevel's API. */
export const defaultBaseUrl = "https://services.leadconnectorhq.com"

/** The documented value of the `Version` header. */
export const defaultVersion: ApiVersion = "2021-07-28"

/** The server, from `Config` unless given. An empty variable counts as unset. */
export const server = (given: {
  readonly baseUrl?: Config.Config<string> | undefined
  readonly version?: Config.Config<ApiVersion> | undefined
  readonly allowInsecureHttp?: Config.Config<boolean> | undefined
}) =>
  Config.all({
    baseUrl: given.baseUrl ?? Config.String("HIGHLEVEL_BASE_URL").pipe(Config.withDefault(undefined)),
    version: given.version ?? Config.schema(ApiVersion, "HIGHLEVEL_API_VERSION").pipe(Config.withDefault(undefined)),
    allowInsecureHttp:
      given.allowInsecureHttp ?? Config.Boolean("HIGHLEVEL_ALLOW_INSECURE_HTTP").pipe(Config.withDefault(false))
  })

/** Whether the host name of a URL is a loopback address. */
export const isLoopback = (hostname: string) =>
  hostname === "localhost" ||
  hostname.endsWith(".localhost") ||
  hostname === "[::1]" ||
  /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(hostname)

/** An `https:` URL, or an `http:` one to a loopback address or with `allowInsecureHttp`. */
export const baseUrl = (input: string | URL, allowInsecureHttp = false) => {
  if (!URL.canParse(String(input))) return invalid("baseUrl", "an absolute URL such as https://example.com")
  const url = new URL(input)
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "") {
    return invalid("baseUrl", "a URL without credentials, query or fragment")
  }
  if (url.protocol === "https:" || (url.protocol === "http:" && (allowInsecureHttp || isLoopback(url.hostname)))) {
    return Effect.succeed(url.href.replace(/\/+$/, ""))
  }
  return invalid(
    "baseUrl",
    "https:, or http: to a loopback address (unless allowInsecureHttp): the token would travel in the clear"
  )
}

/** A positive duration, in milliseconds. Infinity means no limit. */
export const millis = (input: Duration.Input, option: string) =>
  Option.match(Option.filter(Duration.fromInput(input), Duration.isPositive), {
    onNone: () => invalid(option, "a duration over zero"),
    onSome: (duration) => Effect.succeed(Duration.toMillis(duration))
  })

const isApiVersion = Schema.is(ApiVersion)

export const version = (version: ApiVersion) =>
  isApiVersion(version) ? Effect.succeed(version) : invalid("version", `one of ${ApiVersion.literals.join(", ")}`)

/** A maximum concurrency. */
export const count = (count: number, option: string) =>
  Number.isSafeInteger(count) && count > 0 ? Effect.succeed(count) : invalid(option, "an integer over zero")

/** A maximum body size: large enough to read an error, and to redact a token within it. */
export const maxResponseBytes = (bytes: number) =>
  Number.isSafeInteger(bytes) && bytes >= 8192
    ? Effect.succeed(bytes)
    : invalid("maxResponseBytes", "an integer of at least 8192")

/** The retry policy with its defaults. `false` allows a single attempt. */
export const retry = Effect.fnUntraced(function* (input: RetryOptions | false) {
  const given: RetryOptions = input === false ? { maxAttempts: 1 } : input
  return {
    maxAttempts: yield* count(given.maxAttempts ?? 5, "retry.maxAttempts"),
    baseDelayMillis: yield* millis(given.baseDelay ?? "500 millis", "retry.baseDelay"),
    maxDelayMillis: yield* millis(given.maxDelay ?? "30 seconds", "retry.maxDelay"),
    maxRetryAfterMillis: yield* millis(given.maxRetryAfter ?? "1 minute", "retry.maxRetryAfter"),
    maxDurationMillis: yield* millis(given.maxDuration ?? "5 minutes", "retry.maxDuration")
  }
})
