/** From an operation and its input to its output: checked, sent, read. */
import * as Effect from "effect/Effect"
import type { ApiVersion, Operation } from "../wire/Operation.ts"
import type { Policies } from "./attempt.ts"
import type { CallOptions } from "./clientOptions.ts"
import type * as HighLevelError from "./HighLevelError.ts"
import * as HighLevelMetrics from "./HighLevelMetrics.ts"
import * as OptionsCheck from "./options.ts"
import * as Request from "./request.ts"
import * as Response from "./response.ts"
import * as Retry from "./retry.ts"

/** What a client is made of. */
export interface Settings {
  readonly baseUrl: string
  readonly version: ApiVersion
  readonly timeoutMillis: number
  readonly policies: Policies
  readonly retry: Retry.Policy
}

// What a call decides for itself is checked as the client's options are.
const option = <A>(operation: string, input: unknown, check: Effect.Effect<A, HighLevelError.InvalidOptions>) =>
  Effect.mapError(check, ({ expected, option }) =>
    Request.invalid(operation, input, { field: option, message: `Expected ${expected}` })
  )

/** Calls operations through one client. */
export const make = ({ baseUrl, policies, retry, ...defaults }: Settings) =>
  Effect.fnUntraced(function* <I extends object, O>(
    operation: Operation<I, O>,
    input: I,
    options: CallOptions
  ): Effect.fn.Return<Retry.Executed<O>, HighLevelError.HighLevelError> {
    const { name } = operation
    const valid = yield* Effect.fromResult(Request.validate(operation, input))
    let { timeoutMillis, version } = defaults
    if (options.version !== undefined) version = yield* option(name, input, OptionsCheck.version(options.version))
    if (options.timeout !== undefined) {
      timeoutMillis = yield* option(name, input, OptionsCheck.millis(options.timeout, "timeout"))
    }
    const executed = yield* Retry.run<O, HighLevelError.HighLevelError>(policies, retry, {
      operation: name,
      locationId: "",
      ...Request.givenIds(valid),
      request: yield* Effect.fromResult(Request.make(baseUrl, operation, valid, version)),
      read: (received, subject, token) => Response.read(operation, received, subject, token),
      broken: (broken, subject, token) => Response.broken(operation, broken, subject, token),
      isRepeatable: operation.isRepeatable,
      isWrite: operation.isWrite,
      timeoutMillis,
      finishInFlight: options.finishInFlight === true
    })
    HighLevelMetrics.count(HighLevelMetrics.calls, name, "Success", yield* Effect.context())
    return executed
  })
