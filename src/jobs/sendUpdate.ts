/** Sends an update and returns its outcome. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { CallOptions, Service } from "../client/HighLevelClient.ts"
import * as HighLevelError from "../client/HighLevelError.ts"
import { updateConversation } from "../wire/updateConversation.ts"
import type { Base, Failed, Sent } from "./Outcome.ts"

/** The outcome of an update that was not applied. */
export const failed = <Row>({ row, update }: Base<Row>, error: HighLevelError.HighLevelError): Failed<Row> => ({
  _tag: "Failed",
  row,
  update,
  attempts: "attempts" in error ? error.attempts : 0,
  error
})

/** Fork it uninterruptibly: with `finishInFlight`, an interruption ends its waits but lets its request finish. */
export const make = <Row>(
  client: Service,
  { row, update }: Base<Row>,
  options: CallOptions & Required<Pick<CallOptions, "finishInFlight">>
): Effect.Effect<Sent<Row>> =>
  client.execute(updateConversation, update, options).pipe(
    Effect.match({
      onSuccess: ({ attempts, output }): Sent<Row> => ({
        _tag: "Applied",
        row,
        update,
        attempts,
        response: Option.some(output)
      }),
      onFailure: (error): Sent<Row> => {
        const outcome = failed({ row, update }, error)
        return HighLevelError.applied(error) === "yes"
          ? { _tag: "Applied", row, update, attempts: outcome.attempts, response: Option.none() }
          : outcome
      }
    }),
    Effect.catchCause((cause): Effect.Effect<Sent<Row>> =>
      Cause.hasDies(cause) ? Effect.succeed({ _tag: "Defect", row, update, cause }) : Effect.failCause(cause)
    )
  )
