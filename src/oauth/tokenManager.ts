/**
 * The token manager: the accounts that an app has connected, each with tokens that are
 * kept fresh, and never a pair of tokens lost.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as Hex from "effect/encoding/Hex"
import type { AccessTokenError } from "../client/AccessToken.ts"
import * as Hash from "../client/hash.ts"
import type { UserType } from "../wire/getAccessToken.ts"
import * as Records from "./records.ts"
import * as RefreshClaim from "./refreshClaim.ts"
import * as Sessions from "./sessions.ts"
import { type Account, isConnected, keyOf, prefixOf, type TokenRecord, tokensOf } from "./storedTokens.ts"
import * as TokenEndpoint from "./tokenEndpoint.ts"
import type * as TokenStore from "./TokenStore.ts"

const maximumImports = 100

export type TokenManager = Effect.Success<ReturnType<typeof make>>

export const make = Effect.fnUntraced(function* (options: {
  readonly clientId: string
  readonly store: TokenStore.Service
  readonly endpoint: TokenEndpoint.TokenEndpoint
  readonly refreshBeforeMillis: number
  readonly renewAfterMillis: number
  readonly claimMillis: number
  readonly attemptMillis: number
  readonly maxWaitMillis: number
  readonly idleTimeToLiveMillis: number
}) {
  const { clientId, endpoint } = options
  const records = Records.make(options.store)
  const accountOf = (userType: UserType, id: string): Account => ({ clientId, userType, id })

  /** Calls HighLevel with the token of an agency, and once more if it is refused as invalid. */
  const asAgency = Effect.fnUntraced(function* <A>(
    companyId: string,
    call: (token: Redacted.Redacted) => Effect.Effect<A, AccessTokenError>
  ): Effect.fn.Return<A, AccessTokenError> {
    const agency = accountOf("Company", companyId)
    const token = yield* sessions.get(agency)
    return yield* Effect.catchIf(call(token), TokenEndpoint.isInvalidToken, (error) =>
      Effect.flatMap(sessions.renew(agency, token), (hasAnother) =>
        hasAnother ? Effect.flatMap(sessions.get(agency), call) : Effect.fail(error)
      )
    )
  })

  /** The token of a location, for that of its agency: exchanged again when it expires. */
  const exchange = (companyId: string, locationId: string) =>
    Effect.map(
      asAgency(companyId, (token) => endpoint.locationToken(companyId, locationId, token)),
      (grant): TokenEndpoint.Grant => ({ ...grant, refreshToken: undefined })
    )

  const renew = (account: Account, { agency, tokens }: TokenRecord) =>
    agency !== undefined
      ? exchange(agency, account.id)
      : tokens?.refreshToken !== undefined
        ? endpoint.refresh(tokens.refreshToken, account.userType)
        : Effect.fail(
            RefreshClaim.reconnect(`the tokens of ${keyOf(account)} are expired and came without a refresh token`)
          )

  const companies = records.list(prefixOf(accountOf("Company", "")))

  /** Asks the agencies that are connected for a location without a record: one of them may have added it. */
  const create = Effect.fnUntraced(function* (account: Account) {
    const missing = `no tokens are stored for ${keyOf(account)}`
    if (account.userType === "Company") return yield* RefreshClaim.reconnect(missing)
    const refusals = new Set<string>()
    for (const companyId of yield* Stream.runCollect(companies)) {
      const startedAt = yield* Clock.currentTimeMillis
      const exchanged = yield* Effect.result(exchange(companyId, account.id))
      if (exchanged._tag === "Success") {
        const tokens = tokensOf(exchanged.success, startedAt)
        const record = { tokens, agency: companyId, connectedAt: startedAt }
        const isStored = yield* records.replace(keyOf(account), Option.none(), record)
        // The agency may have been disconnected meanwhile.
        const agency = yield* records.get(keyOf(accountOf("Company", companyId)))
        if (isStored && Option.isNone(agency)) yield* records.remove(keyOf(account))
        return isStored
      }
      if (exchanged.failure.reason === "Unreachable") return yield* exchanged.failure
      refusals.add(`agency ${companyId}: ${exchanged.failure.message}`)
    }
    return yield* RefreshClaim.reconnect(missing, ...refusals)
  })

  const sessions = yield* Sessions.make({
    ...options,
    obtain: RefreshClaim.make({ ...options, records, owner: Hex.random(16), renew, create })
  })

  /** Replaces a record by what a change makes of it, whatever other processes do; nothing where it makes none. */
  const change = Effect.fnUntraced(function* (
    account: Account,
    next: (record: TokenRecord | undefined) => TokenRecord | undefined
  ): Effect.fn.Return<void, AccessTokenError> {
    for (let conflicts = 0; ; conflicts++) {
      const { record, text } = yield* records.load(keyOf(account))
      const changed = next(record)
      if (changed === undefined) return
      if (yield* records.replace(keyOf(account), text, changed)) break
      yield* Records.backOff(conflicts)
    }
    yield* sessions.forget(account)
  })

  /** Serves a location by the token of an agency, unless it has tokens of its own, or was disconnected after that time. */
  const addLocation = (companyId: string, locationId: string, connectedAt: number) =>
    change(accountOf("Location", locationId), (record) => {
      const known = record?.connectedAt ?? -Infinity
      if (!isConnected(record)) return connectedAt < known ? undefined : { agency: companyId, connectedAt }
      if (record.agency === undefined) return undefined
      if (record.agency !== companyId) return { agency: companyId, connectedAt }
      return connectedAt > known ? { ...record, connectedAt } : undefined
    })

  /** The accounts that are connected, with their records. */
  const list = (userType: UserType) =>
    records.list(prefixOf(accountOf(userType, ""))).pipe(
      Stream.mapEffect(
        (id) => Effect.map(records.load(keyOf(accountOf(userType, id))), ({ record }) => ({ id, record })),
        {
          concurrency: 16
        }
      ),
      Stream.filter((found): found is { readonly id: string; readonly record: TokenRecord } =>
        isConnected(found.record)
      )
    )

  const remove = (account: Account) => Effect.andThen(records.remove(keyOf(account)), sessions.forget(account))

  return {
    accountOf,
    asAgency,
    addLocation,
    list,
    get: sessions.get,
    renew: sessions.renew,

    /** Exchanges a code, which can be done once, and stores the tokens, whatever was there. */
    exchangeCode: <A extends TokenEndpoint.Grant>(
      exchanging: Effect.Effect<A, AccessTokenError>,
      ownerOf: (grant: A) => Account | undefined
    ): Effect.Effect<A, AccessTokenError> =>
      sessions.runToEnd(
        Effect.gen(function* () {
          const startedAt = yield* Clock.currentTimeMillis
          const grant = yield* exchanging
          const account = ownerOf(grant)
          if (account === undefined) return grant
          const key = keyOf(account)
          const tokens = tokensOf(grant, startedAt)
          const stored = Effect.gen(function* () {
            // What cannot be read, because its key is lost, does not keep a customer from reconnecting.
            const current = yield* Effect.catch(records.get(key), () =>
              Effect.as(records.remove(key), Option.none<Redacted.Redacted>())
            )
            const record = { tokens, connectedAt: startedAt }
            return (yield* records.replace(key, current, record)) ? Option.some(true) : Option.none()
          })
          yield* records.persist(key, stored)
          yield* sessions.forget(account)
          return grant
        })
      ),

    /**
     * Stores a refresh token, unless the tokens that are stored came of it, of a newer
     * one, or of an authorization.
     */
    importRefreshToken: (account: Account, refreshToken: Redacted.Redacted) =>
      Effect.flatMap(Clock.currentTimeMillis, (obtainedAt) => {
        const hash = Hash.make(Redacted.value(refreshToken))
        return change(account, (record) => {
          const imported = record?.imported ?? []
          if (isConnected(record) && (record.imported === undefined || imported.includes(hash))) return undefined
          return {
            tokens: { refreshToken, obtainedAt },
            connectedAt: obtainedAt,
            imported: [hash, ...imported].slice(0, maximumImports)
          }
        })
      }),

    isConnected: (account: Account) => Effect.map(records.load(keyOf(account)), ({ record }) => isConnected(record)),

    /**
     * Removes the tokens of an account; of an agency, those of the locations that it serves,
     * too. Nothing where the account was connected after the given time.
     */
    disconnect: Effect.fnUntraced(function* (
      account: Account,
      uninstalledAt: number
    ): Effect.fn.Return<void, AccessTokenError> {
      const { record } = yield* records.load(keyOf(account))
      if ((record?.connectedAt ?? 0) > uninstalledAt) return
      const agency = record?.agency
      // Its agency would serve it again.
      if (agency !== undefined)
        return yield* change(account, () => ({ agency, disconnected: true, connectedAt: uninstalledAt }))
      yield* remove(account)
      if (account.userType === "Location") return
      yield* Stream.runForEach(list("Location"), ({ id, record: { agency } }) =>
        agency === account.id ? remove(accountOf("Location", id)) : Effect.void
      )
    })
  }
})
