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
import * as Fiber from "effect/Fiber"
import type * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import { HighLevelClient } from "../client/HighLevelClient.ts"
import type { HighLevelError, InvalidOptions } from "../client/HighLevelError.ts"
import * as OptionsCheck from "../client/options.ts"
import * as Request from "../client/request.ts"
import {
  type ConversationUpdate,
  updateConversation,
  type UpdateConversationResponse
} from "../wire/updateConversation.ts"
import type { Journal, JournalError } from "./Journal.ts"
import * as SendUpdate from "./sendUpdate.ts"

/** The update was applied. */
export interface Applied<A extends ConversationUpdate = ConversationUpdate> {
  readonly _tag: "Applied"
  /** The index in the input, the first being 0. */
  readonly index: number
  /** The input itself. */
  readonly update: A
  /** How many requests it took. */
  readonly attempts: number
  /** None where the response could not be read. */
  readonly response: Option.Option<UpdateConversationResponse>
}

/** The update was not applied, or that is not known: see the error. */
export interface Failed<A extends ConversationUpdate = ConversationUpdate> {
  readonly _tag: "Failed"
  readonly index: number
  readonly update: A
  readonly attempts: number
  readonly error: HighLevelError
}

/** Nothing was sent: an earlier run applied the update, or a later one of the same conversation. */
export interface Skipped<A extends ConversationUpdate = ConversationUpdate> {
  readonly _tag: "Skipped"
  readonly index: number
  readonly update: A
}

/** Nothing was sent, in a dry run. */
export interface Planned<A extends ConversationUpdate = ConversationUpdate> {
  readonly _tag: "Planned"
  readonly index: number
  readonly update: A
}

/** The outcome of an input. */
export type Outcome<A extends ConversationUpdate = ConversationUpdate> =
  Applied<A> | Failed<A> | Skipped<A> | Planned<A>

/** How a job is run. */
export interface Options<A extends ConversationUpdate = ConversationUpdate> {
  /** Maximum concurrent updates. @default 64 */
  readonly concurrency?: number | undefined

  /** Maximum concurrent updates in one location. @default 16 */
  readonly concurrencyPerLocation?: number | undefined

  /** Records outcomes before they are reported, and knows those of earlier runs. */
  readonly journal?: Journal | undefined

  /**
   * When it succeeds, the job stops: nothing more is sent, requests in flight finish,
   * and the stream ends with their outcomes.
   *
   * @default never
   */
  readonly stop?: Effect.Effect<unknown> | undefined

  /**
   * The index of an update in the input, such as its line in a file, used as its
   * journal key. Increases from each update to the next.
   *
   * @default its place in the stream
   */
  readonly index?: ((update: A) => number) | undefined

  /** Sends nothing: each valid update is `Planned`, or `Skipped`. @default false */
  readonly dryRun?: boolean | undefined
}

// Inputs that wait for their conversation or their location let others pass.
const lookAhead = 4

interface Ticket<A> {
  readonly index: number
  readonly update: A
  readonly isApplied: boolean
  /** The update of the same conversation before this one. */
  readonly previous: Deferred.Deferred<void> | undefined
  readonly ended: Deferred.Deferred<void>
}

/**
 * Sends all updates and emits the outcome of each, in the order in which they end.
 *
 * **Details**
 *
 * - Every update ends in an outcome; a failed one does not stop the others.
 * - Two updates of one conversation are sent one after the other, in input order.
 * - The input is read as fast as updates end, and no faster.
 * - When the input fails, so does the stream, after the outcomes of what came before.
 * - An interruption waits for the requests in flight, and for the journal.
 * - An update may be sent twice, when its response was lost or the process died; it
 *   sets absolute values.
 *
 * **Example** (Marking as read, and a summary)
 *
 * ```ts
 * import { Bulk, HighLevelClient } from "effect-highlevel"
 * import { Sandbox } from "effect-highlevel/testing"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as Redacted from "effect/Redacted"
 * import * as Stream from "effect/Stream"
 *
 * const locationId = "tDtDnQdgm2LXpyiqYvZ6"
 * const updates = Stream.make("tDtDnQdgm2LXpyiqYvZ6", "unknown").pipe(
 *   Stream.map((conversationId) => ({ conversationId, locationId, unreadCount: 0 }))
 * )
 *
 * const program = Bulk.updateAll(updates).pipe(
 *   Stream.map((outcome) => (outcome._tag === "Failed" ? outcome.error._tag : outcome._tag)),
 *   Stream.runCollect,
 *   Effect.map((outcomes) => outcomes.toSorted())
 * )
 *
 * const layer = HighLevelClient.layer({ token: Redacted.make("sandbox-token") }).pipe(Layer.provide(Sandbox.layer()))
 *
 * await Effect.runPromise(program.pipe(Effect.provide(layer))) // => ["Applied", "BadRequest"]
 * ```
 */
