/** The Redis that workers share. */
import * as NodeRedis from "@effect/platform-node/NodeRedis"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as CliFailure from "./failure.ts"
import * as ExitCode from "./exitCode.ts"

export const queuePrefix = "effect-highlevel:queue:"

/** Of `HIGHLEVEL_REDIS_URL`, which may hold a password, and so is no argument. */
export const layer = Layer.unwrap(
  Effect.gen(function* () {
    const url = Redacted.value(
      yield* Config.Redacted("HIGHLEVEL_REDIS_URL").pipe(Config.withDefault(Redacted.make("redis://127.0.0.1:6379")))
    )
    if (!/^rediss?:\/\//.test(url) || !URL.canParse(url)) {
      return yield* CliFailure.usage("HIGHLEVEL_REDIS_URL: expected redis://… or rediss://…")
    }
    return NodeRedis.layer({ url })
  })
).pipe(
  Layer.catchTag("RedisError", () =>
    Layer.effectContext(
      Effect.fail(
        new CliFailure.CliFailure({
          exitCode: ExitCode.temporary,
          text: "Redis cannot be reached: see HIGHLEVEL_REDIS_URL.",
          json: { _tag: "RedisError", message: "Redis cannot be reached" }
        })
      )
    )
  )
)
