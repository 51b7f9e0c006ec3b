/** Where a command's tokens come from: a token, or an app whose customers' tokens are stored. */
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { AccessToken, OAuth, TokenStore } from "../index.ts"
import * as CliFailure from "./CliFailure.ts"
import * as Token from "./Token.ts"

const isGiven = (name: string) =>
  Effect.map(
    Config.option(Config.String(name)),
    Option.exists((text) => text.trim() !== "")
  )

const files = Layer.unwrap(
  Effect.gen(function* () {
    const directory = yield* Config.option(Config.String("HIGHLEVEL_TOKENS"))
    if (Option.isSome(directory) && directory.value !== "") return TokenStore.layerFile({ directory: directory.value })
    return yield* CliFailure.usage("No token store: set HIGHLEVEL_TOKENS to the folder with your customers' tokens.")
  })
)

/**
 * `HIGHLEVEL_TOKEN`; else the app of `HIGHLEVEL_CLIENT_ID` and
 * `HIGHLEVEL_CLIENT_SECRET`, with its customers' tokens in the given store; else
 * what a person at a terminal enters.
 */
export const layerStore = <E, R>(
  { baseUrl }: { readonly baseUrl: Option.Option<string> },
  store: Layer.Layer<TokenStore.TokenStore, E, R>
) => {
  const tokens = OAuth.layerLocations.pipe(
    Layer.provide(OAuth.layerConfig(Option.isSome(baseUrl) ? { baseUrl: Config.succeed(baseUrl.value) } : {})),
    Layer.provide(store)
  )
  return Layer.effect(
    AccessToken.AccessToken,
    Effect.gen(function* () {
      if ((yield* isGiven("HIGHLEVEL_TOKEN")) || !(yield* isGiven("HIGHLEVEL_CLIENT_ID"))) {
        return yield* AccessToken.make({ token: yield* Token.token })
      }
      return Context.get(yield* Layer.build(tokens), AccessToken.AccessToken)
    })
  )
}

/** The same, with the tokens in the folder of `HIGHLEVEL_TOKENS`. */
export const layer = (options: { readonly baseUrl: Option.Option<string> }) => layerStore(options, files)
