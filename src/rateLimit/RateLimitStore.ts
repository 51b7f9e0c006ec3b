/**
 * Where the buckets of a rate limiter are kept. `RateLimiter` has two stores,
 * memory and Redis; this is what another one has to do.
 */
import type * as Effect from "effect/Effect"

/** What a bucket is for: one app in one location. */
export interface Bucket {
  /** The OAuth client id, or a hash of the Private Integration token. */
  readonly app: string
  readonly locationId: string
}

/** The right to send one request, until it is released. */
export interface Permit {
  /** Which request of the bucket it is. */
  readonly sequence: number
  /** How many of our requests the bucket counted when this one started, itself included. */
  readonly used: number
  /** Which life of the bucket it belongs to: a store that comes back empty starts another. */
  readonly epoch: string
}

/** What a response told about the limits. */
export interface Responded {
  readonly _tag: "Responded"
  /** Whether HighLevel itself responded, and not a gateway before it. */
  readonly isHighLevel: boolean
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
 * How a request ended. `Unknown` has no response, not even the head of one: it may
 * still be in flight. `Unused` was never sent.
 */
export type Observation = Responded | { readonly _tag: "Unknown" } | { readonly _tag: "Unused" }

/** What a bucket returns when it is asked for a permit. */
export type Acquired =
  | { readonly _tag: "Granted"; readonly permit: Permit }
  /** Ask again in `millis`, or as soon as a response has arrived if it is that of a probe. */
  | { readonly _tag: "Wait"; readonly millis: number; readonly isProbe: boolean }
  /** No request of the day is left: the daily limit resets in `millis`. */
  | { readonly _tag: "DailyLimit"; readonly millis: number }

/** Where buckets are kept. */
export interface RateLimitStore<E> {
  /** Acquires a permit, if there is one. If it is not released, it expires some time after `leaseMillis`. */
  readonly acquire: (bucket: Bucket, leaseMillis: number) => Effect.Effect<Acquired, E>
  /** Ends the request of a permit. A store may keep it until the next acquire, or for a moment. */
  readonly release: (bucket: Bucket, permit: Permit, observation: Observation) => Effect.Effect<void, E>
}
