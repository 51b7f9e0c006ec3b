/** What `effect-highlevel work` does; loaded when it is asked for, since Redis takes its time. */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as PersistedQueue from "effect/persistence/PersistedQueue"
import * as Conversations from "../Conversations.ts"
import * as Quota from "../Quota.ts"
import * as TokenStore from "../TokenStore.ts"
import * as UpdateQueue from "../UpdateQueue.ts"
import * as CliFailure from "./CliFailure.ts"
import * as Credentials from "./Credentials.ts"
import * as Progress from "./Progress.ts"
import * as RedisConnection from "./RedisConnection.ts"
import * as Report from "./Report.ts"
import * as Shared from "./Shared.ts"

export const work = Effect.fnUntraced(function* (options: {
  readonly server: Parameters<typeof Shared.clientOptions>[0]
  readonly queue: Option.Option<string>
  readonly concurrency: Option.Option<number>
  readonly idleSeconds: Option.Option<number>
  readonly leaseSeconds: number
  readonly json: boolean
}) {
  const { concurrency, idleSeconds, json, leaseSeconds, queue, server } = options
  const state = Progress.make(yield* Clock.currentTimeMillis, undefined)
  const report = yield* Report.make(state, json)
  const stop = yield* Deferred.make<void>()

  const shared = Layer.mergeAll(
    Conversations.layerConfig({
      ...Shared.clientOptions(server),
      transformClient: report.watch
    }).pipe(Layer.provide(Credentials.layerStore(server, TokenStore.layerRedis())), Layer.provide(Quota.layerRedis())),
    PersistedQueue.layer.pipe(
      Layer.provide(
        PersistedQueue.layerStoreRedis({
          prefix: RedisConnection.queuePrefix,
          lockExpiration: Duration.seconds(leaseSeconds),
          lockRefreshInterval: Duration.seconds(leaseSeconds / 3)
        })
      )
    )
  ).pipe(Layer.provide(RedisConnection.layer))

  const job = UpdateQueue.work({
    ...(Option.isSome(queue) ? { name: queue.value } : {}),
    ...(Option.isSome(concurrency) ? { concurrency: concurrency.value } : {}),
    ...(Option.isSome(idleSeconds) ? { idle: Duration.seconds(idleSeconds.value) } : {}),
    stop: Deferred.await(stop)
  }).pipe(Stream.runForEachArray(report.worked), Effect.provide(shared), CliFailure.catchErrors)

  return yield* report.follow(job, stop)
})
