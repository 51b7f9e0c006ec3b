/**
 * A scoped file lock: a file that names its owner and is touched twice a second. If it
 * stops changing, its owner has died, and the lock is taken over. It compares no clocks,
 * so it works among machines.
 */
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type * as PlatformError from "effect/PlatformError"
import type * as Scope from "effect/Scope"
import * as SecureRandom from "effect/crypto/SecureRandom"

const beatMillis = 500
const beatsUntilDead = 6

/** Another process holds the lock. */
export class Locked extends Data.TaggedError("Locked")<{ readonly by: string }> {}

/** Acquires the lock, waiting a few seconds for an existing one. Calls `lost` if another process takes it over. */
export const acquire = Effect.fnUntraced(function* (
  path: string,
  owner: string,
  lost: (error: PlatformError.PlatformError | Locked) => void
): Effect.fn.Return<void, PlatformError.PlatformError | Locked, FileSystem.FileSystem | Scope.Scope> {
  const fileSystem = yield* FileSystem.FileSystem
  const since = DateTime.formatIso(DateTime.makeUnsafe(yield* Clock.currentTimeMillis))
  const mine = `${owner}, since ${since}\n${SecureRandom.uuidV4Unsafe()}\n`

  const look = Effect.all({ text: fileSystem.readFileString(path), info: fileSystem.stat(path) }).pipe(
    Effect.map(({ info, text }) => ({ text, state: `${text}${String(info.mtime)}` })),
    Effect.catchReason("PlatformError", "NotFound", () => Effect.succeed(undefined))
  )

  /** Succeeds when the lock is free, or its owner is dead. */
  const free = Effect.gen(function* () {
    const first = yield* look
    let last = first
    for (let beat = 0; beat < beatsUntilDead && last !== undefined; beat++) {
      yield* Effect.sleep(beatMillis)
      last = yield* look
      if (last !== undefined && last.state !== first?.state) {
        return yield* new Locked({ by: last.text.split("\n")[0] ?? "" })
      }
    }
    if (last !== undefined) yield* fileSystem.remove(path, { force: true })
  })

  const isMine = Effect.map(look, (found) => found?.text === mine)
  const created = Effect.acquireRelease(fileSystem.writeFileString(path, mine, { flag: "wx", mode: 0o600 }), () =>
    Effect.ignore(Effect.flatMap(isMine, (is) => (is ? fileSystem.remove(path) : Effect.void)))
  )
  const acquired: Effect.Effect<void, PlatformError.PlatformError | Locked, Scope.Scope> = Effect.catchReason(
    created,
    "PlatformError",
    "AlreadyExists",
    () =>
      Effect.andThen(
        free,
        Effect.suspend(() => acquired)
      )
  )
  yield* acquired

  const beat = Effect.gen(function* () {
    yield* Effect.sleep(beatMillis)
    const found = yield* look
    if (found?.text !== mine) return yield* new Locked({ by: found?.text.split("\n")[0] ?? "nobody" })
    const time = new Date(yield* Clock.currentTimeMillis)
    yield* fileSystem.utimes(path, time, time)
  })
  yield* Effect.forkScoped(Effect.catch(Effect.forever(beat), (error) => Effect.sync(() => lost(error))))
})
