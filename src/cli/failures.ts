/** `effect-highlevel failures`: lists permanently failed updates of a queue, and retries them. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as UpdateQueue from "../jobs/UpdateQueue.ts"
import * as CliFailure from "./failure.ts"
import * as Output from "./output.ts"
import * as Shared from "./shared.ts"

const encode = Schema.encodeSync(Schema.toCodecJson(UpdateQueue.Failure))

export const failures = Command.make(
  "failures",
  {
    retry: Flag.Boolean("retry").pipe(Flag.withDescription("Put them back into the queue"), Flag.withDefault(false)),
    queue: Shared.queueFlag,
    json: Shared.jsonFlag
  },
  Effect.fnUntraced(function* ({ json, queue, retry }) {
    const { stdout } = yield* Stdio.Stdio
    const RedisConnection = yield* Effect.promise(() => import("./redisConnection.ts"))
    const options = Option.isSome(queue) ? { name: queue.value } : {}
    const failed = UpdateQueue.failures(options)
    let count = 0
    yield* (retry ? UpdateQueue.retry(failed, options) : failed).pipe(
      Stream.map((failure) => {
        count++
        return `${Output.printable(JSON.stringify(encode(failure)))}\n`
      }),
      Stream.run(stdout()),
      Effect.provide(UpdateQueue.layerRedis().pipe(Layer.provide(RedisConnection.layer))),
      Effect.catchTags({
        PersistedQueueError: (error) => Effect.fail(RedisConnection.queueFailed("Run the command again.")(error)),
        PlatformError: (error) => Effect.fail(CliFailure.cannotWrite("failures", error))
      }),
      CliFailure.catchErrors
    )
    const have = count === 1 ? "has" : "have"
    yield* Console.error(
      json
        ? JSON.stringify({ _tag: "Failures", failures: count, retried: retry })
        : retry
          ? `${Output.counted(count, "update")} that had failed ${count === 1 ? "is" : "are"} in the queue again.`
          : `${Output.counted(count, "update")} ${have} failed permanently.${count === 0 ? "" : " --retry puts them back into the queue."}`
    )
  }, CliFailure.asAsked)
).pipe(
  Command.withDescription("List the permanently failed updates of a queue in Redis (HIGHLEVEL_REDIS_URL)"),
  Command.withExamples([
    { command: "effect-highlevel failures", description: "Print them, one a line" },
    { command: "effect-highlevel failures --retry", description: "Send them again" }
  ])
)
