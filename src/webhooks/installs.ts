/** Who has installed the app, kept in `OAuth` as HighLevel tells it. */
import * as Effect from "effect/Effect"
import type { AccessTokenError } from "../client/AccessToken.ts"
import { OAuth } from "../oauth/oauthService.ts"
import type { Install, Uninstall } from "../wire/webhookEvents.ts"

/**
 * Handlers that keep the accounts of `OAuth` up to date, for
 * `Webhooks.on({ ...Webhooks.installs, … })`: a location that an agency adds is served from
 * then on, and the tokens of an account that uninstalls the app are removed. Events may
 * come in any order and more than once.
 */
export const installs = {
  /** Serves a location by the token of its agency, if the agency has connected. A location on its own brings a code. */
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
      // A location of an unreadable id is not its whole agency.
      if (companyId != null && unrecognized?.["locationId"] === undefined) {
        yield* oauth.disconnect({ companyId }, options)
      }
    })
}
