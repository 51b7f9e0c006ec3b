/** Executes an operation: validates its input, sends the request, reads the output. */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { ApiVersion, Operation } from "../wire/Operation.ts"
import type { Policies } from "./attempt.ts"
import type { CallOptions } from "./clientOptions.ts"
import type * as HighLevelError from "./HighLevelError.ts"
import * as OptionsCheck from "./options.ts"
import * as Request from "./request.ts"
import * as Response from "./response.ts"
import * as Retry from "./retry.ts"

/** The parts of a client. */
export interface Settings {
  readonly baseUrl: string
  readonly version: ApiVersion
  readonly timeoutMillis: number
  readonly policies: Policies
  readonly retry: Retry.Policy
}

// The options of a call are checked like those of the client.
const option = <A>(operation: string, input: unknown, check: Effect.Effect<A, HighLevelError.InvalidOptions>) =>
  Effect.mapError(check, ({ expected, option }) =>
    Request.invalid(operation, input, { field: option, message: `Expected ${expected}` })
  )

/** Makes the function that calls operations through one client. */
export const make = ({ baseUrl, policies, retry, ...defaults }: Settings) => {
  const send = <I extends object, O>(
    context: Context.Context<never>,
    operation: Operation<I, O>,
    input: I,
    { timeoutMillis, version }: Pick<Settings, "timeoutMillis" | "version">,
    { finishInFlight = false, requestSlot }: CallOptions
  ): Effect.Effect<Retry.Executed<O>, HighLevelError.HighLevelError> => {
    const valid = Request.validate(operation, input)
    if (Result.isFailure(valid)) return Effect.fail(valid.failure)
    const request = Request.make(baseUrl, operation, valid.success, version)
    if (Result.isFailure(request)) return Effect.fail(request.failure)
    return Retry.run<O, HighLevelError.HighLevelError>(context, policies, retry, {
      subject: {
        operation: operation.name,
        locationId: "",
        ...Request.givenIds(valid.success),
        attempts: 0,
        applied: "no"
      },
      request: request.success,
      read: (received, subject, token) => Response.read(operation, received, subject, token),
      broken: (broken, subject, token) => Response.broken(operation, broken, subject, token),
      isIdempotent: operation.isIdempotent,
      isWrite: operation.isWrite,
      timeoutMillis,
      finishInFlight,
      requestSlot
    })
  }

  const overridden = Effect.fnUntraced(function* (
    { timeout, version }: CallOptions,
    operation: string,
    input: unknown
  ) {
    return {
      version:
        version === undefined ? defaults.version : yield* option(operation, input, OptionsCheck.version(version)),
      timeoutMillis:
        timeout === undefined
          ? defaults.timeoutMillis
          : yield* option(operation, input, OptionsCheck.millis(timeout, "timeout"))
    }
  })

  return <I extends object, O>(
    context: Context.Context<never>,
    operation: Operation<I, O>,
    input: I,
    options: CallOptions
  ) =>
    options.version === undefined && options.timeout === undefined
      ? send(context, operation, input, defaults, options)
      : Effect.flatMap(overridden(options, operation.name, input), (settings) =>
          send(context, operation, input, settings, options)
        )
}
