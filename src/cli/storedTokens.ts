/** The tokens of an app's customers; loaded when there is an app, since OAuth takes its time. */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as OAuth from "../oauth/OAuth.ts"
import * as TokenStore from "../oauth/TokenStore.ts"
import * as CliFailure from "./failure.ts"

/** The app of `HIGHLEVEL_CLIENT_ID` and `HIGHLEVEL_CLIENT_SECRET`, over its token store. */
export const layer = ({ baseUrl }: { readonly baseUrl: Option.Option<string> }) =>
  OAuth.layerConfig(Option.isSome(baseUrl) ? { baseUrl: Config.succeed(baseUrl.value) } : {})

/** The folder of `HIGHLEVEL_TOKENS`. */
export const files = Layer.unwrap(
  Effect.gen(function* () {
    const directory = yield* Config.option(Config.String("HIGHLEVEL_TOKENS"))
    if (Option.isSome(directory) && directory.value !== "") return TokenStore.layerFile({ directory: directory.value })
    return yield* CliFailure.usage("No token store: set HIGHLEVEL_TOKENS to the folder with your customers' tokens.")
  })
)
