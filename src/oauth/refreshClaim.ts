/**
 * Renews tokens under a claim, so that only one process at a time renews those of an
 * account.
 *
 * A process writes its claim into the record before the renewal and before each attempt,
 * and replaces it by the new tokens. Each write fails if another process wrote in between.
 * A process that has seen a claim unchanged for long enough takes it over and repeats the
 * renewal: for 30 seconds, HighLevel returns the same new pair for a refresh token. If the
 * renewal of a location is refused, another agency that has it takes over.
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

/** What this process knows about the tokens of an account. Times are monotonic. */
export interface Known {
  tokens: Tokens | undefined
  /** When they were read or written. */
  readAt: number
  /** A refresh token whose response was lost, and since when. */
  unconfirmed: { readonly refreshToken: string | undefined; readonly at: number } | undefined
  /** A refresh token that HighLevel rejected, and until when it is not sent again. */
  rejected:
    { readonly refreshToken: string | undefined; readonly error: AccessTokenError; readonly until: number } | undefined
}

const pollMillis = 100
// How long a lost renewal is repeated: HighLevel's 30 seconds, with a margin.
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
  /** Requests new tokens for those of a record. */
  readonly renew: (account: Account, record: TokenRecord) => Effect.Effect<Grant, AccessTokenError>
  /** Gets tokens of a location from an agency that has it and replaces `current`; none if the stored record is another. */
  readonly adopt: (
    location: Account,
    current: Option.Option<Redacted.Redacted>,
    refusedBy?: string
  ) => Effect.Effect<Tokens | undefined, AccessTokenError>
  readonly claimMillis: number
  /** Maximum duration of one attempt, which is shorter than the claim. */
  readonly attemptMillis: number
}) => {
  const { adopt, attemptMillis, claimMillis, owner, records } = options

  /** Replaces tokens by their renewal; false if the stored ones are others, or none. */
  const storeRenewed = (key: string, claimed: Redacted.Redacted, before: TokenRecord, tokens: Tokens) => {
    let current = Option.some(claimed)
    let record = before
    return records.persist(
      key,
      Effect.gen(function* () {
        if (yield* records.replace(key, current, { ...record, tokens })) return Option.some(true)
        const latest = yield* records.load(key)
        // Disconnected; or renewed by another process, or by our own write whose result was lost.
        if (!isConnected(latest.record) || Option.isNone(latest.text)) return Option.some(false)
        if (!areSame(latest.record, before)) return Option.some(false)
        // Another process took over the claim, but our tokens are the newest.
        current = latest.text
        record = withoutClaim(latest.record)
        return Option.none()
      })
    )
  }

  /** Renews tokens under an exclusive claim; none if another process was faster. */
  const renewUnderClaim = Effect.fnUntraced(
    function* (account: Account, known: Known, found: Redacted.Redacted, before: TokenRecord) {
      const key = keyOf(account)
      const refreshToken = valueOf(before.tokens?.refreshToken)
      const { unconfirmed } = known
      // A renewal that was lost before the grace period cannot be repeated; one that is lost now can.
      const isRecent = unconfirmed !== undefined && (yield* Monotonic.now) - unconfirmed.at < graceMillis
      // Since when HighLevel may have rotated the tokens in a lost response.
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
          // A slow store may have used up too much of the claim.
          const elapsed = (yield* Monotonic.now) - startedAt
          if (elapsed > claimMillis - attemptMillis && attempts < maximumClaims) continue
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
        // If an earlier attempt may have been granted, a refusal may come from a gateway.
        const mayBeGranted = unconfirmedSince !== undefined && error.reason !== "ReconnectRequired"
        if (mayBeGranted && (yield* Monotonic.now) - (unconfirmedSince ?? startedAt) < graceMillis) {
          yield* backOff(attempts)
          continue
        }
        // Releases the claim, unless another process took it over. Otherwise it would expire.
        yield* Effect.ignore(records.replace(key, Option.some(current), before))
        return error.reason === "Unreachable" ? yield* error : yield* afterRefusal(account, known, before, error)
      }
    },
    (effect, account) =>
      Effect.withSpan(effect, "OAuth.refresh", { attributes: { "highlevel.account": keyOf(account) } })
  )

  /** After a refused renewal: the tokens of another process or of another agency, else the refusal. */
  const afterRefusal = Effect.fnUntraced(function* (
    account: Account,
    known: Known,
    before: TokenRecord,
    error: AccessTokenError
  ) {
    const latest = yield* records.load(keyOf(account))
    // Another process may have renewed them in the meantime.
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

  /** Gets acceptable tokens of an account from the store, or renews them. */
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
        // By our own clock, since that of another machine may be wrong.
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
