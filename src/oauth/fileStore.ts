/**
 * Stores tokens in files. Each key is a folder, and each of its values a numbered file. A
 * new value is written to a temporary file and linked to the next number, which fails if
 * that exists: compare-and-set without a lock or partial files. A removal is an empty
 * value. Earlier values are emptied, which deletes their tokens and keeps their numbers.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as Hex from "effect/encoding/Hex"

const ignoreMissing = <A>(effect: Effect.Effect<A, PlatformError>) =>
  Effect.catchIf(
    Effect.asSome(effect),
    ({ reason }) => reason._tag === "NotFound",
    () => Effect.succeedNone
  )

const isSame = (value: Option.Option<string>, current: Option.Option<Redacted.Redacted>) =>
  Option.getOrUndefined(value) === Option.getOrUndefined(Option.map(current, Redacted.value))

const abandonedMillis = 60_000
// While these exist, a delayed process cannot take one of their numbers for the next one.
const keptNumbers = 16

const numberOf = (name: string) => (/^[1-9]\d{0,14}$/.test(name) ? Number(name) : 0)
const latestOf = (names: ReadonlyArray<string>) => Math.max(0, ...names.map(numberOf))

export const make = (fileSystem: FileSystem.FileSystem, path: Path.Path, directory: string) => {
  // Ids may differ only in case, which some file systems ignore.
  const folderOf = (key: string) => path.join(directory, Hex.encode(key))
  const keyOf = (name: string) =>
    Result.filterOrFail(
      Hex.decodeString(name),
      (key) => Hex.encode(key) === name,
      () => name
    )

  const namesIn = (folder: string) =>
    Effect.map(ignoreMissing(fileSystem.readDirectory(folder)), (names) =>
      Option.getOrElse(names, (): ReadonlyArray<string> => [])
    )

  /** The latest number and its value; 0 if there never was one. */
  const read = Effect.fnUntraced(function* (folder: string) {
    let empty = 0
    while (true) {
      const number = latestOf(yield* namesIn(folder))
      if (number === empty) return { number, value: Option.none<string>() }
      // A newer value may have been written, and this one emptied or deleted.
      const value = yield* ignoreMissing(fileSystem.readFileString(path.join(folder, String(number))))
      if (Option.isNone(value)) continue
      if (value.value !== "") return { number, value }
      empty = number
    }
  })

  /** Syncs a file, so that it survives a power failure. */
  const write = Effect.fnUntraced(function* (name: string, flag: "w" | "wx", text: string) {
    const file = yield* fileSystem.open(name, { flag, mode: 0o600 })
    yield* file.writeAll(new TextEncoder().encode(text))
    yield* file.sync
  }, Effect.scoped)

  // Some systems cannot sync a folder. Their files still survive a crash of the process.
  const syncFolder = (folder: string) =>
    Effect.ignore(Effect.scoped(Effect.flatMap(fileSystem.open(folder, { flag: "r" }), (file) => file.sync)))

  // Replaced by an empty file, so that a concurrent reader gets all of it or nothing.
  const emptyFile = Effect.fnUntraced(function* (file: string) {
    const information = yield* ignoreMissing(fileSystem.stat(file))
    if (Option.isNone(information) || information.value.size === 0n) return
    yield* write(`${file}.empty`, "w", "")
    // Missing if another process has just linked it.
    yield* ignoreMissing(fileSystem.rename(`${file}.empty`, file))
  })

  /** Whether the process that wrote a temporary file has died before linking it. */
  const isAbandoned = Effect.fnUntraced(function* (file: string) {
    const information = yield* ignoreMissing(fileSystem.stat(file))
    if (Option.isNone(information)) return false
    const age =
      (yield* Clock.currentTimeMillis) - (Option.getOrUndefined(information.value.mtime)?.getTime() ?? Infinity)
    return age > abandonedMillis
  })

  /** Clears all values but the one with this number. */
  const clear = Effect.fnUntraced(function* (folder: string, number: number, keepsYoung: boolean) {
    for (const name of yield* namesIn(folder)) {
      const file = path.join(folder, name)
      const old = numberOf(name)
      const isOutdated = old > 0 && old <= number - keptNumbers
      if (isOutdated || (name.endsWith(".new") && (!keepsYoung || (yield* isAbandoned(file))))) {
        yield* ignoreMissing(fileSystem.remove(file))
      } else if (old > 0 && old < number) {
        yield* emptyFile(file)
      }
    }
  })

  /** Links a value to the next number; `false` if that exists. */
  const append = Effect.fnUntraced(function* (folder: string, number: number, text: string) {
    yield* fileSystem.makeDirectory(folder, { recursive: true, mode: 0o700 })
    if (number === 0) yield* syncFolder(directory)
    const aside = path.join(folder, `${Hex.random(16)}.new`)
    const next = path.join(folder, String(number + 1))
    const linked = yield* write(aside, "wx", text).pipe(
      Effect.andThen(fileSystem.link(aside, next)),
      Effect.as(true),
      Effect.catchIf(
        // Not found if another process removed the key and its temporary files.
        ({ reason }) => reason._tag === "AlreadyExists" || reason._tag === "NotFound",
        () => Effect.succeed(false)
      ),
      Effect.ensuring(Effect.ignore(fileSystem.remove(aside)))
    )
    if (!linked) return false
    yield* syncFolder(folder)
    // The number was free only because its value has been deleted long ago.
    if (latestOf(yield* namesIn(folder)) - number <= keptNumbers) return true
    yield* ignoreMissing(fileSystem.remove(next))
    return false
  })

  const replace = Effect.fnUntraced(function* (
    key: string,
    current: Option.Option<Redacted.Redacted>,
    next: Redacted.Redacted
  ) {
    const folder = folderOf(key)
    while (true) {
      const { number, value } = yield* read(folder)
      if (!isSame(value, current)) return false
      if (!(yield* append(folder, number, Redacted.value(next)))) continue
      // The value is replaced; what could not be cleared now is cleared next time.
      yield* Effect.ignore(clear(folder, number + 1, true))
      return true
    }
  }, Effect.uninterruptible)

  const remove = Effect.fnUntraced(function* (key: string, current?: Option.Option<Redacted.Redacted>) {
    const folder = folderOf(key)
    while (true) {
      const { number, value } = yield* read(folder)
      if (current !== undefined && !isSame(value, current)) return false
      if (Option.isSome(value) && !(yield* append(folder, number, ""))) continue
      yield* clear(folder, Option.isSome(value) ? number + 1 : number, false)
      yield* syncFolder(folder)
      return true
    }
  }, Effect.uninterruptible)

  return {
    get: (key: string) =>
      Effect.map(read(folderOf(key)), ({ value }) => Option.map(value, (text) => Redacted.make(text))),
    replace,
    remove,
    list: Stream.fromIterableEffect(namesIn(directory)).pipe(
      Stream.filterMap(keyOf),
      Stream.filterEffect((key) => Effect.map(read(folderOf(key)), ({ value }) => Option.isSome(value)))
    )
  }
}
