/** The Redis that workers share. */
import * as NodeRedis from "@effect/platform-node/NodeRedis"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as PersistedQueue from "effect/persistence/PersistedQueue"
import * as CliFailure from "./failure.ts"
import * as ExitCode from "./exitCode.ts"

/** Connects to `HIGHLEVEL_REDIS_URL`. It may contain a password, so it is not an argument. */
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

/** Describes a failure of the queue, and what to do. */
export const queueFailed =
  (advice: string) =>
  ({ _tag, cause, message }: PersistedQueue.PersistedQueueError) => {
    const reason = cause instanceof Error ? cause.message : message
    return new CliFailure.CliFailure({
      exitCode: ExitCode.temporary,
      text: `The queue in Redis failed: ${reason}. ${advice}`,
      json: { _tag, message: reason }
    })
  }