export const updateAll = <A extends ConversationUpdate, E, R>(
  updates: Stream.Stream<A, E, R>,
  options: Options<A> = {}
): Stream.Stream<Outcome<A>, E | InvalidOptions | JournalError, R | HighLevelClient> => {
  const { dryRun = false, journal } = options

  return Stream.unwrap(
    Effect.gen(function* () {
      const concurrency = yield* OptionsCheck.count(options.concurrency ?? 64, "concurrency")
      const perLocation = yield* OptionsCheck.count(options.concurrencyPerLocation ?? 16, "concurrencyPerLocation")
      const client = yield* HighLevelClient
      const total = Semaphore.makeUnsafe(concurrency)
      const locations = new Map<string, Semaphore.Semaphore>()
      const last = new Map<string, Deferred.Deferred<void>>()
      const running = new Set<Fiber.Fiber<unknown, unknown>>()
      const stopped = yield* Deferred.make<void>()
      yield* Effect.forkScoped(
        Effect.andThen(
          options.stop ?? Effect.never,
          Effect.andThen(
            Deferred.succeed(stopped, undefined),
            Effect.suspend(() => Fiber.interruptAll(running))
          )
        )
      )

      const keyOf = ({ conversationId, locationId }: A) => JSON.stringify([locationId, conversationId])

      let count = 0
      const ticketOf = (update: A): Ticket<A> => {
        const key = keyOf(update)
        const previous = last.get(key)
        const ended = Deferred.makeUnsafe<void>()
        last.set(key, ended)
        const index = options.index?.(update) ?? count++
        return { index, update, isApplied: journal?.isApplied(index, update) === true, previous, ended }
      }

      /** Lets the next update of the conversation begin, now that this one is reported. */
      const leave = ({ ended, update }: Ticket<A>) => {
        Deferred.doneUnsafe(ended, Exit.void)
        const key = keyOf(update)
        if (last.get(key) === ended) last.delete(key)
      }

      const send = Effect.fnUntraced(function* ({
        index,
        previous,
        update
      }: Ticket<A>): Effect.fn.Return<Outcome<A>, JournalError> {
        // Runs uninterruptibly, but for its waits: here, and in the call.
        if (previous !== undefined) yield* Effect.interruptible(Deferred.await(previous))
        const sent = Effect.gen(function* () {
          const location = locations.get(update.locationId) ?? Semaphore.makeUnsafe(perLocation)
          locations.set(update.locationId, location)
          yield* Effect.interruptible(location.takeScoped(1))
          yield* Effect.interruptible(total.takeScoped(1))
          if (journal?.begin !== undefined) yield* journal.begin(index, update)
          const ended = yield* SendUpdate.make(client, update)
          if (journal !== undefined) {
            const error = ended._tag === "Failed" ? { error: ended.error._tag } : {}
            yield* journal.append({ index, update, outcome: ended._tag, attempts: ended.attempts, ...error })
          }
          return { index, update, ...ended }
        })
        return yield* Effect.scoped(sent)
      })

      const plan = ({ index, update }: Ticket<A>): Outcome<A> =>
        Result.match(Request.validate(updateConversation, update), {
          onFailure: (error) => ({ _tag: "Failed", index, update, attempts: 0, error }),
          onSuccess: () => ({ _tag: "Planned", index, update })
        })

      /** The outcome, or none of an update that was stopped before it was sent. */
      const outcome = Effect.fnUntraced(function* (ticket: Ticket<A>) {
        const { index, isApplied, update } = ticket
        if (isApplied) return Result.succeed<Outcome<A>>({ _tag: "Skipped", index, update })
        if (dryRun) return Result.succeed(plan(ticket))
        if (Deferred.isDoneUnsafe(stopped)) return Result.failVoid
        const fiber = yield* Effect.forkChild(send(ticket), { uninterruptible: true })
        running.add(fiber)
        fiber.addObserver(() => running.delete(fiber))
        // Whoever is interrupted waits for its children.
        const exit = yield* Fiber.await(fiber)
        return Exit.hasInterrupts(exit) && Deferred.isDoneUnsafe(stopped)
          ? Result.failVoid
          : Result.succeed(yield* exit)
      })

      let failure: Exit.Exit<never, E> | undefined
      return updates.pipe(
        Stream.interruptWhen(Deferred.await(stopped)),
        Stream.catchCause((cause) => {
          failure = Exit.failCause(cause)
          return Stream.empty
        }),
        Stream.map(ticketOf),
        Stream.mapEffect((ticket) => Effect.map(outcome(ticket), (found) => ({ ticket, found })), {
          concurrency: concurrency * lookAhead,
          unordered: true
        }),
        Stream.filterMap(({ found, ticket }) => {
          leave(ticket)
          return found
        }),
        Stream.concat(Stream.suspend(() => (failure === undefined ? Stream.empty : Stream.fromEffect(failure))))
      )
    })
  )
}
