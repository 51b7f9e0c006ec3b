/** The stored form of an update, in a queue and in the list of failures. */
import * as Cause from "effect/Cause"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as PersistedQueue from "effect/persistence/PersistedQueue"
import * as Hash from "../client/hash.ts"
import { ConversationUpdate } from "../wire/updateConversation.ts"
import type * as Outcome from "./Outcome.ts"

/** An update in a queue, and its job. */
export interface QueuedUpdate {
  readonly job: string
  readonly update: ConversationUpdate
}

/** The end of a delivery whose update was not applied. */
export type Unsuccessful = Outcome.Failed<QueuedUpdate> | Outcome.Defect<QueuedUpdate>

const fields = { job: Schema.String, update: ConversationUpdate }

/** Includes the deliveries so far, since a delayed update returns to the queue as a new element. */
export const Element = Schema.Struct({ ...fields, deliveries: Schema.Int })

export interface Element extends Schema.Schema.Type<typeof Element> {}

/** An update that failed permanently. */
export const Failure = Schema.Struct({
  ...fields,
  /** The tag of its `HighLevelError`, or `Defect`. */
  error: Schema.Struct({ _tag: Schema.String, message: Schema.String }),
  /** How often it was delivered to a worker. */
  deliveries: Schema.Int,
  failedAt: Schema.DateTimeUtc
})

export interface Failure extends Schema.Schema.Type<typeof Failure> {}

/** Encodes validated values. */
export const orDieOfSchema = <A, E, R>(effect: Effect.Effect<A, E | Schema.SchemaError, R>) =>
  Effect.catchIf(effect, Schema.isSchemaError, Effect.die)

const FailureText = Schema.fromJsonString(Schema.toCodecJson(Failure))
const encodeFailure = Schema.encodeEffect(FailureText)
export const decodeFailure = Schema.decodeEffect(FailureText)

/** The listed form of a failure. */
export const failureText = (outcome: Unsuccessful, deliveries: number) =>
  Effect.flatMap(DateTime.now, (failedAt) => {
    const error =
      outcome._tag === "Failed"
        ? { _tag: outcome.error._tag, message: outcome.error.message }
        : { _tag: outcome._tag, message: Cause.prettyErrors(outcome.cause)[0]?.message ?? "" }
    return orDieOfSchema(encodeFailure({ ...outcome.row, error, deliveries, failedAt }))
  })

/** The id of a job's update. Two contents collide with a probability of 1 in 9e15. */
export const idOf = ({ job, update }: QueuedUpdate): string => {
  const { conversationId, feedback, locationId, starred, unreadCount } = update
  return JSON.stringify([job, locationId, conversationId, Hash.make(JSON.stringify([unreadCount, starred, feedback]))])
}

// Deliveries are counted here, because Effect's own list of failures cannot be read.
const unlimited = 2 ** 31 - 1

export const queueOf = (name: string) =>
  Effect.map(PersistedQueue.make({ name, schema: Element, maxAttempts: unlimited }), ({ offer, take }) => ({
    take,
    offer: (...args: Parameters<typeof offer>) => orDieOfSchema(offer(...args))
  }))
