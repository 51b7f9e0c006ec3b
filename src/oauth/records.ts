/** Reads and writes the records of accounts, with a timeout, and without secrets in errors. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { AccessTokenError } from "../client/AccessToken.ts"
import * as Redaction from "../client/redaction.ts"
import * as SafeCause from "../client/safeCause.ts"
import { decode, encryptedPrefix, secretsIn, textOf, type TokenRecord } from "./storedTokens.ts"
import { type Service, TokenStoreError } from "./TokenStore.ts"

// A store that hangs must not block a refresh forever.
const storeMillis = 10_000
const firstBackOffMillis = 250
const maximumBackOffMillis = 5000

// Abandoned instead of interrupted, since a store may be uninterruptible. A late write is
// still a compare-and-set.
const inTime = <A>(effect: Effect.Effect<A, unknown>) =>
  Effect.flatMap(Effect.forkDetach(effect), (fiber) =>
    Effect.timeoutOrElse(Fiber.join(fiber), {
      duration: storeMillis,
      orElse: () => Effect.fail<unknown>(new Error(`no response within ${storeMillis} ms`))
    })
  )

/** Backs off, with jitter. */
export const backOff = (tries: number) =>
  Effect.flatMap(Random.next, (random) =>
    Effect.sleep(Math.min(firstBackOffMillis * 2 ** tries, maximumBackOffMillis) * (0.5 + random / 2))
  )

const unavailable = (what: string, error: unknown, ...texts: ReadonlyArray<Redacted.Redacted>) => {
  const redact = Redaction.make(...texts.flatMap(secretsIn))
  const cause = error instanceof TokenStoreError ? error.cause : error
  return new AccessTokenError({ reason: "Unreachable", messages: [what], cause: SafeCause.make(cause, redact) })
}

export type Records = ReturnType<typeof make>

export const make = (store: Service) => {
  const ofStore = <A>(
    what: string,
    effect: Effect.Effect<A, TokenStoreError>,
    ...texts: ReadonlyArray<Redacted.Redacted>
  ) => Effect.mapError(inTime(SafeCause.failingDefects(effect)), (error) => unavailable(what, error, ...texts))

  const get = (key: string) => ofStore("the token store cannot be read", store.get(key))

  const replace = (key: string, current: Option.Option<Redacted.Redacted>, next: TokenRecord) => {
    const text = textOf(next)
    return ofStore(
      "the token store cannot be written",
      store.replace(key, current, text),
      ...Option.toArray(current),
      text
    )
  }

  /** Reads a record, and the text that it was decoded from. */
  const load = Effect.fnUntraced(function* (key: string) {
    const text = yield* get(key)
    if (Option.isNone(text)) return { text, record: undefined }
    const value = Redacted.value(text.value)
    const record = yield* Effect.mapError(decode(value), () => {
      const message = value.startsWith(encryptedPrefix)
        ? `the tokens stored for ${key} are encrypted, and no key was given`
        : `the token store holds something else for ${key}`
      return new AccessTokenError({ reason: "Refused", messages: [message] })
    })
    return { text, record }
  })

  /** Stores tokens that exist nowhere else, retrying until it succeeds. */
  const persist = Effect.fnUntraced(function* <A>(
    key: string,
    attempt: Effect.Effect<Option.Option<A>, AccessTokenError>
  ) {
    for (let tries = 0; ; tries++) {
      const stored = yield* Effect.result(attempt)
      if (Result.isSuccess(stored) && Option.isSome(stored.success)) return stored.success.value
      if (Result.isFailure(stored)) {
        yield* Effect.logWarning(`The tokens of ${key} could not be stored yet`, stored.failure.cause)
      }
      yield* backOff(tries)
    }
  })

  /** Removes a record, or only if it still is `current`. Returns whether it did. */
  const remove = (key: string, current?: Option.Option<Redacted.Redacted>) =>
    ofStore("the token store cannot be written", store.remove(key, current))

  /** Streams the records whose keys begin with a prefix. */
  const list = (prefix: string) =>
    store.list.pipe(
      Stream.mapError((error) => unavailable("the token store cannot be read", error)),
      Stream.filter((key) => key.startsWith(prefix)),
      Stream.map((key) => key.slice(prefix.length))
    )

  return { get, replace, load, persist, remove, list }
}
