/**
 * Many updates, one outcome each.
 *
 * There is no bulk endpoint: a job of a hundred thousand updates is as many
 * requests, under the quota. {@link updateAll} keeps a bounded number of them on
 * the way, in constant memory, and with a `Journal` it can be stopped, or killed,
 * and run again.
 *
 * @since 0.1.0
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import type { Answer, ConversationUpdate } from "./ConversationUpdate.ts"
import { Conversations } from "./Conversations.ts"
import type { InvalidOptions, UpdateError } from "./HighLevelError.ts"
import * as JobUpdate from "./internal/jobUpdate.ts"
import * as OptionsCheck from "./internal/options.ts"
import * as Request from "./internal/request.ts"
import type { Journal, JournalError } from "./Journal.ts"

/**
 * The update was applied.
 *
 * @category models
 * @since 0.1.0
 */
export interface Applied<A extends ConversationUpdate = ConversationUpdate> {
  readonly _tag: "Applied"
  /** Which of the inputs it is, the first being 0. */
  readonly position: number
  /** The input itself. */
  readonly update: A
  /** How many requests it took. */
  readonly attempts: number
  /** None where the answer could not be read. */
  readonly answer: Option.Option<Answer>
}

/**
 * The update was not applied, or that is not known: see the error.
 *
 * @category models
 * @since 0.1.0
 */
export interface Failed<A extends ConversationUpdate = ConversationUpdate> {
  readonly _tag: "Failed"
  readonly position: number
  readonly update: A
  readonly attempts: number
  readonly error: UpdateError
}

/**
 * Nothing was sent: an earlier run applied the update, or a later one of the same
 * conversation.
 *
 * @category models
 * @since 0.1.0
 */
export interface Skipped<A extends ConversationUpdate = ConversationUpdate> {
  readonly _tag: "Skipped"
  readonly position: number
  readonly update: A
  readonly reason: "Applied" | "Superseded"
}

/**
 * Nothing was sent, in a dry run: this is what would be.
 *
 * @category models
 * @since 0.1.0
 */
export interface Planned<A extends ConversationUpdate = ConversationUpdate> {
  readonly _tag: "Planned"
  readonly position: number
  readonly update: A
}

/**
 * What became of an input.
 *
 * @category models
 * @since 0.1.0
 */
export type Outcome<A extends ConversationUpdate = ConversationUpdate> =
  Applied<A> | Failed<A> | Skipped<A> | Planned<A>

/**
 * How a job is run.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options<A extends ConversationUpdate = ConversationUpdate> {
  /**
   * How many updates may be on their way at once.
   *
   * @default 64
   */
  readonly concurrency?: number | undefined

  /**
   * How many of them in one location.
   *
   * @default 16
   */
  readonly concurrencyPerLocation?: number | undefined

  /** Where outcomes are recorded before they are reported, and what was done is looked up. */
  readonly journal?: Journal | undefined

  /**
   * When it succeeds, the job stops: no request is begun, those that were sent come
   * to their end, and the stream ends with their outcomes.
   *
   * @default never
   */
  readonly stop?: Effect.Effect<unknown> | undefined

  /**
   * Which of the inputs an update is, such as its line in a file: what the journal
   * knows it by. Increases from each update to the next.
   *
   * @default its place in the stream
   */
  readonly position?: ((update: A) => number) | undefined

  /**
   * Sends nothing: each valid update is `Planned`, or `Skipped`.
   *
   * @default false
   */
  readonly dryRun?: boolean | undefined
}

// Inputs that wait for their conversation or their location let others pass.
const lookAhead = 4

interface Ticket<A> {
  readonly position: number
  readonly update: A
  readonly skip: "Applied" | "Superseded" | undefined
  /** The update of the same conversation before this one. */
  readonly previous: Deferred.Deferred<void> | undefined
  readonly ended: Deferred.Deferred<void>
}

