/** `effect-highlevel work`: consumes a queue. */
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
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
import { QueueRecords } from "../jobs/QueueRecords.ts"
import * as UpdateQueue from "../jobs/UpdateQueue.ts"
import * as RateLimiter from "../rateLimit/RateLimiter.ts"
import * as Credentials from "./credentials.ts"
import * as CliFailure from "./failure.ts"
import * as Progress from "./progress.ts"
import * as Output from "./output.ts"
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
        "Stop this many seconds after the last update, once nothing is left that is due within 10 minutes"
      ),
      Flag.withMetavar("seconds"),
      Flag.optional
    ),
    lease: Flag.Int("lease").pipe(
      Flag.withSchema(seconds),
      Flag.withDescription("Seconds until other workers take over from a worker that died"),
      Flag.withMetavar("seconds"),
      Flag.withDefault(90)
    ),
    json: Shared.jsonFlag
  },
  Effect.fnUntraced(function* ({ concurrency, idle, json, lease, queue, ...server }) {
    // Loaded on demand, since Redis loads slowly.
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

    const name = Option.getOrElse(queue, () => UpdateQueue.defaultName)
    const waiting = (before: number) =>
      QueueRecords.use((records) => records.waiting(name, before)).pipe(
        Effect.mapError(RedisConnection.queueFailed("Run the command again."))
      )
    const job = UpdateQueue.work({
      name,
      ...(Option.isSome(concurrency) ? { concurrency: concurrency.value } : {}),
      ...(Option.isSome(idle) ? { idle: Duration.seconds(idle.value) } : {}),
      stop: Deferred.await(stop)
    }).pipe(
      Stream.runForEachArray((outcomes) => Effect.flatMap(Effect.forEach(outcomes, worked.record), report.print)),
      Effect.andThen(waiting(Infinity)),
      Effect.map(worked.left)
    )

    return yield* Effect.gen(function* () {
      const updates = (yield* waiting(Infinity)) - (yield* waiting(yield* Clock.currentTimeMillis))
      if (updates > 0) {
        const text = `Not due yet: ${Output.counted(updates, "update")} of stopped locations or to be redelivered. Waiting for those due within 10 minutes.`
        yield* Console.error(json ? JSON.stringify({ _tag: "Delayed", updates }) : text)
      }
      return yield* report.follow(CliFailure.catchErrors(job), stop, worked)
    }).pipe(Effect.provide(shared), CliFailure.catchErrors)
  }, CliFailure.asAsked)
).pipe(
  Command.withDescription("Send the updates of a queue in Redis (HIGHLEVEL_REDIS_URL) until interrupted"),
  Command.withExamples([
    { command: "effect-highlevel work --idle 60", description: "Stop a minute after the last update" }
  ])
)
