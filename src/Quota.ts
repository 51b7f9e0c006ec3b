/**
 * The quota of HighLevel's API, kept so that it is used whole and not exceeded.
 *
 * HighLevel allows 100 requests per 10 seconds and 200,000 a day per app and
 * location, less for some agencies, and says so only in the headers of its
 * answers. A bucket starts with one probe, learns its limits from the answer, and
 * then starts a request only when the requests in flight plus those that ended
 * less than one interval ago are fewer than the limit. So no window of the
 * server, fixed or sliding, holds more than the limit, whatever the jitter, as
 * long as the bucket is ours alone; where others drink from it, it yields.
 *
 * {@link layerMemory} keeps the buckets of one process and is what every client
 * has by default; {@link layerRedis} shares them among processes and machines.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Semaphore from "effect/Semaphore"
import * as Redis from "effect/persistence/Redis"
import * as BucketRules from "./internal/bucket.ts"
import * as QuotaRedis from "./internal/quotaRedis.ts"
import type { Bucket, Lease, Observation, QuotaStore, Taken } from "./QuotaStore.ts"

/**
 * The day's budget is spent.
 *
 * @category errors
 * @since 0.1.0
 */
export class BudgetSpent extends Data.TaggedError("BudgetSpent")<{
  /** When the budget is whole again, in epoch milliseconds. */
  readonly resetsAtMillis: number
}> {}

/**
 * The shared store cannot be reached, and has not been for a while.
 *
 * @category errors
 * @since 0.1.0
 */
export class StoreUnavailable extends Data.TaggedError("StoreUnavailable")<{ readonly cause: unknown }> {}

/**
 * Where attempts wait for their place.
 *
 * @category services
 * @since 0.1.0
 */
export interface Service {
  /**
   * Waits for a place in the bucket, first come first served, and makes the
   * attempt in it. An attempt that does not end with an observation, because it
   * fails or is interrupted, may still be on its way and is counted so.
   */
  readonly use: <A, E, R>(
    bucket: Bucket,
    options: {
      /** After how long the place of a process that died is free again. */
      readonly leaseMillis: number
      /** The attempt, told how long it waited for its place. */
      readonly attempt: (
        waitedMillis: number
      ) => Effect.Effect<{ readonly value: A; readonly observation: Observation }, E, R>
    }
  ) => Effect.Effect<A, E | BudgetSpent | StoreUnavailable, R>
}

/**
 * The quota of a client. Optional: without one in the context, a client keeps its
 * own in memory.
 *
 * @category services
 * @since 0.1.0
 */
export class Quota extends Context.Service<Quota, Service>()("effect-highlevel/Quota/Quota") {}

/** Those who wait before a bucket. Only its head asks the store, for all of them. */
interface Line {
  readonly head: Semaphore.Semaphore
  /** How many calls there are, with their place or without. */
  calls: number
  /** How many of them are without. */
  waiting: number
  /** Places that the head took for those behind it. */
  readonly spare: Array<Lease>
  answer: Deferred.Deferred<void> | undefined
  /** Since when the store has not answered; those behind the head need not find out anew. */
  unreachableSince: number | undefined
}

/** What an attempt came to, and what it told. */
interface Observed<A> {
  readonly value: A
  readonly observation: Observation
}

const unknown: Observation = { _tag: "Unknown" }

// A location's id holds no line break, so that no two buckets share a key.
const keyOf = ({ app, locationId }: Bucket) => `${app}\n${locationId}`

// How many places are taken at once, so that a line that dissolves gives back few.
const maximumTaken = 100
// A wait is looked at again at least this often: another process may have learnt a higher limit.
const maximumSleepMillis = 1000
// The answer of an update does not wait longer than this for the store.
const maximumGiveMillis = 2000

/** A store that answers at once, so that a call need not wait for what is there. */
interface Immediate {
  readonly take: (key: string, now: number, leaseMillis: number) => Taken
  readonly give: (key: string, now: number, lease: Lease, observation: Observation) => void
}

/**
 * A quota over any store.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeWith = <E>(
  store: QuotaStore<E>,
  options?: {
    /**
     * How long an unreachable store is waited for, in milliseconds.
     *
     * @default 60_000
     */
    readonly patienceMillis?: number | undefined
  }
): Service => makeLines(store, options?.patienceMillis ?? 60_000)

