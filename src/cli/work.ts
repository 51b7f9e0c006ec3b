/** `effect-highlevel work`: consumes a queue. */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as HighLevelClient from "../client/HighLevelClient.ts"
import * as UpdateQueue from "../jobs/UpdateQueue.ts"
import * as RateLimiter from "../rateLimit/RateLimiter.ts"
import * as Credentials from "./credentials.ts"
import * as CliFailure from "./failure.ts"
import * as Progress from "./progress.ts"
import * as Report from "./report.ts"
import * as Shared from "./shared.ts"
import * as WorkReport from "./workReport.ts"

const seconds = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 86_400 }))

export const work = Command.make(
  "work",
  {
    ...Shared.serverFlags,
    queue: Shared.queueFlag,
    concurrency: Shared.concurrencyFlag("Maximum requests in flight (64, and 16 of one location)"),
    idle: Flag.Int("idle").pipe(
      Flag.withSchema(seconds),
      Flag.withDescription(
        "End when nothing was to be sent for so many seconds; locations that it has stopped are not waited for"
      ),
      Flag.withMetavar("seconds"),
      Flag.optional
    ),
    lease: Flag.Int("lease").pipe(
      Flag.withSchema(seconds),
      Flag.withDescription("After how many seconds others take over from a worker that died"),
      Flag.withMetavar("seconds"),
      Flag.withDefault(90)
    ),
    json: Shared.jsonFlag
  },
  Effect.fnUntraced(function* ({ concurrency, idle, json, lease, queue, ...server }) {
    // Loaded when it is used, since Redis takes its time.
    const RedisConnection = yield* Effect.promise(() => import("./redisConnection.ts"))
    const state = Progress.make(yield* Clock.currentTimeMillis)
    const report = yield* Report.make(state, json)
    const worked = WorkReport.make(state)
    const stop = yield* Deferred.make<void>()

    const shared = Layer.mergeAll(
      HighLevelClient.layerConfig({
        ...Shared.clientOptions(server),
        transformClient: report.watch
      }).pipe(Layer.provide(Credentials.layer(server)), Layer.provide(RateLimiter.layerRedis())),
      UpdateQueue.layerRedis({ lease: Duration.seconds(lease) })
    ).pipe(Layer.provide(RedisConnection.layer))

    const job = UpdateQueue.work({
      ...(Option.isSome(queue) ? { name: queue.value } : {}),
      ...(Option.isSome(concurrency) ? { concurrency: concurrency.value } : {}),
      ...(Option.isSome(idle) ? { idle: Duration.seconds(idle.value) } : {}),
      stop: Deferred.await(stop)
    }).pipe(
      Stream.runForEachArray((outcomes) => Effect.flatMap(Effect.forEach(outcomes, worked.record), report.print)),
      Effect.provide(shared),
      CliFailure.catchErrors
    )

    return yield* report.follow(job, stop, worked)
  }, CliFailure.asAsked)
).pipe(
  Command.withDescription("Send the updates of a queue in Redis (HIGHLEVEL_REDIS_URL) until interrupted"),
  Command.withExamples([
    { command: "effect-highlevel work --idle 60", description: "Work, and end a minute after the last update" }
  ])
)
