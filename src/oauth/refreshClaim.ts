/**
 * A renewal under a claim: one at a time for an account, whatever process asks.
 *
 * Before a renewal its claim is written into the record, and again before each attempt;
 * after it the new tokens take its place. Each of these steps fails if another process
 * wrote in between. The claim of a process that died is taken over by one that has seen
 * it unchanged for long enough, and the renewal is repeated: within 30 seconds HighLevel
 * returns the same new pair for the same refresh token. A location whose renewal is refused
 * is adopted by another agency, if one has it.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { AccessTokenError } from "../client/AccessToken.ts"
import * as Monotonic from "../rateLimit/monotonic.ts"
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

/** What this process knows of the tokens of an account. Its times are monotonic: the wall clock may step. */
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

const withoutClaim = (record: TokenRecord): TokenRecord => {
  const { claim: _, ...others } = record
  return others
}

export const reconnect = (...messages: ReadonlyArray<string>) =>
  new AccessTokenError({ reason: "ReconnectRequired", messages })

export const make = (options: {
  readonly records: Records
  /** This process. */
  readonly owner: string
  /** New tokens for those of a record. */
  readonly renew: (account: Account, record: TokenRecord) => Effect.Effect<Grant, AccessTokenError>
  /** Tokens of a location from an agency that has it, stored in the place of `current`; none if that is not there. */
  readonly adopt: (
    location: Account,
    current: Option.Option<Redacted.Redacted>,
    refusedBy?: string
  ) => Effect.Effect<Tokens | undefined, AccessTokenError>
  readonly claimMillis: number
  /** How long one renewal may take, of the claim. */
  readonly attemptMillis: number
}) => {
  const { adopt, attemptMillis, claimMillis, owner, records } = options

  /** Stores new tokens in the place of those they were renewed from; false if others are there, or none. */
  const storeRenewed = (key: string, claimed: Redacted.Redacted, before: TokenRecord, tokens: Tokens) => {
    let current = Option.some(claimed)
    let record = before
    return records.persist(
      key,
      Effect.gen(function* () {
        if (yield* records.replace(key, current, { ...record, tokens })) return Option.some(true)
        const latest = yield* records.load(key)
        // Disconnected meanwhile; or renewed by another process, or by us without our knowing.
        if (!isConnected(latest.record) || Option.isNone(latest.text)) return Option.some(false)
        if (!areSame(latest.record, before)) return Option.some(false)
        // Another process took the claim over, but has nothing better to put there.
        current = latest.text
        record = withoutClaim(latest.record)
        return Option.none()
      })
    )
  }

  /** Renews tokens under a claim that nobody else can make; none if another process was faster. */
  const renewUnderClaim = Effect.fnUntraced(
    function* (account: Account, known: Known, found: Redacted.Redacted, before: TokenRecord) {
      const key = keyOf(account)
      const refreshToken = valueOf(before.tokens?.refreshToken)
      const { unconfirmed } = known
      // What was lost longer ago than the grace is past saving; what is lost now is not.
      const isRecent = unconfirmed !== undefined && (yield* Monotonic.now) - unconfirmed.at < graceMillis
      // Since when HighLevel may have rotated the tokens without our knowing, whatever came in between.
      let unconfirmedSince = isRecent && unconfirmed.refreshToken === refreshToken ? unconfirmed.at : undefined
      let current = found
      for (let attempts = 0; ; attempts++) {
        const startedAt = yield* Monotonic.now
        const requestedAt = yield* Clock.currentTimeMillis
        const claim = { ...before, claim: { owner, at: requestedAt } }
        const claimed = yield* Effect.result(records.replace(key, Option.some(current), claim))
        let error: AccessTokenError
        if (Result.isFailure(claimed)) {
          error = claimed.failure
          if (unconfirmedSince === undefined) return yield* error
        } else {
          if (!claimed.success) return undefined
          current = textOf(claim)
          // A store that took its time has left too little of the claim.
          const spent = (yield* Monotonic.now) - startedAt
          if (spent > claimMillis - attemptMillis && attempts < maximumClaims) continue
          const result = yield* Effect.result(options.renew(account, before))
          if (Result.isSuccess(result)) {
            const tokens = tokensOf(result.success, requestedAt, before.tokens)
            return (yield* storeRenewed(key, current, before, tokens)) ? tokens : undefined
          }
          error = result.failure
        }
        if (error.reason === "Unreachable") {
          unconfirmedSince ??= startedAt
          known.unconfirmed = { refreshToken, at: unconfirmedSince }
        }
        // A refusal of what was perhaps granted before comes from somebody on the way.
        const mayBeGranted = unconfirmedSince !== undefined && error.reason !== "ReconnectRequired"
        if (mayBeGranted && (yield* Monotonic.now) - (unconfirmedSince ?? startedAt) < graceMillis) {
          yield* backOff(attempts)
          continue
        }
        // The claim is given up, unless another process has taken it over; left behind, it is taken over.
        yield* Effect.ignore(records.replace(key, Option.some(current), before))
        return error.reason === "Unreachable" ? yield* error : yield* afterRefusal(account, known, before, error)
      }
    },
    (effect, account) =>
      Effect.withSpan(effect, "OAuth.refresh", { attributes: { "highlevel.account": keyOf(account) } })
  )

  /** What HighLevel's refusal of a renewal leaves: another process's tokens, those of another agency, or the refusal. */
  const afterRefusal = Effect.fnUntraced(function* (
    account: Account,
    known: Known,
    before: TokenRecord,
    error: AccessTokenError
  ) {
    const latest = yield* records.load(keyOf(account))
    // Another process may have renewed them while this one was held up.
    if (latest.record !== undefined && !areSame(latest.record, before)) return undefined
    const isReconnectRequired = error.reason === "ReconnectRequired"
    if (account.userType === "Location" && (before.agency !== undefined || isReconnectRequired)) {
      const adopted = yield* Effect.result(adopt(account, latest.text, before.agency))
      if (Result.isSuccess(adopted)) return adopted.success
    }
    if (before.agency === undefined) {
      const until = (yield* Monotonic.now) + (isReconnectRequired ? invalidGrantMillis : rejectionMillis)
      known.rejected = { refreshToken: valueOf(before.tokens?.refreshToken), error, until }
    }
    return yield* error
  })

  /** Acceptable tokens of an account, from the store or from HighLevel. */
  const obtain = Effect.fnUntraced(function* (
    account: Account,
    known: Known,
    isAcceptable: (tokens: Tokens, now: number) => boolean
  ): Effect.fn.Return<Tokens, AccessTokenError> {
    const key = keyOf(account)
    let seen: { readonly claim: string; readonly since: number } | undefined
    while (true) {
      const { record, text } = yield* records.load(key)
      const now = yield* Monotonic.now
      const { rejected } = known
      known.tokens = record?.tokens
      known.readAt = now
      if (record === undefined || Option.isNone(text)) {
        if (account.userType === "Company") return yield* reconnect(`no tokens are stored for ${key}`)
        yield* adopt(account, text)
        continue
      }
      if (!isConnected(record)) return yield* reconnect(`${key} was disconnected`)
      const { claim, tokens } = record
      if (tokens !== undefined && isAcceptable(tokens, yield* Clock.currentTimeMillis)) return tokens
      if (rejected !== undefined && rejected.refreshToken === valueOf(tokens?.refreshToken) && now < rejected.until) {
        return yield* rejected.error
      }
      if (claim !== undefined && claim.owner !== owner) {
        // By our own clock: that of another machine may be wrong.
        if (seen?.claim !== Redacted.value(text.value)) seen = { claim: Redacted.value(text.value), since: now }
        if (now - seen.since < claimMillis) {
          yield* Effect.sleep(Math.min(pollMillis, claimMillis))
          continue
        }
      }
      const renewed = yield* renewUnderClaim(account, known, text.value, withoutClaim(record))
      if (renewed !== undefined) {
        known.tokens = renewed
        known.readAt = yield* Monotonic.now
        return renewed
      }
      yield* Effect.sleep(Math.min(pollMillis, claimMillis))
    }
  })

  return obtain
}
