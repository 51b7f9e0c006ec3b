/**
 * Tokens in files. A key is a folder, and each value of it a file that is named
 * by its number: a new value is written aside and linked to the next number, which
 * fails if somebody else took it. That is compare-and-set without a lock, and no
 * moment leaves half a file.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as Redacted from "effect/Redacted"
import * as Hex from "effect/encoding/Hex"

const ignoreMissing = <A>(effect: Effect.Effect<A, PlatformError>) =>
  Effect.catchIf(
    Effect.asSome(effect),
    ({ reason }) => reason._tag === "NotFound",
    () => Effect.succeedNone
  )

const abandonedMillis = 60_000
// While they are there, nobody who was held up can take one of their numbers for the next one.
const keptNumbers = 16

const numberOf = (name: string) => (/^[1-9]\d{0,14}$/.test(name) ? Number(name) : 0)

export const make = (fileSystem: FileSystem.FileSystem, path: Path.Path, directory: string) => {
  // Ids differ in case, which some file systems do not tell apart.
  const folderOf = (key: string) => path.join(directory, Hex.encode(key))

  /** The number and the value that hold now; 0 where there is none. */
  const read = Effect.fnUntraced(function* (folder: string) {
    while (true) {
      const names = Option.getOrElse(yield* ignoreMissing(fileSystem.readDirectory(folder)), (): Array<string> => [])
      const number = Math.max(0, ...names.map(numberOf))
      if (number === 0) return { names, number, value: Option.none<string>() }
      // Somebody may have written a newer one, and removed this, in between.
      const value = yield* ignoreMissing(fileSystem.readFileString(path.join(folder, String(number))))
      if (Option.isSome(value)) return { names, number, value }
    }
  })

  /** On the disk when it returns, also if the power goes. */
  const writeAside = Effect.fnUntraced(function* (folder: string, value: string) {
    const aside = path.join(folder, `${Hex.random(16)}.new`)
    const file = yield* fileSystem.open(aside, { flag: "wx", mode: 0o600 })
    yield* file.writeAll(new TextEncoder().encode(value))
    yield* file.sync
    return aside
  }, Effect.scoped)

  // Some systems cannot sync a folder; their files survive a crash of the process all the same.
  const syncFolder = (folder: string) =>
    Effect.ignore(Effect.scoped(Effect.flatMap(fileSystem.open(folder, { flag: "r" }), (file) => file.sync)))

  /** What a process wrote aside that died before it could link it. */
  const isAbandoned = Effect.fnUntraced(
    function* (file: string) {
      if (!file.endsWith(".new")) return false
      const { mtime } = yield* fileSystem.stat(file)
      const age = (yield* Clock.currentTimeMillis) - (Option.getOrUndefined(mtime)?.getTime() ?? Infinity)
      return age > abandonedMillis
    },
    Effect.orElseSucceed(() => false)
  )

  const replace = Effect.fnUntraced(function* (
    key: string,
    current: Option.Option<Redacted.Redacted>,
    next: Redacted.Redacted
  ) {
    const folder = folderOf(key)
    const { names, number, value } = yield* read(folder)
    if (Option.getOrUndefined(value) !== Option.getOrUndefined(Option.map(current, Redacted.value))) return false
    yield* fileSystem.makeDirectory(folder, { recursive: true, mode: 0o700 })
    if (number === 0) yield* syncFolder(directory)
    const aside = yield* writeAside(folder, Redacted.value(next))
    const linked = yield* fileSystem.link(aside, path.join(folder, String(number + 1))).pipe(
      Effect.as(true),
      Effect.catchIf(
        ({ reason }) => reason._tag === "AlreadyExists",
        () => Effect.succeed(false)
      ),
      Effect.ensuring(Effect.ignore(fileSystem.remove(aside)))
    )
    if (!linked) return false
    yield* syncFolder(folder)
    const latest = yield* read(folder)
    // So far behind, the number was free because what had it is long gone.
    if (latest.number - number > keptNumbers) {
      yield* Effect.ignore(fileSystem.remove(path.join(folder, String(number + 1))))
      return false
    }
    const outdated = names.filter((name) => {
      const old = numberOf(name)
      return old > 0 && old <= number + 1 - keptNumbers
    })
    const abandoned = yield* Effect.filter(names, (name) => isAbandoned(path.join(folder, name)))
    yield* Effect.forEach([...outdated, ...abandoned], (name) =>
      Effect.ignore(fileSystem.remove(path.join(folder, name)))
    )
    return true
  }, Effect.uninterruptible)

  return {
    get: (key: string) =>
      Effect.map(read(folderOf(key)), ({ value }) => Option.map(value, (text) => Redacted.make(text))),
    replace
  }
}
