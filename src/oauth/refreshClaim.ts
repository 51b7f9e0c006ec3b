/**
 * A renewal under a claim: one at a time for an account, whatever process asks.
 *
 * Before a renewal its claim is written into the record, and again before each attempt;
 * after it the new tokens take its place. Each of these steps fails if another process
 * wrote in between. The claim of a process that died is taken over by one that has seen
 * it unchanged for long enough, and the renewal is repeated: within 30 seconds HighLevel
 * returns the same new pair for the same refresh token.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { AccessTokenError } from "../client/AccessToken.ts"
import { backOff, type Records } from "./records.ts"
import {
  type Account,
  areSame,
  isConnected,
  keyOf,
  textOf,
  type TokenRecord,
  type Tokens,
  tokensOf,
  valueOf
} from "./storedTokens.ts"
import type { Grant } from "./tokenEndpoint.ts"

/** What this process knows of the tokens of an account. */
export interface Known {
  tokens: Tokens | undefined
  /** When they were read from the store, or put there. */
  readAt: number
  /** The refresh token whose response was lost, and since when. */
  unconfirmed: { readonly refreshToken: string | undefined; readonly at: number } | undefined
  /** The refresh token that HighLevel rejected; not sent again until then. */
  rejected:
    { readonly refreshToken: string | undefined; readonly error: AccessTokenError; readonly until: number } | undefined
}

const pollMillis = 100
// What was lost is repeated for as long as HighLevel repeats its response, less some.
const graceMillis = 25_000
const maximumClaims = 3
const invalidGrantMillis = 60_000
const rejectionMillis = 5000

export const reconnect = (...messages: ReadonlyArray<string>) =>
  new AccessTokenError({ reason: "ReconnectRequired", messages })