const makeLines = <E>(store: QuotaStore<E>, patienceMillis: number, immediate?: Immediate): Service => {
  const lines = new Map<string, Line>()

  const take = (line: Line, bucket: Bucket, leaseMillis: number, hold: (lease: Lease) => void) =>
    Effect.gen(function* () {
      while (true) {
        const spare = line.spare.shift()
        if (spare !== undefined) return hold(spare)
        const askedAt = yield* Clock.currentTimeMillis
        // A place that is granted is known before an interruption is; one whose grant
        // is lost, because the store was slow and the call left, expires.
        const taken = yield* Effect.uninterruptibleMask((restore) =>
          restore(
            store
              .take(bucket, leaseMillis, Math.min(line.waiting, maximumTaken))
              .pipe(Effect.timeoutOption(patienceMillis))
          ).pipe(
            Effect.tap((taken) =>
              Effect.sync(() => {
                if (Option.isNone(taken) || taken.value._tag !== "Granted") return
                const [lease, ...others] = taken.value.leases
                line.spare.push(...others)
                hold(lease)
              })
            ),
            Effect.exit
          )
        )
        if (Exit.hasInterrupts(taken)) return yield* Effect.interrupt
        if (Exit.isFailure(taken) || taken.value._tag === "None") {
          line.unreachableSince ??= askedAt
          if ((yield* Clock.currentTimeMillis) - line.unreachableSince >= patienceMillis) {
            return yield* new StoreUnavailable({ cause: Exit.isFailure(taken) ? taken.cause : "no answer in time" })
          }
          yield* Effect.sleep(250)
          continue
        }
        line.unreachableSince = undefined
        const answer = taken.value.value
        if (answer._tag === "Granted") return
        if (answer._tag === "Spent") return yield* new BudgetSpent({ resetsAtMillis: answer.resetsAtMillis })
        const sleep = Effect.sleep(Duration.millis(Math.min(answer.millis, maximumSleepMillis)))
        if (answer.isForAnswer) {
          line.answer = Deferred.makeUnsafe()
          yield* Effect.raceFirst(Deferred.await(line.answer), sleep)
        } else {
          yield* sleep
        }
      }
    })

  const join = (key: string) => {
    const line: Line = lines.get(key) ?? {
      head: Semaphore.makeUnsafe(1),
      calls: 0,
      waiting: 0,
      spare: [],
      answer: undefined,
      unreachableSince: undefined
    }
    lines.set(key, line)
    line.calls++
    line.waiting++
    return line
  }

  const give = (bucket: Bucket, lease: Lease, observation: Observation): Effect.Effect<void> =>
    store.give(bucket, lease, observation).pipe(
      Effect.timeoutOption(maximumGiveMillis),
      // The lease of a place that could not be given back expires.
      Effect.ignore
    )

  // What was taken ahead for calls that have left since.
  const giveBack = (line: Line, bucket: Bucket) =>
    line.waiting > 0 || line.spare.length === 0
      ? Effect.void
      : Effect.forEach(line.spare.splice(0), (spare) => give(bucket, spare, { _tag: "Unused" }), { discard: true })

  const use = <A, E, R>(
    clock: Clock.Clock,
    bucket: Bucket,
    leaseMillis: number,
    attempt: (waitedMillis: number) => Effect.Effect<Observed<A>, E, R>
  ): Effect.Effect<Observed<A>, E | BudgetSpent | StoreUnavailable, R> => {
    const key = keyOf(bucket)
    let line: Line | undefined
    let lease: Lease | undefined

    const acquired = Effect.suspend(() => {
      const joined = (line = join(key))
      const hold = (granted: Lease) => {
        lease = granted
        joined.waiting--
      }
      const start = clock.currentTimeMillisUnsafe()
      // Nobody waits before this call, and there may be a place.
      if (immediate !== undefined && joined.waiting === 1) {
        const taken = immediate.take(key, start, leaseMillis)
        if (taken._tag === "Granted") {
          hold(taken.leases[0])
          return attempt(0)
        }
      }
      return joined.head.withPermit(take(joined, bucket, leaseMillis, hold)).pipe(
        Effect.andThen(Effect.suspend(() => giveBack(joined, bucket))),
        Effect.flatMap(() => attempt(clock.currentTimeMillisUnsafe() - start))
      )
    })

    return Effect.onExit(acquired, (exit) => {
      if (line === undefined) return Effect.void
      const left = line
      const leave = () => {
        if (left.answer !== undefined) Deferred.doneUnsafe(left.answer, Effect.void)
        const back = giveBack(left, bucket)
        if (--left.calls === 0) lines.delete(key)
        return back
      }
      if (lease === undefined) {
        left.waiting--
        return leave()
      }
      const observation = Exit.isSuccess(exit) ? exit.value.observation : unknown
      if (immediate === undefined) return Effect.andThen(give(bucket, lease, observation), Effect.suspend(leave))
      immediate.give(key, clock.currentTimeMillisUnsafe(), lease, observation)
      return leave()
    })
  }

  return {
    use: (bucket, { attempt, leaseMillis }) =>
      Effect.map(
        Effect.withFiber((fiber) => use(fiber.getRef(Clock.Clock), bucket, leaseMillis, attempt)),
        ({ value }) => value
      )
  }
}

