/** Runs the updates of a job: in order for each conversation, and independently for each location. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import { type CallOptions, HighLevelClient, type RequestSlot } from "../client/HighLevelClient.ts"
import type { HighLevelError, InvalidOptions } from "../client/HighLevelError.ts"
import * as OptionsCheck from "../client/options.ts"
import * as Request from "../client/request.ts"
import { type ConversationUpdate, updateConversation } from "../wire/updateConversation.ts"
import * as Calls from "./calls.ts"
import type { Journal, JournalError } from "./Journal.ts"
import type { Applied, Base, NotSent, Planned, Sent, Skipped } from "./Outcome.ts"
import * as SendUpdate from "./sendUpdate.ts"

/** The outcome of a row. */
export type Outcome<Row = ConversationUpdate> = Sent<Row> | NotSent<Row> | Skipped<Row> | Planned<Row>

/** The options of a job. */
export interface Options {
  /** Maximum requests in flight. @default 64 */
  readonly concurrency?: number | undefined

  /** Maximum requests in flight in one location. @default 16 */
  readonly concurrencyPerLocation?: number | undefined

  /**
   * How many rows to read ahead. Locations within that range are updated concurrently, even
   * if the input is sorted by location.
   *
   * @default 10_000
   */
  readonly readAhead?: number | undefined

  /** Skips values that earlier runs have set, and records those of this run. */
  readonly journal?: Journal | undefined

  /**
   * Stops the job when this effect succeeds: nothing more is sent, requests in flight
   * finish, and the stream ends with their outcomes.
   *
   * @default never
   */
  readonly stop?: Effect.Effect<unknown> | undefined

  /** The number of failures after which the remaining updates are `NotSent`. @default unlimited */
  readonly maxFailures?: number | undefined

  /** Sends nothing: each valid update is `Planned`, or `Skipped`. @default false */
  readonly dryRun?: boolean | undefined
}

/** Decisions about a row besides its update. */
export interface Decisions<Row, Left> {
  /** The outcome of a row to skip. */
  readonly leaveAlone?: (row: Row) => Left | undefined
  /** Reads a row again before its update, for another `leaveAlone`. */
  readonly reread?: ((row: Row, options: CallOptions) => Effect.Effect<Row, HighLevelError>) | undefined
  /** The update that undoes one whose response shows that its row should have been skipped, and its outcome. */
  readonly undo?: (applied: Applied<Row>) => { readonly update: ConversationUpdate; readonly left: Left } | undefined
  /** Maximum calls of one location that wait or are in flight. Others overtake one that waits for a retry. @default 128 */
  readonly begunPerLocation?: number | undefined
}

const idleLocation = "1 minute"

interface Ticket<Row> extends Base<Row> {
  /** The previous update of the same conversation. */
  readonly previous: Deferred.Deferred<void> | undefined
  readonly ended: Deferred.Deferred<void>
}

export const run = <Row, E, R, Left = never>(
  rows: Stream.Stream<Row, E, R>,
  toUpdate: (row: Row) => ConversationUpdate,
  options: Options & Decisions<Row, Left>
): Stream.Stream<Outcome<Row> | Left, E | InvalidOptions | JournalError, R | HighLevelClient> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const { begunPerLocation = 128, dryRun = false, journal, reread } = options
      const { leaveAlone = () => undefined, undo = () => undefined } = options
      const concurrency = yield* OptionsCheck.count(options.concurrency ?? 64, "concurrency")
      const perLocation = yield* OptionsCheck.count(options.concurrencyPerLocation ?? 16, "concurrencyPerLocation")
      const readAhead = yield* OptionsCheck.count(options.readAhead ?? 10_000, "readAhead")
      const client = yield* HighLevelClient
      const window = Semaphore.makeUnsafe(readAhead)
      const total = Semaphore.makeUnsafe(concurrency)
      const maxFailures =
        options.maxFailures === undefined ? Infinity : yield* OptionsCheck.count(options.maxFailures, "maxFailures")
      // A failing journal stops the job. Outcomes of sent updates are emitted before the error.
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

      /** Starts the next update of the conversation, after this one's outcome. */
      const leave = ({ ended, update }: Ticket<Row>) => {
        Deferred.doneUnsafe(ended, Exit.void)
        const key = keyOf(update)
        if (last.get(key) === ended) last.delete(key)
        return window.release(1)
      }

      const send = Effect.fnUntraced(function* (
        ticket: Ticket<Row>,
        requestSlot: RequestSlot
      ): Effect.fn.Return<Sent<Row> | Left, JournalError> {
        if (reread !== undefined) {
          const read = yield* Effect.result(Effect.interruptible(reread(ticket.row, { requestSlot })))
          if (Result.isFailure(read)) return calls.ended(SendUpdate.failed(ticket, read.failure))
          const left = leaveAlone(read.success)
          if (left !== undefined) return left
        }
        if (journal !== undefined) yield* journal.begin(ticket.update)
        const sent = calls.ended(yield* SendUpdate.make(client, ticket, { requestSlot, finishInFlight: true }))
        if (journal !== undefined)
          yield* Effect.catch(journal.end(sent), (error) => Deferred.fail(journalFailed, error))
        const undone = sent._tag === "Applied" ? undo(sent) : undefined
        if (undone === undefined) return sent
        // A stop does not end these waits.
        const undoing = yield* SendUpdate.make(
          client,
          { row: sent.row, update: undone.update },
          { requestSlot, finishInFlight: false }
        )
        return undoing._tag === "Applied" ? undone.left : calls.ended(undoing)
      })

      /** The outcome; none if the update was stopped before it was sent. */
      const outcome = Effect.fnUntraced(function* (
        ticket: Ticket<Row>,
        requestSlot: RequestSlot
      ): Effect.fn.Return<Outcome<Row> | Left | undefined, JournalError> {
        const { previous, row, update } = ticket
        if (previous !== undefined) yield* Deferred.await(previous)
        const left = leaveAlone(row)
        if (left !== undefined) return left
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
