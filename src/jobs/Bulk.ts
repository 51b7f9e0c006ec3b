/**
 * Many updates, one outcome each.
 *
 * There is no bulk endpoint: a job of a hundred thousand updates is as many
 * requests, under the rate limit. {@link updateAll} keeps a bounded number of them in
 * flight, in constant memory, and with a `Journal` it can be stopped, or killed,
 * and run again.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import { HighLevelClient, type RequestSlot } from "../client/HighLevelClient.ts"
import type { InvalidOptions } from "../client/HighLevelError.ts"
import * as OptionsCheck from "../client/options.ts"
import * as Request from "../client/request.ts"
import { type ConversationUpdate, updateConversation } from "../wire/updateConversation.ts"
import * as Calls from "./calls.ts"
import type { Journal, JournalError } from "./Journal.ts"
import type { Base, NotSent, Planned, Sent, Skipped } from "./Outcome.ts"
import * as SendUpdate from "./sendUpdate.ts"

export type { Applied, Defect, Failed, NotSent, Planned, Skipped } from "./Outcome.ts"

/** The outcome of a row. */
export type Outcome<Row = ConversationUpdate> = Sent<Row> | NotSent<Row> | Skipped<Row> | Planned<Row>

/** How a job is run. */
export interface Options {
  /** Maximum requests in flight. @default 64 */
  readonly concurrency?: number | undefined

  /** Maximum requests in flight in one location. @default 16 */
  readonly concurrencyPerLocation?: number | undefined

  /**
   * How many rows are read ahead, so that one location does not delay another: an input
   * sorted by location is sent in parallel as far as so many rows reach.
   *
   * @default 10_000
   */
  readonly readAhead?: number | undefined

  /** Skips what earlier runs have set, and records what this one sets. */
  readonly journal?: Journal | undefined

  /**
   * When it succeeds, the job stops: nothing more is sent, requests in flight finish,
   * and the stream ends with their outcomes.
   *
   * @default never
   */
  readonly stop?: Effect.Effect<unknown> | undefined

  /** After how many failures, of any kind, the rest is `NotSent`. @default none */
  readonly maxFailures?: number | undefined

  /** Sends nothing: each valid update is `Planned`, or `Skipped`. @default false */
  readonly dryRun?: boolean | undefined
}

// Calls of one location that have begun: what waits for a retry lets so many others pass.
const begunPerLocation = 128
const idleLocation = "1 minute"

interface Ticket<Row> extends Base<Row> {
  /** The update of the same conversation before this one. */
  readonly previous: Deferred.Deferred<void> | undefined
  readonly ended: Deferred.Deferred<void>
}

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

const run = <Row, E, R>(
  rows: Stream.Stream<Row, E, R>,
  toUpdate: (row: Row) => ConversationUpdate,
  options: Options
): Stream.Stream<Outcome<Row>, E | InvalidOptions | JournalError, R | HighLevelClient> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const { dryRun = false, journal } = options
      const concurrency = yield* OptionsCheck.count(options.concurrency ?? 64, "concurrency")
      const perLocation = yield* OptionsCheck.count(options.concurrencyPerLocation ?? 16, "concurrencyPerLocation")
      const readAhead = yield* OptionsCheck.count(options.readAhead ?? 10_000, "readAhead")
      const client = yield* HighLevelClient
      const window = Semaphore.makeUnsafe(readAhead)
      const total = Semaphore.makeUnsafe(concurrency)
      const maxFailures =
        options.maxFailures === undefined ? Infinity : yield* OptionsCheck.count(options.maxFailures, "maxFailures")
      // A journal that fails stops the job. What was sent by then is reported before the error.
      const journalFailed = yield* Deferred.make<never, JournalError>()
      const stop = Effect.raceFirst(options.stop ?? Effect.never, Effect.exit(Deferred.await(journalFailed)))
      const calls = yield* Calls.make(stop, maxFailures)
      const last = new Map<string, Deferred.Deferred<void>>()

      const keyOf = ({ conversationId, locationId }: ConversationUpdate) => JSON.stringify([locationId, conversationId])

      const ticketOf = (row: Row): Ticket<Row> => {
        const update = toUpdate(row)
        const key = keyOf(update)
        const previous = last.get(key)
        const ended = Deferred.makeUnsafe<void>()
        last.set(key, ended)
        return { row, update, previous, ended }
      }

      /** Lets the next update of the conversation begin, now that this one is reported. */
      const leave = ({ ended, update }: Ticket<Row>) => {
        Deferred.doneUnsafe(ended, Exit.void)
        const key = keyOf(update)
        if (last.get(key) === ended) last.delete(key)
        return window.release(1)
      }

      const send = Effect.fnUntraced(function* (ticket: Ticket<Row>, requestSlot: RequestSlot) {
        if (journal !== undefined) yield* journal.begin(ticket.update)
        const sent = yield* SendUpdate.make(client, ticket, { requestSlot })
        if (journal !== undefined)
          yield* Effect.catch(journal.end(sent), (error) => Deferred.fail(journalFailed, error))
        return sent
      })

      /** The outcome, or none of an update that was stopped before it was sent. */
      const outcome = Effect.fnUntraced(function* (
        ticket: Ticket<Row>,
        requestSlot: RequestSlot
      ): Effect.fn.Return<Outcome<Row> | undefined, JournalError> {
        const { previous, row, update } = ticket
        if (previous !== undefined) yield* Deferred.await(previous)
        const valid = Request.validate(updateConversation, update)
        if (Result.isFailure(valid))
          return calls.ended({ _tag: "Failed", row, update, attempts: 0, error: valid.failure })
        if (journal !== undefined && (yield* journal.isApplied(update))) return { _tag: "Skipped", row, update }
        if (dryRun) return { _tag: "Planned", row, update }
        return yield* calls.run(ticket, send(ticket, requestSlot))
      })

      const failed = yield* Deferred.make<never, E>()
      return rows.pipe(
        Stream.interruptWhen(calls.stopped),
        Stream.catchCause((cause) => Stream.fromEffectDrain(Deferred.failCause(failed, cause))),
        Stream.mapEffect((row) => Effect.as(window.take(1), row)),
        Stream.map(ticketOf),
        Stream.groupByKey(({ update }) => update.locationId, {
          bufferSize: readAhead,
          idleTimeToLive: idleLocation
        }),
        Stream.flatMap(
          ([, tickets]) => {
            const location = Semaphore.makeUnsafe(perLocation)
            const requestSlot = {
              acquire: Effect.andThen(
                location.take(1),
                Effect.onInterrupt(total.take(1), () => location.release(1))
              ),
              release: Effect.andThen(total.release(1), location.release(1))
            }
            return Stream.mapEffect(
              tickets,
              (ticket) =>
                outcome(ticket, requestSlot).pipe(
                  Effect.catch((error) => Effect.as(Deferred.fail(journalFailed, error), undefined)),
                  Effect.map((found) => ({ ticket, found }))
                ),
              { concurrency: begunPerLocation, unordered: true }
            )
          },
          { concurrency: "unbounded" }
        ),
        Stream.mapEffect(({ found, ticket }) => Effect.as(leave(ticket), found)),
        Stream.filter((found) => found !== undefined),
        Stream.concat(
          Stream.suspend((): Stream.Stream<never, E | JournalError> =>
            Deferred.isDoneUnsafe(journalFailed)
              ? Stream.fromEffect(Deferred.await(journalFailed))
              : Deferred.isDoneUnsafe(failed)
                ? Stream.fromEffect(Deferred.await(failed))
                : Stream.empty
          )
        )
      )
    })
  )
