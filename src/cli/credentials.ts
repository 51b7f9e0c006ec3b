/** Where a command's tokens come from: a token, or an app whose customers' tokens are stored. */
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as AccessToken from "../client/AccessToken.ts"
import type * as TokenStore from "../oauth/TokenStore.ts"
import * as Token from "./token.ts"

const isGiven = (name: string) =>
  Effect.map(
    Config.option(Config.String(name)),
    Option.exists((text) => text.trim() !== "")
  )

const loaded = Effect.promise(() => import("./storedTokens.ts"))

/**
 * `HIGHLEVEL_TOKEN`; else the app of `HIGHLEVEL_CLIENT_ID` and
 * `HIGHLEVEL_CLIENT_SECRET`, with its customers' tokens in the given store; else
 * what a person at a terminal enters.
 */
export const layerStore = <E, R>(
  options: { readonly baseUrl: Option.Option<string> },
  store: Layer.Layer<TokenStore.TokenStore, E, R>
) =>
  Layer.effect(
    AccessToken.AccessToken,
    Effect.gen(function* () {
      if ((yield* isGiven("HIGHLEVEL_TOKEN")) || !(yield* isGiven("HIGHLEVEL_CLIENT_ID"))) {
        return yield* AccessToken.make({ token: yield* Token.token })
      }
      const StoredTokens = yield* loaded
      const tokens = StoredTokens.layer(options).pipe(Layer.provide(store))
      return Context.get(yield* Layer.build(tokens), AccessToken.AccessToken)
    })
  )

/** The same, with the tokens in the folder of `HIGHLEVEL_TOKENS`. */
export const layer = (options: { readonly baseUrl: Option.Option<string> }) =>
  layerStore(options, Layer.unwrap(Effect.map(loaded, ({ files }) => files)))
