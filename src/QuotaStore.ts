/**
 * Where the buckets of a quota are kept. `Quota` has two stores, memory and
 * Redis; this is what another one has to do.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"

/**
 * What a bucket is for: one app in one location.
 *
 * @category models
 * @since 0.1.0
 */
export interface Bucket {
  /** The OAuth client id, or a hash of the Private Integration token. */
  readonly app: string
  readonly locationId: string
}

/**
 * A place in a bucket, taken until it is given back.
 *
 * @category models
 * @since 0.1.0
 */
export interface Lease {
  /** Which request of the bucket it is. */
  readonly sequence: number
  /** How many of our requests the bucket counted when this one started, itself included. */
  readonly used: number
  /** Which life of the bucket it belongs to: a store that comes back empty starts another. */
  readonly epoch: string
}

/**
 * What the answer to a request told.
 *
 * @category models
 * @since 0.1.0
 */
export interface Answered {
  readonly _tag: "Answered"
  /** Whether HighLevel itself answered, and not a gateway before it. */
  readonly isAnswer: boolean
  /** Whether it was a 429. */
  readonly isLimited: boolean
  readonly max?: number | undefined
  readonly remaining?: number | undefined
  readonly intervalMillis?: number | undefined
  readonly dailyRemaining?: number | undefined
  readonly dailyResetMillis?: number | undefined
  readonly retryAfterMillis?: number | undefined
}

/**
 * How a request ended. `Unknown` is timed out, interrupted or broken off: it may
 * still be on its way. `Unused` was never sent.
 *
 * @category models
 * @since 0.1.0
 */
export type Observation = Answered | { readonly _tag: "Unknown" } | { readonly _tag: "Unused" }

/**
 * The answer of a bucket that was asked for a place.
 *
 * @category models
 * @since 0.1.0
 */
export type Taken =
  | { readonly _tag: "Granted"; readonly leases: readonly [Lease, ...Array<Lease>] }
  /** Ask again in `millis`, or as soon as an answer has arrived if it is for an answer. */
  | { readonly _tag: "Wait"; readonly millis: number; readonly isForAnswer: boolean }
  /** The day's budget is spent until then, in epoch milliseconds. */
  | { readonly _tag: "Spent"; readonly resetsAtMillis: number }

/**
 * Where buckets are kept: takes and gives back their places.
 *
 * @category models
 * @since 0.1.0
 */
export interface QuotaStore<E> {
  /**
   * Takes as many places as there are, up to `count`. A place that is not given
   * back expires after `leaseMillis`.
   */
  readonly take: (bucket: Bucket, leaseMillis: number, count: number) => Effect.Effect<Taken, E>
  readonly give: (bucket: Bucket, lease: Lease, observation: Observation) => Effect.Effect<void, E>
}
