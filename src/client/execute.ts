/** From an operation and its input to its output: checked, sent, read. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as HttpClient from "effect/http/HttpClient"
import * as RateLimitHeaders from "../rateLimit/headers.ts"
import type { ApiVersion, Operation } from "../wire/Operation.ts"
import type { Attempt, Policies } from "./attempt.ts"
import type { CallOptions } from "./clientOptions.ts"
import * as Exchange from "./exchange.ts"
import * as HighLevelError from "./HighLevelError.ts"
import * as OptionsCheck from "./options.ts"
import * as Redaction from "./redaction.ts"
import * as Request from "./request.ts"
import * as Response from "./response.ts"
import * as Retry from "./retry.ts"

/** What a client is made of. */
export interface Settings {
  readonly httpClient: HttpClient.HttpClient
  readonly baseUrl: string
  readonly version: ApiVersion
  readonly timeoutMillis: number
  readonly tracePropagation: boolean
  readonly policies: Policies
  readonly retry: Retry.Policy
}

// What a call decides for itself is checked as the client's options are.
const option =
  (operation: string, input: unknown) =>
  <A>(check: Effect.Effect<A, HighLevelError.InvalidOptions>) =>
    Effect.mapError(check, ({ expected, option }) =>
      Request.invalid(operation, input, { field: option, message: `Expected ${expected}` })
    )

const nextOf = (error: HighLevelError.HighLevelError): Attempt<never, never>["next"] => {
  // No other refusal is cured by another token.
  if (error._tag === "Unauthorized" && error.reason === "InvalidToken") return "renew token"
  return HighLevelError.isTransient(error) ? "retry" : "end"
}

const attemptOf = <O>(
  result: Result.Result<O, HighLevelError.HighLevelError>,
  observation: Attempt<never, never>["observation"]
): Attempt<O, HighLevelError.HighLevelError> => ({
  result,
  observation,
  next: Result.isSuccess(result) ? "end" : nextOf(result.failure)
})

/** Calls operations through one client. */
export const make = (settings: Settings) => {
  const { baseUrl, policies, retry } = settings
  const exchange = Exchange.make(settings)

  return <I extends object, O>(
    operation: Operation<I, O>,
    input: I,
    options: CallOptions
  ): Effect.Effect<Retry.Executed<O>, HighLevelError.HighLevelError> =>
    Effect.gen(function* () {
      const valid = yield* Effect.fromResult(Request.validate(operation, input))
      const checked = option(operation.name, input)
      const version =
        options.version === undefined ? settings.version : yield* checked(OptionsCheck.version(options.version))
      const timeoutMillis =
        options.timeout === undefined
          ? settings.timeoutMillis
          : Duration.toMillis(yield* checked(OptionsCheck.timeout(options.timeout)))
      const request = yield* Effect.fromResult(Request.make(baseUrl, operation, valid, version))
      return yield* Retry.run<O, HighLevelError.HighLevelError>(policies, retry, {
        operation: operation.name,
        ...Request.idsOf(valid),
        isRepeatable: operation.isRepeatable,
        unknownApplied: Response.unknownApplied(operation),
        timeoutMillis,
        finishInFlight: options.finishInFlight === true,
        attempt: (token, subject) => {
          const redact = Redaction.make(token)
          return Effect.matchEffect(exchange(Request.withToken(request, token), redact), {
            onFailure: (error) =>
              Effect.succeed(
                attemptOf<O>(Result.fail(Response.broken(operation, error, subject)), { _tag: "Unknown" })
              ),
            onSuccess: (received) =>
              Effect.map(Clock.currentTimeMillis, (now) =>
                attemptOf(
                  Response.read(operation, received, subject, redact),
                  RateLimitHeaders.read(received.status, received.headers, now, retry.maxRetryAfterMillis)
                )
              )
          })
        }
      })
    })
}
