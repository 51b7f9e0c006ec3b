/** One update of a job: sent, and not cut off while it is in flight. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Service } from "../client/HighLevelClient.ts"
import * as HighLevelError from "../client/HighLevelError.ts"
import {
  type ConversationUpdate,
  updateConversation,
  type UpdateConversationResponse
} from "../wire/updateConversation.ts"

/** How an update ended. */
export type SendResult =
  | {
      readonly _tag: "Applied"
      readonly attempts: number
      /** None where the response could not be read. */
      readonly response: Option.Option<UpdateConversationResponse>
    }
  | { readonly _tag: "Failed"; readonly attempts: number; readonly error: HighLevelError.HighLevelError }

/** To be forked as uninterruptible: an interruption ends its waits, and lets its request finish. */
export const make = (client: Service, update: ConversationUpdate): Effect.Effect<SendResult> =>
  Effect.match(client.execute(updateConversation, update, { finishInFlight: true }), {
    onSuccess: ({ attempts, output }): SendResult => ({ _tag: "Applied", attempts, response: Option.some(output) }),
    onFailure: (error): SendResult => {
      const attempts = "attempts" in error ? error.attempts : 0
      return HighLevelError.applied(error) === "yes"
        ? { _tag: "Applied", attempts, response: Option.none() }
        : { _tag: "Failed", attempts, error }
    }
  })
