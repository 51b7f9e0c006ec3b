/** What `effect-highlevel enqueue` does; loaded when it is asked for, since Redis takes its time. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as PersistedQueue from "effect/persistence/PersistedQueue"
import * as UpdateQueue from "../UpdateQueue.ts"
import * as CliFailure from "./CliFailure.ts"
import * as ExitCode from "./ExitCode.ts"
import * as Input from "./Input.ts"
import * as RedisConnection from "./RedisConnection.ts"

const queueFailed = (error: { readonly _tag: string; readonly message: string }) =>
  new CliFailure.CliFailure({
    exitCode: ExitCode.temporary,
    text: `The queue cannot be written: ${error.message}. Run the same command again: what is there is not there twice.`,
    json: { _tag: error._tag, message: error.message }
  })

export const enqueue = Effect.fnUntraced(function* (options: {
  readonly bytes: Stream.Stream<Uint8Array, CliFailure.CliFailure>
  readonly defaults: Input.Defaults
  readonly job: string
  readonly queue: Option.Option<string>
  readonly json: boolean
}) {
  const { bytes, defaults, job, json, queue } = options
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
})
