/**
 * A refresh under a lease: one at a time for an account, whatever process asks.
 *
 * Before a refresh the lease is written into the record, and again before each try;
 * after it the new tokens take its place. Each of these steps fails if somebody else
 * wrote in between. The lease of a process that died expires, and the refresh is
 * repeated: within 30 seconds HighLevel returns the same new pair for the same refresh
 * token.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { AccessTokenError } from "../client/AccessToken.ts"
import type { UserType } from "../wire/getAccessToken.ts"
import { backOff, type Records } from "./records.ts"
import {
  type Account,
  areSame,
  keyOf,
  textOf,
  type TokenRecord,
  type Tokens,
  tokensOf,
  valueOf
} from "./storedTokens.ts"
import type { Grant } from "./tokenEndpoint.ts"

/** What this process knows of the refreshes of an account. */
export interface RefreshState {
  /** The refresh token whose response was lost, and since when. */
  unconfirmed: { readonly refreshToken: string | undefined; readonly at: number } | undefined
  /** The refresh token that HighLevel rejected; not tried again until then. */
  rejected:
    { readonly refreshToken: string | undefined; readonly error: AccessTokenError; readonly until: number } | undefined
}

// A try whose response was lost is repeated for as long as HighLevel repeats the response, less some.
const graceMillis = 25_000
const maximumTries = 3
const invalidGrantMillis = 60_000
const rejectionMillis = 5000

export const reconnect = (message: string) => new AccessTokenError({ reason: "ReconnectRequired", messages: [message] })

export const make = (options: {
  readonly records: Records
  readonly owner: string
  readonly refresh: (refreshToken: Redacted.Redacted, userType: UserType) => Effect.Effect<Grant, AccessTokenError>
  readonly leaseMillis: number
  /** How long one refresh may take, of the lease. */
  readonly attemptMillis: number
}) => {
  const { attemptMillis, leaseMillis, owner } = options
  const { load, persist, replace } = options.records

  /** Stores new tokens in the place of those they were refreshed from; false if newer ones are there. */
  const storeRefreshed = (key: string, leased: Redacted.Redacted, before: TokenRecord, tokens: Tokens) => {
    const next = { ...before, tokens }
    let current: Option.Option<Redacted.Redacted> = Option.some(leased)
    let isFirst = true
    return persist(
      key,
      Effect.gen(function* () {
        if (!isFirst) {
          const { record, text } = yield* load(key)
          // What is there is as new: somebody else's, or these, whose arrival was not told.
          if (record !== undefined && !areSame(record.tokens, before.tokens)) return Option.some(false)
          // Somebody took the lease over, but has nothing better to put there.
          current = text
        }
        isFirst = false
        return (yield* replace(key, current, next)) ? Option.some(true) : Option.none()
      })
    )
  }

  /** Refreshes under a lease that nobody else can make; none if somebody else was faster. */
  const refresh = Effect.fnUntraced(
    function* (account: Account, state: RefreshState, found: Redacted.Redacted, record: TokenRecord) {
      const key = keyOf(account)
      const { refreshing: _, ...before } = record
      const { refreshToken } = before.tokens
      if (refreshToken === undefined) {
        return yield* reconnect(`the tokens of ${key} are expired and came without a refresh token`)
      }
      let current = found
      // Since when HighLevel may have rotated the tokens without our knowing, whatever came in between.
      const unconfirmed = state.unconfirmed
      // What was lost longer ago than the grace is past saving; what is lost now is not.
      const isRecent = unconfirmed !== undefined && (yield* Clock.currentTimeMillis) - unconfirmed.at < graceMillis
      let unconfirmedSince = isRecent && unconfirmed.refreshToken === valueOf(refreshToken) ? unconfirmed.at : undefined
      for (let tries = 0; ; tries++) {
        const startedAt = yield* Clock.currentTimeMillis
        const lease = { ...before, refreshing: { owner, until: startedAt + leaseMillis } }
        const leased = yield* Effect.result(replace(key, Option.some(current), lease))
        let error: AccessTokenError
        if (Result.isFailure(leased)) {
          error = leased.failure
          if (unconfirmedSince === undefined) return yield* error
        } else {
          if (!leased.success) return undefined
          current = textOf(lease)
          // A store that took its time has left too little of the lease.
          const spent = (yield* Clock.currentTimeMillis) - startedAt
          if (spent > leaseMillis - attemptMillis && tries < maximumTries) continue
          const result = yield* Effect.result(options.refresh(refreshToken, account.userType))
          if (Result.isSuccess(result)) {
            const tokens = tokensOf(result.success, startedAt, before.tokens)
            return (yield* storeRefreshed(key, current, before, tokens)) ? tokens : undefined
          }
          error = result.failure
        }
        const now = yield* Clock.currentTimeMillis
        if (error.reason === "Unreachable") {
          unconfirmedSince ??= startedAt
          state.unconfirmed = { refreshToken: valueOf(refreshToken), at: unconfirmedSince }
        }
        // A refusal of what was perhaps granted before comes from somebody on the way.
        const mayBeGranted = unconfirmedSince !== undefined && error.reason !== "ReconnectRequired"
        if (mayBeGranted && now - (unconfirmedSince ?? now) < graceMillis) {
          yield* backOff(tries)
          continue
        }
        // The lease is given up, unless somebody has taken it over; left behind, it expires.
        yield* Effect.ignore(replace(key, Option.some(current), before))
        if (error.reason === "Unreachable") return yield* error
        // Another process may have refreshed while this one was held up.
        const latest = yield* load(key)
        if (latest.record !== undefined && !areSame(latest.record.tokens, before.tokens)) return undefined
        const until = now + (error.reason === "ReconnectRequired" ? invalidGrantMillis : rejectionMillis)
        state.rejected = { refreshToken: valueOf(refreshToken), error, until }
        return yield* error
      }
    },
    (effect, account) =>
      Effect.withSpan(effect, "OAuth.refresh", { attributes: { "highlevel.account": keyOf(account) } })
  )

  return refresh
}