/**
 * Makes all updates and tells what became of each, in the order in which they end.
 *
 * **Details**
 *
 * - Every update ends in an outcome; a failed one does not stop the others.
 * - Two updates of one conversation are made one after the other, in input order.
 * - The input is read as fast as updates end, and no faster.
 * - When the input fails, so does the stream, after the outcomes of what came before.
 * - An interruption waits for the requests on their way, and for the journal.
 * - An update may be made twice, when its answer was lost or the process died; it
 *   sets absolute values.
 *
 * **Example** (Marking as read, and a summary)
 *
 * ```ts
 * import { Bulk, Conversations } from "effect-highlevel"
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
 * const layer = Conversations.layer({ token: Redacted.make("sandbox-token") }).pipe(Layer.provide(Sandbox.layer()))
 *
 * await Effect.runPromise(program.pipe(Effect.provide(layer))) // => ["Applied", "BadRequest"]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const updateAll = <A extends ConversationUpdate, E, R>(
  updates: Stream.Stream<A, E, R>,
  options: Options<A> = {}
): Stream.Stream<Outcome<A>, E | InvalidOptions | JournalError, R | Conversations> => {
  const { dryRun = false, journal } = options

  return Stream.unwrap(
    Effect.gen(function* () {
      const concurrency = yield* OptionsCheck.count(options.concurrency ?? 64, "concurrency")
      const concurrencyPerLocation = yield* OptionsCheck.count(
        options.concurrencyPerLocation ?? 16,
        "concurrencyPerLocation"
      )
      const conversations = yield* Conversations
      const total = Semaphore.makeUnsafe(concurrency)
      const locations = new Map<string, { readonly semaphore: Semaphore.Semaphore; users: number }>()
      const last = new Map<string, Deferred.Deferred<void>>()
      const running = new Set<Fiber.Fiber<unknown, unknown>>()
      let isStopped = false

      const stop = yield* Effect.forkScoped(
        Effect.flatMap(options.stop ?? Effect.never, () =>
          Effect.suspend(() => {
            isStopped = true
            return Fiber.interruptAll(running)
          })
        )
      )

      const keyOf = ({ conversationId, locationId }: A) => JSON.stringify([locationId, conversationId])

      let count = 0
      const ticketOf = (update: A): Ticket<A> => {
        const key = keyOf(update)
        const previous = last.get(key)
        const ended = Deferred.makeUnsafe<void>()
        last.set(key, ended)
        const position = options.position?.(update) ?? count++
        return { position, update, skip: journal?.skip(position, update), previous, ended }
      }

      /** Lets the next update of the conversation begin, now that this one is reported. */
      const leave = ({ ended, update }: Ticket<A>) => {
        Deferred.doneUnsafe(ended, Exit.void)
        const key = keyOf(update)
        if (last.get(key) === ended) last.delete(key)
      }

      /** Waits can be interrupted, here and in the update; what was sent cannot. */
      const inLocation = <B, E2>({ locationId }: A, effect: Effect.Effect<B, E2>) =>
        Effect.suspend(() => {
          const location = locations.get(locationId) ?? {
            semaphore: Semaphore.makeUnsafe(concurrencyPerLocation),
            users: 0
          }
          locations.set(locationId, location)
          location.users++
          return Effect.interruptible(location.semaphore.take(1)).pipe(
            Effect.andThen(
              Effect.interruptible(total.take(1)).pipe(
                Effect.andThen(Effect.ensuring(effect, total.release(1))),
                Effect.ensuring(location.semaphore.release(1))
              )
            ),
            Effect.ensuring(
              Effect.sync(() => {
                if (--location.users === 0) locations.delete(locationId)
              })
            )
          )
        })

      const perform = Effect.fnUntraced(function* (ticket: Ticket<A>): Effect.fn.Return<Outcome<A>, JournalError> {
        const { position, update } = ticket
        if (journal?.begin !== undefined) yield* journal.begin(position, update)
        const ended = yield* JobUpdate.make(conversations, update)
        if (journal !== undefined) {
          const error = ended._tag === "Failed" ? { error: ended.error._tag } : {}
          yield* journal.append({ position, update, outcome: ended._tag, attempts: ended.attempts, ...error })
        }
        return { position, update, ...ended }
      })

      const plan = ({ position, update }: Ticket<A>) =>
        Effect.fromResult(Request.update(update)).pipe(
          Effect.map((): Outcome<A> => ({ _tag: "Planned", position, update })),
          Effect.catch((error) => Effect.succeed<Outcome<A>>({ _tag: "Failed", position, update, attempts: 0, error }))
        )

      const run = (ticket: Ticket<A>): Effect.Effect<Outcome<A>, JournalError> => {
        const { position, previous, skip, update } = ticket
        if (skip !== undefined) return Effect.succeed({ _tag: "Skipped", position, update, reason: skip })
        if (dryRun) return plan(ticket)
        const performed = inLocation(update, perform(ticket))
        return previous === undefined
          ? performed
          : Effect.andThen(Effect.interruptible(Deferred.await(previous)), performed)
      }

      /** The outcome, or none for an update that was stopped before it was sent. */
      const outcome = (ticket: Ticket<A>): Effect.Effect<Option.Option<Outcome<A>>, JournalError> =>
        Effect.suspend(() => {
          if (isStopped) return Effect.succeedNone
          // An interruption that was held off takes the result of a fiber, not what it left here.
          let found: Outcome<A> | undefined
          const finding = Effect.map(run(ticket), (outcome) => {
            found = outcome
          })
          return Effect.flatMap(Effect.forkChild(Effect.uninterruptible(finding)), (fiber) => {
            running.add(fiber)
            // Whoever is interrupted waits for its children.
            return Fiber.await(fiber).pipe(
              Effect.ensuring(Effect.sync(() => running.delete(fiber))),
              Effect.flatMap((exit) =>
                found !== undefined || (isStopped && Exit.hasInterrupts(exit))
                  ? Effect.succeed(Option.fromNullishOr(found))
                  : Effect.as(exit, Option.none())
              )
            )
          })
        })

      let failure: Exit.Exit<never, E> | undefined
      return updates.pipe(
        Stream.interruptWhen(Fiber.join(stop)),
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
          return Option.isSome(found) ? Result.succeed(found.value) : Result.failVoid
        }),
        Stream.concat(Stream.suspend(() => (failure === undefined ? Stream.empty : Stream.fromEffect(failure))))
      )
    })
  )
}
