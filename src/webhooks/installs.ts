/** Keeps the accounts of `OAuth` up to date with installs and uninstalls. */
import * as Effect from "effect/Effect"
import type { AccessTokenError } from "../client/AccessToken.ts"
import { OAuth } from "../oauth/oauthService.ts"
import type { Install, Uninstall } from "../wire/webhookEvents.ts"

/**
 * Handlers that keep the accounts of `OAuth` up to date. Use them as
 * `Webhooks.on({ ...Webhooks.installs, … })`. They serve a location that an agency adds, and
 * remove the tokens of an account that uninstalls the app. Events may arrive in any order
 * and more than once.
 */
export const installs = {
  /** Serves a location by the token of its agency, if that is connected. Other locations connect by a code. */
  INSTALL: ({ companyId, locationId, timestamp }: Install): Effect.Effect<void, AccessTokenError, OAuth> =>
    Effect.gen(function* () {
      const oauth = yield* OAuth
      if (companyId == null || locationId == null || !(yield* oauth.isConnected({ companyId }))) return
      yield* oauth.addLocation({ companyId, locationId, installedAt: timestamp ?? undefined })
    }),

  /** Removes the tokens of the location, or else of the agency and its locations. */
  UNINSTALL: (event: Uninstall): Effect.Effect<void, AccessTokenError, OAuth> =>
    Effect.gen(function* () {
      const oauth = yield* OAuth
      const { companyId, locationId, timestamp, unrecognized } = event
      const options = { uninstalledAt: timestamp ?? undefined }
      if (locationId != null) return yield* oauth.disconnect({ locationId }, options)
      // An unreadable location id must not remove the whole agency.
      if (companyId != null && unrecognized?.["locationId"] === undefined) {
        yield* oauth.disconnect({ companyId }, options)
      }
    })
}
