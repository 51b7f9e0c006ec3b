/**
 * Many updates, one outcome each.
 *
 * There is no bulk endpoint: a job of a hundred thousand updates is as many
 * requests, under the rate limit. {@link updateAll} keeps a bounded number of them in
 * flight, in constant memory, and with a `Journal` it can be stopped, or killed,
 * and run again.
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
 * Sends an update for each row and emits the outcome of each, in the order in which
 * they end.
 *
 * **Details**
 *
 * - A row is an update, whatever other fields it has, or anything, with a function to its update.
 * - Every row has an outcome; a failed one does not stop the others.
 * - Two updates of one conversation are sent one after the other, in input order.
 * - A token that HighLevel refuses, a missing scope, a wrong `Version` or a reached daily
 *   limit stops the updates of that location: the rest are `NotSent`. It takes two refusals,
 *   one after the other.
 * - When the input fails, so does the stream, after the outcomes of what came before. A
 *   journal that fails stops the job, and the stream fails after the outcomes of what was sent.
 * - An interruption waits for the requests in flight, and for the journal.
 * - An update may be sent twice, when its response was lost or the process died; it
 *   sets absolute values.
 *
 * **Example** (Marking as read, with the name of a contact)
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

/** The fields of an update, and nothing else that a row may have. */
const updateOf = ({ conversationId, feedback, locationId, starred, unreadCount }: ConversationUpdate) => ({
  conversationId,
  locationId,
  ...(unreadCount === undefined ? {} : { unreadCount }),
  ...(starred === undefined ? {} : { starred }),
  ...(feedback === undefined ? {} : { feedback })
})
