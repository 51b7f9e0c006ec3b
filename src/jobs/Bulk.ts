/**
 * Sends many updates and reports the outcome of each.
 *
 * HighLevel has no bulk endpoint: 100,000 updates take 100,000 requests, under the rate
 * limit. {@link updateAll} keeps a bounded number of them in flight and uses constant
 * memory. With a `Journal`, a job can be stopped or killed and then continued.
 */
import type * as Stream from "effect/Stream"
import type { HighLevelClient } from "../client/HighLevelClient.ts"
import type { InvalidOptions } from "../client/HighLevelError.ts"
import type { ConversationUpdate } from "../wire/updateConversation.ts"
import type { JournalError } from "./Journal.ts"
import { type Options, type Outcome, run } from "./runUpdates.ts"

export type { Applied, Defect, Failed, NotSent, Planned, Skipped } from "./Outcome.ts"

export type { Options, Outcome } from "./runUpdates.ts"

/**
 * Sends an update for each row, and emits the outcomes in order of completion.
 *
 * **Details**
 *
 * - A row is an update, with any additional fields, or any value with a function that
 *   makes its update.
 * - Every row has an outcome. A failed update does not stop the others.
 * - Updates of the same conversation are sent one after the other, in input order.
 * - If HighLevel rejects two updates in a row because of the token, its scope or the
 *   `Version`, or the daily limit is reached, the location stops: its remaining updates
 *   are `NotSent`.
 * - If the input fails, the stream fails after the outcomes of the rows before. If the
 *   journal fails, the job stops, and the stream fails after the outcomes of the requests
 *   in flight.
 * - An interruption waits for the requests in flight and for the journal.
 * - An update may be sent twice if its response was lost or the process died. That is
 *   safe, since it sets absolute values.
 *
 * **Example** (Mark the conversations of contacts as read)
 *
 * ```ts
 * import { Bulk, HighLevelClient } from "effect-highlevel"
 * import { Sandbox } from "effect-highlevel/testing"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as Redacted from "effect/Redacted"
 * import * as Stream from "effect/Stream"
 *
 * const contacts = Stream.make(
 *   { name: "Ada", conversation: "tDtDnQdgm2LXpyiqYvZ6" },
 *   { name: "Bob", conversation: "unknown" }
 * )
 *
 * const program = Bulk.updateAll(contacts, ({ conversation }) => ({
 *   conversationId: conversation,
 *   locationId: "tDtDnQdgm2LXpyiqYvZ6",
 *   unreadCount: 0
 * })).pipe(
 *   Stream.map(({ _tag, row }) => `${row.name}: ${_tag}`),
 *   Stream.runCollect,
 *   Effect.map((outcomes) => outcomes.toSorted())
 * )
 *
 * const layer = HighLevelClient.layer({ token: Redacted.make("sandbox-token") }).pipe(Layer.provide(Sandbox.layer()))
 *
 * await Effect.runPromise(program.pipe(Effect.provide(layer))) // => ["Ada: Applied", "Bob: Failed"]
 * ```
 */
export function updateAll<Row extends ConversationUpdate, E, R>(
  rows: Stream.Stream<Row, E, R>,
  options?: Options
): Stream.Stream<Outcome<Row>, E | InvalidOptions | JournalError, R | HighLevelClient>
export function updateAll<Row, E, R>(
  rows: Stream.Stream<Row, E, R>,
  toUpdate: (row: Row) => ConversationUpdate,
  options?: Options
): Stream.Stream<Outcome<Row>, E | InvalidOptions | JournalError, R | HighLevelClient>
export function updateAll<E, R>(
  rows: Stream.Stream<ConversationUpdate, E, R>,
  toUpdate: Options | ((row: ConversationUpdate) => ConversationUpdate) = {},
  options: Options = {}
) {
  return typeof toUpdate === "function" ? run(rows, toUpdate, options) : run(rows, updateOf, toUpdate)
}

/** Picks the fields of an update from a row. */
const updateOf = ({ conversationId, feedback, locationId, starred, unreadCount }: ConversationUpdate) => ({
  conversationId,
  locationId,
  ...(unreadCount === undefined ? {} : { unreadCount }),
  ...(starred === undefined ? {} : { starred }),
  ...(feedback === undefined ? {} : { feedback })
})
