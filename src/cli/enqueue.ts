/** `effect-highlevel enqueue`: puts updates into a queue. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as UpdateQueue from "../jobs/UpdateQueue.ts"
import * as ExitCode from "./exitCode.ts"
import * as CliFailure from "./failure.ts"
import * as Input from "./input.ts"
import * as Output from "./output.ts"
import * as Shared from "./shared.ts"

/** Describes how many updates were added, and which are not sent again. */
export const sentence = (
  { added, conversations, job, known, updates }: UpdateQueue.Enqueued,
  invalid: number
): string => {
  const merged = updates === conversations ? "" : ` (of ${Output.count(updates)} updates)`
  const of = `${Output.count(added)} of ${Output.counted(conversations, "conversation")}${merged}`
  const [are, they] = known === 1 ? ["is", "it"] : ["are", "them"]
  return [
    `Job ${Output.printable(job)}: ${of} ${added === 1 ? "is" : "are"} new`,
    known === 0
      ? ". "
      : `; ${Output.count(known)} ${are} known from before (done, failed or still waiting) and ${are} not sent again. Give another --job name to send ${they} again. `,
    invalid === 0 ? "" : `${Output.counted(invalid, "line")} ${invalid === 1 ? "is" : "are"} invalid.`
  ]
    .join("")
    .trimEnd()
}

export const enqueue = Command.make(
  "enqueue",
  {
    ...Shared.inputFlags,
    ...Shared.changeFlags,
    job: Flag.String("job").pipe(
      Flag.withDescription("The name of the job; updates already enqueued under it are ignored (default: a new job)"),
      Flag.withSchema(Schema.NonEmptyString),
      Flag.optional
    ),
    queue: Shared.queueFlag,
    json: Shared.jsonFlag
  },
  Effect.fnUntraced(function* ({ json, queue, ...given }) {
    const { found } = yield* Shared.open(given)
    // Loaded on demand, since Redis loads slowly.
    const RedisConnection = yield* Effect.promise(() => import("./redisConnection.ts"))
    const job = Option.getOrElse(given.job, () => SecureRandom.uuidV4Unsafe())
    const again = `Run the same command again with --job ${job}: nothing is queued twice.`
    if (Option.isNone(given.job)) {
      yield* Console.error(
        json ? JSON.stringify({ _tag: "Job", job }) : `This is job ${job}. If it is cut off: ${again}`
      )
    }
    let invalid = 0
    const updates = Input.rows(found, (line, { message }) => {
      invalid++
      const text = json ? JSON.stringify({ line, outcome: "Invalid", message }) : `Line ${line}: ${message}`
      return Console.error(Output.printable(text))
    }).pipe(Stream.map(({ update }) => update))
    const enqueued = yield* UpdateQueue.enqueue(updates, {
      job,
      ...(Option.isSome(queue) ? { name: queue.value } : {})
    }).pipe(
      Effect.provide(UpdateQueue.layerRedis().pipe(Layer.provide(RedisConnection.layer))),
      Effect.catchTag("PersistedQueueError", (error) => Effect.fail(RedisConnection.queueFailed(again)(error))),
      CliFailure.catchErrors
    )
    yield* Console.log(json ? JSON.stringify({ _tag: "Enqueued", ...enqueued, invalid }) : sentence(enqueued, invalid))
    if (invalid > 0) return yield* new CliFailure.CliFailure({ exitCode: ExitCode.usage, text: "", json: null })
  }, CliFailure.asAsked)
).pipe(
  Command.withDescription("Put updates into a queue in Redis (HIGHLEVEL_REDIS_URL), one for each conversation"),
  Command.withExamples([
    {
      command: "effect-highlevel enqueue --job 2026-w48 --input ids.txt --location-id <id> --unread-count 0",
      description: "Enqueue updates under the name of a job"
    }
  ])
)
