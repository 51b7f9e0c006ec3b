/** Who has installed the app, kept in `OAuth` as HighLevel tells it. */
import * as Effect from "effect/Effect"
import type { AccessTokenError } from "../client/AccessToken.ts"
import { OAuth } from "../oauth/oauthService.ts"
import type { Install, Uninstall } from "../wire/webhookEvents.ts"

/**
 * Handlers that keep the accounts of `OAuth`, for `Webhooks.on({ ...Webhooks.installs, … })`:
 * a location that an agency adds is served from then on, and the tokens of one that
 * uninstalls the app are removed. In any order, and however often an event comes.
 */
export const installs = {
  INSTALL: ({ companyId, locationId, timestamp }: Install): Effect.Effect<void, AccessTokenError, OAuth> =>
    Effect.gen(function* () {
      const { addLocation, isConnected } = yield* OAuth
      if (companyId == null || locationId == null) return
      // A location that installs the app by itself comes with a code.
      if (!(yield* isConnected({ companyId }))) return
      yield* addLocation({ companyId, locationId, installedAt: timestamp ?? undefined })
    }),

  UNINSTALL: ({ companyId, locationId, timestamp }: Uninstall): Effect.Effect<void, AccessTokenError, OAuth> =>
    Effect.gen(function* () {
      const { disconnect } = yield* OAuth
      const options = { uninstalledAt: timestamp ?? undefined }
      if (locationId != null) yield* disconnect({ locationId }, options)
      else if (companyId != null) yield* disconnect({ companyId }, options)
    })
}
