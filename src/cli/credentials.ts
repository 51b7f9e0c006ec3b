/** Finds the tokens of a command: a fixed token, or the stored tokens of an app's customers. */
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
 * Uses `HIGHLEVEL_TOKEN`; else the stored tokens of the app `HIGHLEVEL_CLIENT_ID` and
 * `HIGHLEVEL_CLIENT_SECRET`; else prompts for a token at a terminal.
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