export const make = (options: {
  readonly records: Records
  /** This process. */
  readonly owner: string
  /** New tokens for those of a record. */
  readonly renew: (account: Account, record: TokenRecord) => Effect.Effect<Grant, AccessTokenError>
  /** Stores the first tokens of an account that has no record; false if a record is there by now. */
  readonly create: (account: Account) => Effect.Effect<boolean, AccessTokenError>
  readonly claimMillis: number
  /** How long one renewal may take, of the claim. */
  readonly attemptMillis: number
}) => {
  const { attemptMillis, claimMillis, create, owner, records } = options

  /** Stores new tokens in the place of those they were renewed from; false if others are there, or none. */
  const storeRenewed = (key: string, claimed: Redacted.Redacted, before: TokenRecord, tokens: Tokens) => {
    const next = { ...before, tokens }
    let current: Option.Option<Redacted.Redacted> = Option.some(claimed)
    let isFirst = true
    return records.persist(
      key,
      Effect.gen(function* () {
        if (!isFirst) {
          const { record, text } = yield* records.load(key)
          // Disconnected meanwhile; or renewed by another process, or by us without our knowing.
          if (!isConnected(record) || !areSame(record, before)) return Option.some(false)
          // Another process took the claim over, but has nothing better to put there.
          current = text
        }
        isFirst = false
        return (yield* records.replace(key, current, next)) ? Option.some(true) : Option.none()
      })
    )
  }

  /** Renews tokens under a claim that nobody else can make; none if another process was faster. */
  const renewUnderClaim = Effect.fnUntraced(
    function* (account: Account, known: Known, found: Redacted.Redacted, record: TokenRecord) {
      const key = keyOf(account)
      const { claim: _, ...before } = record
      const refreshToken = valueOf(before.tokens?.refreshToken)
      let current = found
      // Since when HighLevel may have rotated the tokens without our knowing, whatever came in between.
      const { unconfirmed } = known
      // What was lost longer ago than the grace is past saving; what is lost now is not.
      const isRecent = unconfirmed !== undefined && (yield* Clock.currentTimeMillis) - unconfirmed.at < graceMillis
      let unconfirmedSince = isRecent && unconfirmed.refreshToken === refreshToken ? unconfirmed.at : undefined
      for (let attempts = 0; ; attempts++) {
        const startedAt = yield* Clock.currentTimeMillis
        const claim = { ...before, claim: { owner, at: startedAt } }
        const claimed = yield* Effect.result(records.replace(key, Option.some(current), claim))
        let error: AccessTokenError
        if (Result.isFailure(claimed)) {
          error = claimed.failure
          if (unconfirmedSince === undefined) return yield* error
        } else {
          if (!claimed.success) return undefined
          current = textOf(claim)
          // A store that took its time has left too little of the claim.
          const spent = (yield* Clock.currentTimeMillis) - startedAt
          if (spent > claimMillis - attemptMillis && attempts < maximumClaims) continue
          const result = yield* Effect.result(options.renew(account, before))
          if (Result.isSuccess(result)) {
            const tokens = tokensOf(result.success, startedAt, before.tokens)
            return (yield* storeRenewed(key, current, before, tokens)) ? tokens : undefined
          }
          error = result.failure
        }
        const now = yield* Clock.currentTimeMillis
        if (error.reason === "Unreachable") {
          unconfirmedSince ??= startedAt
          known.unconfirmed = { refreshToken, at: unconfirmedSince }
        }
        // A refusal of what was perhaps granted before comes from somebody on the way.
        const mayBeGranted = unconfirmedSince !== undefined && error.reason !== "ReconnectRequired"
        if (mayBeGranted && now - (unconfirmedSince ?? now) < graceMillis) {
          yield* backOff(attempts)
          continue
        }
        // The claim is given up, unless another process has taken it over; left behind, it is taken over.
        yield* Effect.ignore(records.replace(key, Option.some(current), before))
        if (error.reason === "Unreachable") return yield* error
        // Another process may have renewed them while this one was held up.
        const latest = yield* records.load(key)
        if (latest.record !== undefined && !areSame(latest.record, before)) return undefined
        if (before.agency === undefined) {
          const until = now + (error.reason === "ReconnectRequired" ? invalidGrantMillis : rejectionMillis)
          known.rejected = { refreshToken, error, until }
        }
        return yield* error
      }
    },
    (effect, account) =>
      Effect.withSpan(effect, "OAuth.refresh", { attributes: { "highlevel.account": keyOf(account) } })
  )

  /** Acceptable tokens of an account, from the store or from HighLevel. */
  const obtain = Effect.fnUntraced(function* (
    account: Account,
    known: Known,
    isAcceptable: (tokens: Tokens, now: number) => boolean
  ): Effect.fn.Return<Tokens, AccessTokenError> {
    const key = keyOf(account)
    const clock = yield* Clock.Clock
    let seen: { readonly claim: string; readonly since: bigint } | undefined
    while (true) {
      const { record, text } = yield* records.load(key)
      const now = yield* Clock.currentTimeMillis
      const { rejected } = known
      known.tokens = record?.tokens
      known.readAt = now
      if (record === undefined || Option.isNone(text)) {
        yield* create(account)
        continue
      }
      if (!isConnected(record)) return yield* reconnect(`${key} was disconnected`)
      const { claim, tokens } = record
      if (tokens !== undefined && isAcceptable(tokens, now)) return tokens
      if (rejected !== undefined && rejected.refreshToken === valueOf(tokens?.refreshToken) && now < rejected.until) {
        return yield* rejected.error
      }
      if (claim !== undefined && claim.owner !== owner) {
        // By our own clock: that of another machine may be wrong.
        const since = clock.monotonicTimeNanosUnsafe()
        if (seen?.claim !== Redacted.value(text.value)) seen = { claim: Redacted.value(text.value), since }
        if (Number(since - seen.since) < claimMillis * 1_000_000) {
          yield* Effect.sleep(Math.min(pollMillis, claimMillis))
          continue
        }
      }
      const renewed = yield* renewUnderClaim(account, known, text.value, record)
      if (renewed !== undefined) {
        known.tokens = renewed
        known.readAt = yield* Clock.currentTimeMillis
        return renewed
      }
      yield* Effect.sleep(Math.min(pollMillis, claimMillis))
    }
  })

  return obtain
}
