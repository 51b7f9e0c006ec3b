/** The stored tokens of an app's customers. Loaded on demand, since OAuth loads slowly. */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import type * as AccessToken from "../client/AccessToken.ts"
import type { InvalidOptions } from "../client/HighLevelError.ts"
import * as OAuth from "../oauth/OAuth.ts"
import * as TokenStore from "../oauth/TokenStore.ts"
import * as ExitCode from "./exitCode.ts"
import * as CliFailure from "./failure.ts"
import * as Output from "./output.ts"
import * as Shared from "./shared.ts"

const variable = (name: string) => Effect.map(Config.option(Config.String(name)), Option.getOrUndefined)

/** The default folder of this user. */
const userFolder = Effect.gen(function* () {
  const path = yield* Path.Path
  const home = (yield* variable("HOME")) ?? (yield* variable("USERPROFILE"))
  const folder = (yield* variable("XDG_CONFIG_HOME")) ?? (yield* variable("APPDATA"))
  if (folder === undefined && home === undefined) {
    return yield* CliFailure.usage("No token store: set HIGHLEVEL_TOKENS to a folder.")
  }
  return path.join(folder ?? path.join(home ?? "", ".config"), "effect-highlevel", "tokens")
})

/** Uses the folder `HIGHLEVEL_TOKENS`; else the Redis of `HIGHLEVEL_REDIS_URL`; else the user's default folder. */
const plainStore = Layer.unwrap(
  Effect.gen(function* () {
    const directory = yield* variable("HIGHLEVEL_TOKENS")
    if (directory === undefined && (yield* variable("HIGHLEVEL_REDIS_URL")) !== undefined) {
      const RedisConnection = yield* Effect.promise(() => import("./redisConnection.ts"))
      return TokenStore.layerRedis().pipe(Layer.provide(RedisConnection.layer))
    }
    return TokenStore.layerFile({ directory: directory ?? (yield* userFolder) })
  })
)

/** Encrypts the store if `HIGHLEVEL_TOKENS_KEY` is set. */
const store = Layer.unwrap(
  Effect.gen(function* () {
    const key = yield* Config.option(Config.Redacted("HIGHLEVEL_TOKENS_KEY"))
    return Option.isSome(key)
      ? TokenStore.layerEncrypted({ key: key.value }).pipe(
          Layer.catchTag("InvalidOptions", ({ expected }) =>
            Layer.effect(
              TokenStore.TokenStore,
              Effect.fail(CliFailure.usage(`HIGHLEVEL_TOKENS_KEY: expected ${expected}`))
            )
          ),
          Layer.provide(plainStore)
        )
      : plainStore
  })
)

/** The app of `HIGHLEVEL_CLIENT_ID` and `HIGHLEVEL_CLIENT_SECRET`, over its token store. */
export const layer = (server: Parameters<typeof Shared.clientOptions>[0]) =>
  Layer.unwrap(
    Effect.gen(function* () {
      for (const name of ["HIGHLEVEL_CLIENT_ID", "HIGHLEVEL_CLIENT_SECRET"]) {
        if (((yield* variable(name)) ?? "").trim() === "") {
          return yield* CliFailure.usage(`No app: set ${name} to that of your app in HighLevel's marketplace.`)
        }
      }
      return OAuth.layerConfig(Shared.clientOptions(server)).pipe(Layer.provide(store))
    })
  )

/** Turns an OAuth error into the failure of a command. */
export const catchErrors = <A, R>(
  effect: Effect.Effect<
    A,
    | CliFailure.CliFailure
    | Config.ConfigError
    | InvalidOptions
    | AccessToken.AccessTokenError
    | OAuth.AuthorizationFailed,
    R
  >
): Effect.Effect<A, CliFailure.CliFailure, R> =>
  effect.pipe(
    Effect.catchTag(["AccessTokenError", "AuthorizationFailed"], (error) => Effect.fail(failed(error))),
    CliFailure.catchErrors
  )

const failed = (error: AccessToken.AccessTokenError | OAuth.AuthorizationFailed) =>
  new CliFailure.CliFailure({
    exitCode: error.reason === "Unreachable" ? ExitCode.temporary : ExitCode.unauthorized,
    text: Output.printable(error.message),
    json: { _tag: error._tag, reason: error.reason, message: error.message }
  })
