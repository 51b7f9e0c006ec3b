/** How an update ends: the same in a job and in a queue. */
import type * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import type * as Option from "effect/Option"
import type * as HighLevelError from "../client/HighLevelError.ts"
import type { ConversationUpdate, UpdateConversationResponse } from "../wire/updateConversation.ts"

/** What every outcome has. */
export interface Base<Row> {
  /** What the application gave. */
  readonly row: Row
  /** What was sent for it, or was to be sent. */
  readonly update: ConversationUpdate
}

/** The update was applied. */
export interface Applied<Row = ConversationUpdate> extends Base<Row> {
  readonly _tag: "Applied"
  /** How many requests it took. */
  readonly attempts: number
  /** None where the response could not be read. */
  readonly response: Option.Option<UpdateConversationResponse>
}

/** The update was not applied, or that is not known: see the error. */
export interface Failed<Row = ConversationUpdate> extends Base<Row> {
  readonly _tag: "Failed"
  readonly attempts: number
  readonly error: HighLevelError.HighLevelError
}

/** A bug: the client died instead of failing. Whether the update was applied is not known. */
export interface Defect<Row = ConversationUpdate> extends Base<Row> {
  readonly _tag: "Defect"
  readonly cause: Cause.Cause<never>
}

/** Nothing was sent: the updates of the location, or all, were stopped before. The next run sends it. */
export interface NotSent<Row = ConversationUpdate> extends Base<Row> {
  readonly _tag: "NotSent"
  /** What stopped them. */
  readonly reason: HighLevelError.HighLevelError | TooManyFailures
}

/** Nothing was sent: the journal knows that the conversation was set to these values. */
export interface Skipped<Row = ConversationUpdate> extends Base<Row> {
  readonly _tag: "Skipped"
}

/** Nothing was sent, in a dry run. */
export interface Planned<Row = ConversationUpdate> extends Base<Row> {
  readonly _tag: "Planned"
}

/** The job was stopped by its `maxFailures`. */
export class TooManyFailures extends Data.TaggedError("TooManyFailures")<{ readonly maxFailures: number }> {
  override get message() {
    return `Stopped after ${this.maxFailures} failed update${this.maxFailures === 1 ? "" : "s"}`
  }
}

/** What came of an update that was sent. */
export type Sent<Row> = Applied<Row> | Failed<Row> | Defect<Row>
