/**
 * The interface of a rate limiter's store. `RateLimiter` has two, in memory and in
 * Redis; implement this for another one.
 */
import type * as Effect from "effect/Effect"

/** The key of a bucket: one app in one location. */
export interface Bucket {
  /** The OAuth client id, or a hash of the Private Integration token. */
  readonly app: string
  readonly locationId: string
}

/** Permission to send one request, until it is released. */
export interface Permit {
  /** The number of the request in its bucket. */
  readonly sequence: number
  /** How many requests the bucket counted when this one started, including it. */
  readonly used: number
  /** The epoch of the bucket. A store that lost its data starts a new one. */
  readonly epoch: string
}

/** The limits that a response reported. */
export interface Responded {
  readonly _tag: "Responded"
  /** Whether HighLevel responded, rather than a gateway in front of it. */
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
 * How a request ended. `Unknown`: without the head of a response; it may still be in
 * flight. `Unused`: it was never sent.
 */
export type Observation = Responded | { readonly _tag: "Unknown" } | { readonly _tag: "Unused" }

/** The result of acquiring a permit. */
export type Acquired =
  | { readonly _tag: "Granted"; readonly permit: Permit }
  /** Try again in `millis`, or when the response to the probe arrives. */
  | { readonly _tag: "Wait"; readonly millis: number; readonly isProbe: boolean }
  /** The daily limit is exhausted and resets in `millis`. */
  | { readonly _tag: "DailyLimit"; readonly millis: number }

/** A store of buckets. */
export interface RateLimitStore<E> {
  /** Acquires a permit, if one is available. Unless released, it expires some time after `leaseMillis`. */
  readonly acquire: (bucket: Bucket, leaseMillis: number) => Effect.Effect<Acquired, E>
  /** Releases a permit. A store may delay it briefly, or until the next acquire. */
  readonly release: (bucket: Bucket, permit: Permit, observation: Observation) => Effect.Effect<void, E>
}
