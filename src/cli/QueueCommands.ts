/** `effect-highlevel enqueue` and `effect-highlevel work`: a job for many machines. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as CliFailure from "./CliFailure.ts"
import * as Shared from "./Shared.ts"

const queueFlag = Flag.String("queue").pipe(
  Flag.withDescription("The name of the queue (highlevel-updates)"),
  Flag.optional
)

const jsonFlag = Flag.Boolean("json").pipe(
  Flag.withDescription("Say progress, summary and errors in JSON, too"),
  Flag.withDefault(false)
)

const seconds = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 86_400 }))

export const enqueue = Command.make(
  "enqueue",
  {
    ...Shared.inputFlags,
    ...Shared.changeFlags,
    job: Flag.String("job").pipe(
      Flag.withDescription("The name of the job: enqueued again, it is not there twice"),
      Flag.withSchema(Schema.NonEmptyString)
    ),
    queue: queueFlag,
    json: jsonFlag
  },
  Effect.fnUntraced(function* ({ input, job, json, queue, ...given }) {
    const changes = yield* Shared.changes(given)
    const { bytes } = yield* Shared.open(input, false)
    const { enqueue } = yield* Effect.promise(() => import("./Enqueue.ts"))
    return yield* enqueue({
      bytes,
      defaults: { changes, locationId: Option.getOrUndefined(given.locationId) },
      job,
      queue,
      json
    })
  }, CliFailure.asAsked)
).pipe(
  Command.withDescription("Put updates into a queue in Redis (HIGHLEVEL_REDIS_URL), one for each conversation"),
  Command.withExamples([
    {
      command: "effect-highlevel enqueue --job monday --input ids.txt --location-id <id> --unread-count 0",
      description: "Have them marked as read by whoever works"
    }
  ])
)

export const work = Command.make(
  "work",
  {
    ...Shared.serverFlags,
    queue: queueFlag,
    concurrency: Flag.Int("concurrency").pipe(
      Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 10_000 }))),
      Flag.withDescription("How many updates this worker makes at once (16)"),
      Flag.optional
    ),
    idle: Flag.Int("idle").pipe(
      Flag.withSchema(seconds),
      Flag.withDescription("End when nothing has come, and nothing is on its way, for so many seconds"),
      Flag.withMetavar("seconds"),
      Flag.optional
    ),
    lease: Flag.Int("lease").pipe(
      Flag.withSchema(seconds),
      Flag.withDescription("After how many seconds others take over from a worker that died"),
      Flag.withMetavar("seconds"),
      Flag.withDefault(90)
    ),
    json: jsonFlag
  },
  Effect.fnUntraced(function* ({ concurrency, idle, json, lease, queue, ...server }) {
    const { work } = yield* Effect.promise(() => import("./Work.ts"))
    return yield* work({ server, queue, concurrency, idleSeconds: idle, leaseSeconds: lease, json })
  }, CliFailure.asAsked)
).pipe(
  Command.withDescription("Make the updates of a queue in Redis (HIGHLEVEL_REDIS_URL) until interrupted"),
  Command.withExamples([
    { command: "effect-highlevel work --idle 60", description: "Work, and end a minute after the last update" }
  ])
)
