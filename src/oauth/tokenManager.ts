/**
 * The token manager: keeps the tokens of an app's accounts fresh, without ever losing a
 * pair.
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
import * as Agencies from "./agencies.ts"
import * as Records from "./records.ts"
import * as RefreshClaim from "./refreshClaim.ts"
import * as Sessions from "./sessions.ts"
import { type Account, isConnected, keyOf, prefixOf, type TokenRecord, tokensOf } from "./storedTokens.ts"
import type * as TokenEndpoint from "./tokenEndpoint.ts"
import type * as TokenStore from "./TokenStore.ts"

const maximumImports = 100

export type TokenManager = Effect.Success<ReturnType<typeof make>>

export const make = Effect.fnUntraced(function* (options: {
  readonly clientId: string
  /** The app id: the part of the client id before the hyphen. */
  readonly appId: string
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

  const agencies = Agencies.make({
    ...options,
    records,
    get: (agency) => sessions.get(agency),
    renew: (agency, refused) => sessions.renew(agency, refused)
  })

  const renew = (account: Account, { agency, tokens }: TokenRecord) =>
    agency !== undefined
      ? agencies.exchange(agency, account.id)
      : tokens?.refreshToken !== undefined
        ? endpoint.refresh(tokens.refreshToken, account.userType)
        : Effect.fail(
            RefreshClaim.reconnect(`the tokens of ${keyOf(account)} are expired and came without a refresh token`)
          )

  const sessions = yield* Sessions.make({
    ...options,
    obtain: RefreshClaim.make({ ...options, records, owner: Hex.random(16), renew, adopt: agencies.adopt })
  })

  /** Applies a change to a record, retrying if another process changes it. Undefined removes it. */
  const change = Effect.fnUntraced(function* (
    account: Account,
    next: (record: TokenRecord | undefined) => TokenRecord | undefined
  ): Effect.fn.Return<void, AccessTokenError> {
    const key = keyOf(account)
    for (let conflicts = 0; ; conflicts++) {
      const { record, text } = yield* records.load(key)
      const changed = next(record)
      if (record !== undefined && changed === record) return
      // Without a record, this completes an interrupted removal.
      if (yield* changed === undefined ? records.remove(key, text) : records.replace(key, text, changed)) break
      yield* Records.backOff(conflicts)
    }
    yield* sessions.forget(account)
  })

  /** Serves a location by the token of an agency, unless it has its own tokens or was disconnected later. */
  const addLocation = (companyId: string, locationId: string, connectedAt: number) =>
    change(accountOf("Location", locationId), (record) => {
      const known = record?.connectedAt ?? -Infinity
      if (!isConnected(record)) return connectedAt < known ? record : { agency: companyId, connectedAt }
      if (record.agency === undefined) return record
      if (record.agency !== companyId) return { agency: companyId, connectedAt }
      return connectedAt > known ? { ...record, connectedAt } : record
    })

  /** Streams the connected accounts with their records. */
  const list = (userType: UserType) =>
    records.list(prefixOf(accountOf(userType, ""))).pipe(
      Stream.mapEffect(
        (id) => Effect.map(records.load(keyOf(accountOf(userType, id))), ({ record }) => ({ id, record })),
        { concurrency: 16 }
      ),
      Stream.filter((found): found is { readonly id: string; readonly record: TokenRecord } =>
        isConnected(found.record)
      )
    )

  const isConnectedAccount = (account: Account) =>
    Effect.map(records.load(keyOf(account)), ({ record }) => isConnected(record))

  return {
    accountOf,
    installedLocations: agencies.installedLocations,
    addLocation,
    list,
    get: sessions.get,
    renew: sessions.renew,

    /** Exchanges a code and stores the tokens, replacing any others. A code can be used once. */
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
            // Tokens that cannot be decrypted do not prevent a customer from reconnecting.
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
     * Stores a refresh token, unless the stored tokens descend from it, from a newer
     * import, or from an authorization.
     */
    importRefreshToken: (account: Account, refreshToken: Redacted.Redacted) =>
      Effect.flatMap(Clock.currentTimeMillis, (obtainedAt) => {
        const hash = Hash.make(Redacted.value(refreshToken))
        return change(account, (record) => {
          const imported = record?.imported ?? []
          if (isConnected(record) && (record.imported === undefined || imported.includes(hash))) return record
          return {
            tokens: { refreshToken, obtainedAt },
            connectedAt: obtainedAt,
            imported: [hash, ...imported].slice(0, maximumImports)
          }
        })
      }),

    isConnected: isConnectedAccount,

    /**
     * Removes the tokens of an account; for an agency, also those of the locations that it
     * serves. Does nothing if the account was connected after the given time.
     */
    disconnect: Effect.fnUntraced(function* (
      account: Account,
      uninstalledAt: number
    ): Effect.fn.Return<void, AccessTokenError> {
      const isServed = account.userType === "Location" && (yield* agencies.isAnyConnected)
      yield* change(account, (record) => {
        if ((record?.connectedAt ?? -Infinity) > uninstalledAt) return record
        const agency = record?.agency
        // Otherwise its agency would serve it again.
        return isServed || agency !== undefined
          ? { ...(agency === undefined ? {} : { agency }), disconnected: true, connectedAt: uninstalledAt }
          : undefined
      })
      if (account.userType === "Location") return
      if (yield* isConnectedAccount(account)) return
      yield* list("Location").pipe(
        Stream.filter(({ record }) => record.agency === account.id),
        Stream.mapEffect(
          ({ id }) =>
            change(accountOf("Location", id), (record) => (record?.agency === account.id ? undefined : record)),
          { concurrency: 16 }
        ),
        Stream.runDrain
      )
    })
  }
})