/**
 * No quota at all: every attempt starts at once.
 *
 * @category constructors
 * @since 0.1.0
 */
export const unlimited: Service = {
  use: (_, { attempt }) => Effect.map(attempt(0), ({ value }) => value)
}

// Buckets that hold nothing but a limit are forgotten beyond this number.
const maximumIdleBuckets = 10_000

const makeBuckets = (): Immediate => {
  const states = new Map<string, BucketRules.State>()
  const stateOf = (key: string, now: number) => {
    const known = states.get(key)
    if (known !== undefined) return known
    if (states.size >= maximumIdleBuckets) {
      for (const [other, state] of states) if (BucketRules.isIdle(state, now)) states.delete(other)
    }
    const state = BucketRules.make()
    states.set(key, state)
    return state
  }
  return {
    take: (key, now, leaseMillis) => BucketRules.take(stateOf(key, now), now, leaseMillis),
    give: (key, now, lease, observation) => BucketRules.give(stateOf(key, now), now, lease, observation)
  }
}

/**
 * A quota in the memory of this process.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeMemory: Effect.Effect<Service> = Effect.sync(() => {
  const buckets = makeBuckets()
  const store: QuotaStore<never> = {
    take: (bucket, leaseMillis) =>
      Effect.map(Clock.currentTimeMillis, (now) => buckets.take(keyOf(bucket), now, leaseMillis)),
    give: (bucket, lease, observation) =>
      Effect.map(Clock.currentTimeMillis, (now) => buckets.give(keyOf(bucket), now, lease, observation))
  }
  return makeLines(store, Number.POSITIVE_INFINITY, buckets)
})

/**
 * Buckets in the memory of this process. Provide one layer to several clients of
 * one app so that they share them.
 *
 * **Example** (Two clients, one quota)
 *
 * ```ts
 * import { Conversations, Quota } from "effect-highlevel"
 * import { Sandbox } from "effect-highlevel/testing"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as Redacted from "effect/Redacted"
 *
 * const ids = { conversationId: "tDtDnQdgm2LXpyiqYvZ6", locationId: "tDtDnQdgm2LXpyiqYvZ6" }
 * const make = Conversations.make({ token: Redacted.make("sandbox-token"), app: "my-app" })
 *
 * const program = Effect.gen(function* () {
 *   const [one, other] = [yield* make, yield* make]
 *   yield* one.update({ ...ids, starred: true })
 *   return (yield* other.update({ ...ids, unreadCount: 0 })).conversation.unreadCount
 * })
 *
 * const layer = Layer.merge(Quota.layerMemory, Sandbox.layer())
 *
 * await Effect.runPromise(program.pipe(Effect.provide(layer))) // => 0
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory: Layer.Layer<Quota> = Layer.effect(Quota, makeMemory)

/**
 * Buckets in Redis, on Redis's clock, shared among processes and machines. With
 * `NodeRedis.layer` of `@effect/platform-node` for the connection.
 *
 * **Details**
 *
 * While Redis is away requests wait, and after `patienceMillis` fail with
 * `QuotaUnavailable`; nothing is sent unaccounted. A Redis that comes back empty
 * is a cold bucket: one probe learns the limits and, from what remains, what was
 * used meanwhile. The places of a process that dies expire with their leases.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerRedis = (options?: {
  /**
   * What the keys start with.
   *
   * @default "effect-highlevel:quota:"
   */
  readonly prefix?: string | undefined

  /**
   * How long an unreachable Redis is waited for, in milliseconds.
   *
   * @default 60_000
   */
  readonly patienceMillis?: number | undefined
}): Layer.Layer<Quota, never, Redis.Redis> =>
  Layer.effect(
    Quota,
    Effect.map(Redis.Redis, (redis) =>
      makeWith(QuotaRedis.make(redis, options?.prefix ?? "effect-highlevel:quota:"), options)
    )
  )
