/** The outcomes of an update, in a job or in a queue. */
import type * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import type * as Option from "effect/Option"
import type * as HighLevelError from "../client/HighLevelError.ts"
import type { ConversationUpdate, UpdateConversationResponse } from "../wire/updateConversation.ts"

/** The fields of every outcome. */
export interface Base<Row> {
  /** The application's row. */
  readonly row: Row
  /** The update of the row. */
  readonly update: ConversationUpdate
}

/** The update was applied. */
export interface Applied<Row = ConversationUpdate> extends Base<Row> {
  readonly _tag: "Applied"
  /** The number of requests sent. */
  readonly attempts: number
  /** The response; none if it could not be read. */
  readonly response: Option.Option<UpdateConversationResponse>
}

/** The update failed. `HighLevelError.applied(error)` tells whether it may have been applied. */
export interface Failed<Row = ConversationUpdate> extends Base<Row> {
  readonly _tag: "Failed"
  readonly attempts: number
  readonly error: HighLevelError.HighLevelError
}

/** A bug: the client died with a defect. Whether the update was applied is unknown. */
export interface Defect<Row = ConversationUpdate> extends Base<Row> {
  readonly _tag: "Defect"
  readonly cause: Cause.Cause<never>
}

/** Nothing was sent: the location or the job was stopped before. The next run sends it. */
export interface NotSent<Row = ConversationUpdate> extends Base<Row> {
  readonly _tag: "NotSent"
  /** The reason of the stop. */
  readonly reason: HighLevelError.HighLevelError | TooManyFailures
}

/** Nothing was sent: according to the journal, the conversation already has these values. */
export interface Skipped<Row = ConversationUpdate> extends Base<Row> {
  readonly _tag: "Skipped"
}

/** Nothing was sent: a dry run. */
export interface Planned<Row = ConversationUpdate> extends Base<Row> {
  readonly _tag: "Planned"
}

/** The job reached its `maxFailures`. */
export class TooManyFailures extends Data.TaggedError("TooManyFailures")<{ readonly maxFailures: number }> {
  override get message() {
    return `Stopped after ${this.maxFailures} failed update${this.maxFailures === 1 ? "" : "s"}`
  }
}

/** The outcome of an update that was sent. */
export type Sent<Row> = Applied<Row> | Failed<Row> | Defect<Row>
