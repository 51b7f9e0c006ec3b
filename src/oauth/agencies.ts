/** The agencies of an app, whose tokens are exchanged for those of their locations. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import type { AccessTokenError } from "../client/AccessToken.ts"
import * as Monotonic from "../rateLimit/monotonic.ts"
import type { InstalledLocation } from "./oauthService.ts"
import type { Records } from "./records.ts"
import { reconnect } from "./refreshClaim.ts"
import { type Account, isConnected, keyOf, prefixOf, textOf, tokensOf } from "./storedTokens.ts"
import * as TokenEndpoint from "./tokenEndpoint.ts"

// How many agencies are asked for a location at once, and named if none has it.
const concurrency = 8
const maximumNamed = 3
const firstPage: { readonly skip: number; readonly first: string | null | undefined } = { skip: 0, first: undefined }
// A failed search is repeated after as many seconds as there are agencies, at most a minute.
const searchMillis = 1000
const maximumSearchMillis = 60_000

export const make = (options: {
  readonly clientId: string
  readonly appId: string
  readonly records: Records
  readonly endpoint: TokenEndpoint.TokenEndpoint
  readonly get: (agency: Account) => Effect.Effect<Redacted.Redacted, AccessTokenError>
  readonly renew: (agency: Account, refused: Redacted.Redacted) => Effect.Effect<boolean, AccessTokenError>
}) => {
  const { appId, clientId, endpoint, records } = options
  const agencyOf = (id: string): Account => ({ clientId, userType: "Company", id })

  /** Calls HighLevel with the token of an agency, and retries once if it is rejected as invalid. */
  const asAgency = Effect.fnUntraced(function* <A>(
    companyId: string,
    call: (token: Redacted.Redacted) => Effect.Effect<A, AccessTokenError>
  ): Effect.fn.Return<A, AccessTokenError> {
    const agency = agencyOf(companyId)
    const token = yield* options.get(agency)
    return yield* Effect.catchIf(call(token), TokenEndpoint.isInvalidToken, (error) =>
      Effect.flatMap(options.renew(agency, token), (hasAnother) =>
        hasAnother ? Effect.flatMap(options.get(agency), call) : Effect.fail(error)
      )
    )
  })

  /** Exchanges an agency's token for a location's, and again when that expires. */
  const exchange = (companyId: string, locationId: string) =>
    Effect.map(
      asAgency(companyId, (token) => endpoint.locationToken(companyId, locationId, token)),
      (grant): TokenEndpoint.Grant => ({ ...grant, refreshToken: undefined })
    )

  /** Streams the locations in which an agency has installed the app, until a page has nothing new. */
  const installedLocations = (companyId: string) =>
    Stream.paginate(firstPage, ({ first, skip }) =>
      Effect.map(
        asAgency(companyId, (token) => endpoint.installedLocations({ companyId, appId, skip }, token)),
        (page) => {
          const next = page[0]?._id
          if (page.length === 0 || (next != null && next === first)) return [[], Option.none()] as const
          const locations = page.flatMap(({ _id, isInstalled, name }): ReadonlyArray<InstalledLocation> =>
            _id == null || isInstalled === false ? [] : [{ locationId: _id, name: name ?? undefined }]
          )
          return [locations, Option.some({ skip: skip + page.length, first: next })] as const
        }
      )
    )

  const connected = records.list(prefixOf({ clientId, userType: "Company" }))
  const isAnyConnected = Effect.map(Stream.runHead(connected), Option.isSome)

  const failedSearches = new Map<string, { readonly error: AccessTokenError; readonly until: number }>()

  /** Asks the agencies for a location, except the one that refused it, until one of them has it. */
  const search = Effect.fnUntraced(function* (location: Account, refusedBy: string | undefined) {
    const now = yield* Monotonic.now
    for (const [id, { until }] of failedSearches) if (now >= until) failedSearches.delete(id)
    const failed = failedSearches.get(location.id)
    if (failed !== undefined) return yield* failed.error
    const asked = yield* connected.pipe(
      Stream.filter((companyId) => companyId !== refusedBy),
      Stream.mapEffect(
        (companyId) =>
          Effect.map(Effect.result(exchange(companyId, location.id)), (exchanged) => ({ companyId, exchanged })),
        { concurrency, unordered: true }
      ),
      Stream.takeUntil(({ exchanged }) => Result.isSuccess(exchanged)),
      Stream.runCollect
    )
    const refusals: Array<string> = []
    let unreachable: AccessTokenError | undefined
    for (const { companyId, exchanged } of asked) {
      if (Result.isSuccess(exchanged)) return { companyId, grant: exchanged.success }
      if (exchanged.failure.reason === "Unreachable") unreachable ??= exchanged.failure
      refusals.push(`agency ${companyId}: ${exchanged.failure.message}`)
    }
    // The failing agency may be the one that has the location.
    if (unreachable !== undefined) return yield* unreachable
    const more = refusals.length - maximumNamed
    const error = reconnect(
      `no tokens are stored for ${keyOf(location)}`,
      ...refusals.slice(0, maximumNamed),
      ...(more > 0 ? [`and ${more} more agencies do not have it`] : [])
    )
    const until = (yield* Monotonic.now) + Math.min(refusals.length * searchMillis, maximumSearchMillis)
    failedSearches.set(location.id, { error, until })
    return yield* error
  })

  /**
   * Serves a location by the token of an agency that has it, and replaces `current` in the
   * store. Returns none if the stored record is another one.
   */
  const adopt = Effect.fnUntraced(function* (
    location: Account,
    current: Option.Option<Redacted.Redacted>,
    refusedBy?: string
  ) {
    const connectedAt = yield* Clock.currentTimeMillis
    const { companyId, grant } = yield* search(location, refusedBy)
    const record = { tokens: tokensOf(grant, connectedAt), agency: companyId, connectedAt }
    if (!(yield* records.replace(keyOf(location), current, record))) return undefined
    // The agency may have been disconnected before there was a record to remove.
    const agency = yield* records.load(keyOf(agencyOf(companyId)))
    if (isConnected(agency.record)) return record.tokens
    yield* records.remove(keyOf(location), Option.some(textOf(record)))
    return undefined
  })

  return { installedLocations, exchange, isAnyConnected, adopt }
}
