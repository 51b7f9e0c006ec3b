/** `effect-highlevel enqueue`: puts updates into a queue. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as PersistedQueue from "effect/persistence/PersistedQueue"
import * as UpdateQueue from "../jobs/UpdateQueue.ts"
import * as ExitCode from "./exitCode.ts"
import * as CliFailure from "./failure.ts"
import * as Input from "./input.ts"
import * as Shared from "./shared.ts"

const queueFailed = (error: { readonly _tag: string; readonly message: string }) =>
  new CliFailure.CliFailure({
    exitCode: ExitCode.temporary,
    text: `The queue cannot be written: ${error.message}. Run the same command again: what is there is not there twice.`,
    json: { _tag: error._tag, message: error.message }
  })

export const enqueue = Command.make(
  "enqueue",
  {
    ...Shared.inputFlags,
    ...Shared.changeFlags,
    job: Flag.String("job").pipe(
      Flag.withDescription("Deduplication key: an update already enqueued under this name is ignored"),
      Flag.withSchema(Schema.NonEmptyString)
    ),
    queue: Shared.queueFlag,
    json: Shared.jsonFlag
  },
  Effect.fnUntraced(function* ({ input, job, json, queue, ...given }) {
    const changes = yield* Shared.changes(given)
    const defaults = { changes, locationId: Option.getOrUndefined(given.locationId) }
    const { bytes } = yield* Shared.open(input, false)
    // Loaded when it is used, since Redis takes its time.
    const RedisConnection = yield* Effect.promise(() => import("./redisConnection.ts"))
    let invalid = 0
    const updates = Input.updates(bytes, defaults, (line, { message }) => {
      invalid++
      return Console.error(json ? JSON.stringify({ line, outcome: "Invalid", message }) : `Line ${line}: ${message}`)
    }).pipe(Stream.map(({ update }) => update))
    const enqueued = yield* UpdateQueue.enqueue(updates, {
      job,
      ...(Option.isSome(queue) ? { name: queue.value } : {})
    }).pipe(
      Effect.provide(
        PersistedQueue.layer.pipe(
          Layer.provide(PersistedQueue.layerStoreRedis({ prefix: RedisConnection.queuePrefix })),
          Layer.provide(RedisConnection.layer)
        )
      ),
      Effect.catchTags({
        PersistedQueueError: (error) => Effect.fail(queueFailed(error)),
        SchemaError: (error) => Effect.fail(queueFailed(error))
      }),
      CliFailure.catchErrors
    )
    yield* Console.log(
      json
        ? JSON.stringify({ _tag: "Enqueued", job, ...enqueued, invalid })
        : `Job ${job}: ${enqueued.updates} updates of ${enqueued.conversations} conversations are accepted, once each${invalid === 0 ? "" : `; ${invalid} lines are invalid`}`
    )
    if (invalid > 0) return yield* new CliFailure.CliFailure({ exitCode: ExitCode.usage, text: "", json: null })
  }, CliFailure.asAsked)
).pipe(
  Command.withDescription("Put updates into a queue in Redis (HIGHLEVEL_REDIS_URL), one for each conversation"),
  Command.withExamples([
    {
      command: "effect-highlevel enqueue --job monday --input ids.txt --location-id <id> --unread-count 0",
      description: "Enqueue updates that mark as read"
    }
  ])
)
