/** One update of a job: what it came to, and how many requests it took. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type { Service } from "../Conversations.ts"
import type { Answer, ConversationUpdate } from "../ConversationUpdate.ts"
import type { UpdateError } from "../HighLevelError.ts"
import { Course } from "./course.ts"

export type Ended =
  | { readonly _tag: "Applied"; readonly attempts: number; readonly answer: Option.Option<Answer> }
  | { readonly _tag: "Failed"; readonly attempts: number; readonly error: UpdateError }

/** To be stopped by an interruption between its requests, and not within one. */
export const make = Effect.fnUntraced(function* (
  conversations: Service,
  update: ConversationUpdate
): Effect.fn.Return<Ended> {
  const course = { attempts: 0 }
  const result = yield* Effect.result(Effect.provideService(conversations.update(update), Course, course))
  if (Result.isSuccess(result)) {
    // A service that somebody else made does not count.
    return { _tag: "Applied", attempts: Math.max(1, course.attempts), answer: Option.some(result.success) }
  }
  const error = result.failure
  const attempts = "attempts" in error ? error.attempts : 0
  // Only its receipt is lost.
  if (error._tag === "AppliedUnreadable") return { _tag: "Applied", attempts, answer: Option.none() }
  return { _tag: "Failed", attempts, error }
})
