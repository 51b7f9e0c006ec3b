/** Sends an update and says how it ended. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { CallOptions, Service } from "../client/HighLevelClient.ts"
import * as HighLevelError from "../client/HighLevelError.ts"
import { updateConversation } from "../wire/updateConversation.ts"
import type { Base, Sent } from "./Outcome.ts"

/** To be forked as uninterruptible: an interruption ends its waits, and lets its request finish. */
export const make = <Row>(
  client: Service,
  { row, update }: Base<Row>,
  options?: Omit<CallOptions, "finishInFlight">
): Effect.Effect<Sent<Row>> =>
  client.execute(updateConversation, update, { ...options, finishInFlight: true }).pipe(
    Effect.match({
      onSuccess: ({ attempts, output }): Sent<Row> => ({
        _tag: "Applied",
        row,
        update,
        attempts,
        response: Option.some(output)
      }),
      onFailure: (error): Sent<Row> => {
        const attempts = "attempts" in error ? error.attempts : 0
        return HighLevelError.applied(error) === "yes"
          ? { _tag: "Applied", row, update, attempts, response: Option.none() }
          : { _tag: "Failed", row, update, attempts, error }
      }
    }),
    Effect.catchCause((cause): Effect.Effect<Sent<Row>> =>
      Cause.hasDies(cause) ? Effect.succeed({ _tag: "Defect", row, update, cause }) : Effect.failCause(cause)
    )
  )
