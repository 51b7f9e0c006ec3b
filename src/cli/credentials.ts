/** Where a command's tokens come from: a token, or an app whose customers' tokens are stored. */
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as AccessToken from "../client/AccessToken.ts"
import type { ApiVersion } from "../wire/Operation.ts"
import * as Token from "./token.ts"

const isGiven = (name: string) =>
  Effect.map(
    Config.option(Config.String(name)),
    Option.exists((text) => text.trim() !== "")
  )

/**
 * `HIGHLEVEL_TOKEN`; else the app of `HIGHLEVEL_CLIENT_ID` and
 * `HIGHLEVEL_CLIENT_SECRET`, with its customers' tokens in their store; else what a
 * person at a terminal enters.
 */
export const layer = (server: {
  readonly baseUrl: Option.Option<string>
  readonly version: Option.Option<ApiVersion>
}) =>
  Layer.effect(
    AccessToken.AccessToken,
    Effect.gen(function* () {
      if ((yield* isGiven("HIGHLEVEL_TOKEN")) || !(yield* isGiven("HIGHLEVEL_CLIENT_ID"))) {
        return yield* AccessToken.make({ token: yield* Token.token })
      }
      const StoredTokens = yield* Effect.promise(() => import("./storedTokens.ts"))
      return Context.get(yield* Layer.build(StoredTokens.layer(server)), AccessToken.AccessToken)
    })
  )
