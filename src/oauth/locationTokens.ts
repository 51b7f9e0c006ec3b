/** Where a client's tokens come from: the layers of `AccessToken` over `OAuth`. */
import * as Cache from "effect/Cache"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as AccessToken from "../client/AccessToken.ts"
import { OAuth } from "./oauthService.ts"

/**
 * The tokens of every location that has connected. A location is opened by its
 * first request and closed when it is idle.
 */
export const layerLocations: Layer.Layer<AccessToken.AccessToken, never, OAuth> = Layer.effect(
  AccessToken.AccessToken,
  Effect.map(OAuth, ({ clientId, renew, token }) => ({
    app: clientId,
    get: (locationId) => token({ locationId }),
    renew: (locationId, refused) => renew({ locationId }, refused)
  }))
)

/**
 * The tokens of one location. It is opened at once, so that a refresh that a crash
 * cut off is repeated in time; requests to another location fail.
 */
export const layerLocation = (options: {
  readonly locationId: string
  /** A refresh token that you already have: see `importRefreshToken` of {@link Service}. */
  readonly refreshToken?: Redacted.Redacted | undefined
}): Layer.Layer<AccessToken.AccessToken, AccessToken.AccessTokenError, OAuth> =>
  Layer.effect(
    AccessToken.AccessToken,
    Effect.gen(function* () {
      const { importRefreshToken, clientId, renew, token } = yield* OAuth
      const account = { locationId: options.locationId }
      if (options.refreshToken !== undefined) yield* importRefreshToken(account, options.refreshToken)
      yield* Effect.forkScoped(Effect.ignore(token(account)))
      const own = <A>(locationId: string, effect: Effect.Effect<A, AccessToken.AccessTokenError>) =>
        locationId === options.locationId
          ? effect
          : Effect.fail(
              new AccessToken.AccessTokenError({
                reason: "Refused",
                messages: [`these are the tokens of location ${options.locationId}`]
              })
            )
      return {
        app: clientId,
        get: (locationId) => own(locationId, token(account)),
        renew: (locationId, refused) => own(locationId, renew(account, refused))
      }
    })
  )

// A token that was refused this soon after its exchange will not be cured by another.
const minimumAgeMillis = 10_000
const maximumLocations = 10_000

/**
 * The tokens of an agency's sub-accounts, exchanged for the agency's own token and
 * kept in memory. The agency has connected with `userType: "Company"`.
 */
export const layerAgency = (options: {
  readonly companyId: string
}): Layer.Layer<AccessToken.AccessToken, never, OAuth> =>
  Layer.effect(
    AccessToken.AccessToken,
    Effect.gen(function* () {
      const { companyId } = options
      const { clientId, locationToken } = yield* OAuth
      const tokens = yield* Cache.makeWith((locationId: string) => locationToken({ companyId, locationId }), {
        capacity: maximumLocations,
        timeToLive: (exit) => {
          if (Exit.isFailure(exit)) return "1 second"
          const { expiresAt, obtainedAt } = exit.value
          return expiresAt === undefined ? "Infinity" : Math.max(0, (expiresAt - obtainedAt) * 0.9)
        }
      })
      return {
        app: clientId,
        get: (locationId) => Effect.map(Cache.get(tokens, locationId), ({ token }) => token),
        renew: (locationId, refused) =>
          Effect.gen(function* () {
            const { obtainedAt, token } = yield* Cache.get(tokens, locationId)
            if (Redacted.value(token) !== Redacted.value(refused)) return true
            if ((yield* Clock.currentTimeMillis) - obtainedAt < minimumAgeMillis) return false
            yield* Cache.invalidateWhen(tokens, locationId, (held) => held.token === token)
            yield* Cache.get(tokens, locationId)
            return true
          })
      }
    })
  )
