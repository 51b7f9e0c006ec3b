/**
 * Keeps the tokens of accounts fresh: one refresh at a time for an account,
 * whatever asks for it, and never a pair of tokens lost.
 *
 * Before a refresh the record in the store is claimed, and the claim is repeated
 * before each try; after it the new pair takes the place of the claim. Each of
 * these steps fails if somebody else wrote in between. A claim that was left
 * behind ends with its lease, and the refresh is repeated: within 30 seconds
 * HighLevel answers the same refresh token with the same new pair.
 *
 * What must not be cut off (a refresh, the storing of its answer) is a flight: it
 * goes on when its callers have left, and the layer's end waits for it.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as RcMap from "effect/RcMap"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Hex from "effect/encoding/Hex"
import { AccessTokenError } from "../AccessToken.ts"
import type { UserType } from "../OAuthApi.ts"
import { TokenStoreError } from "../TokenStore.ts"
import type * as TokenStore from "../TokenStore.ts"
import * as Hash from "./hash.ts"
import type { Grant } from "./oauthEndpoint.ts"
import * as Redaction from "./redaction.ts"
import * as SafeCause from "./safeCause.ts"
import {
  type Account,
  areSame,
  decode,
  isAlive,
  keyOf,
  secretsIn,
  textOf,
  type TokenRecord,
  type Tokens,
  tokensOf,
  valueOf
} from "./tokenRecord.ts"

/** What this process knows of an account while it is open. */
interface Session {
  tokens: Tokens | undefined
  /** When they were read from the store, or put there. */
  readAt: number
  flight: Deferred.Deferred<Tokens, AccessTokenError> | undefined
  flightAt: number
  /** Why the last look at the store or at HighLevel brought nothing; not looked again until then. */
  failure: { readonly error: AccessTokenError; readonly until: number } | undefined
  /** The refresh token whose answer was lost, and since when. */
  lost: { readonly refreshToken: string | undefined; readonly at: number } | undefined
  /** The refresh token that HighLevel refused; not tried again until then. */
  refused:
    { readonly refreshToken: string | undefined; readonly error: AccessTokenError; readonly until: number } | undefined
}

const makeSession = Effect.sync((): Session => ({
  tokens: undefined,
  readAt: 0,
  flight: undefined,
  flightAt: 0,
  failure: undefined,
  lost: undefined,
  refused: undefined
}))

/** What is stored has changed by our own hand. */
const forget = (session: Session) => {
  session.tokens = undefined
  session.failure = undefined
  session.refused = undefined
}

// A try whose answer was lost is repeated for as long as HighLevel repeats the answer, less some.
const graceMillis = 25_000
const firstPauseMillis = 250
const maximumClaims = 3
const maximumPauseMillis = 5000
const pollMillis = 100
const failureMillis = 1000
const invalidGrantMillis = 60_000
const refusalMillis = 5000
// Tokens that another process, or a customer who reconnects, has stored are seen after this long.
const rereadMillis = 60_000
// Whoever has a token that is alive waits no longer for a better one.
const aliveMillis = 2000
// A token that was refused this soon after its refresh will not be cured by another.
const minimumAgeMillis = 10_000

const reconnect = (message: string) => new AccessTokenError({ reason: "ReconnectRequired", messages: [message] })
const unreachable = (message: string) => new AccessTokenError({ reason: "Unreachable", messages: [message] })

// A store that hangs must not hold a flight for ever.
const storeMillis = 10_000

// Left behind, not interrupted: a store may not let itself be. What it writes late is
// compared with what is there like anything else.
const inTime = <A>(effect: Effect.Effect<A, unknown>) =>
  Effect.flatMap(Effect.forkDetach(effect), (fiber) =>
    Effect.timeoutOrElse(Fiber.join(fiber), {
      duration: storeMillis,
      orElse: () => Effect.fail<unknown>(new Error(`no answer within ${storeMillis} ms`))
    })
  )

const pause = (laps: number) =>
  Effect.flatMap(Random.next, (random) =>
    Effect.sleep(Math.min(firstPauseMillis * 2 ** laps, maximumPauseMillis) * (0.5 + random / 2))
  )

export type TokenKeeper = Effect.Success<ReturnType<typeof make>>

export const make = Effect.fnUntraced(function* (options: {
  readonly store: TokenStore.Service
  readonly refresh: (refreshToken: Redacted.Redacted, userType: UserType) => Effect.Effect<Grant, AccessTokenError>
  readonly refreshBeforeMillis: number
  readonly leaseMillis: number
  /** How long one refresh may take, of the lease. */
  readonly attemptMillis: number
  readonly patienceMillis: number
  readonly idleTimeToLive: Duration.Duration
}) {
  const { attemptMillis, leaseMillis, patienceMillis, refreshBeforeMillis } = options
  const owner = Hex.random(16)
  let isClosed = false
  const sessions = yield* RcMap.make({
    lookup: (_key: string) => makeSession,
    idleTimeToLive: options.idleTimeToLive
  })

  /** What is under way, as its end to wait for. */
  const flights = new Set<Effect.Effect<unknown>>()
  // What is under way is not cut off: the answer to it exists nowhere else.
  yield* Effect.addFinalizer(() => {
    isClosed = true
    const landed = Effect.gen(function* () {
      while (flights.size > 0) yield* Effect.all(flights)
    })
    return Effect.timeoutOrElse(landed, {
      duration: patienceMillis,
      orElse: () =>
        Effect.logError(`${flights.size} refreshes of tokens did not end, or their tokens could not be stored`)
    })
  })

  const within = <A>(flight: Deferred.Deferred<A, AccessTokenError>, millis: number) =>
    Effect.timeoutOrElse(Deferred.await(flight), {
      duration: millis,
      orElse: () => Effect.fail(unreachable(`no tokens within ${millis} ms`))
    })

  /** Goes on to its end, whoever leaves. */
  const launch = <A>(
    flight: Deferred.Deferred<A, AccessTokenError>,
    effect: Effect.Effect<A, AccessTokenError>,
    onEnd: (exit: Exit.Exit<A, AccessTokenError>, now: number) => void = () => {}
  ) => {
    const landed = Effect.exit(Deferred.await(flight))
    flights.add(landed)
    return effect.pipe(
      Effect.onExit((exit) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          onEnd(exit, now)
          flights.delete(landed)
          Deferred.doneUnsafe(flight, exit)
        })
      ),
      Effect.interruptible,
      Effect.forkDetach
    )
  }

  // A tenth of a short life is soon enough.
  const isFresh = (tokens: Tokens, now: number) => {
    const { expiresAt, obtainedAt } = tokens
    if (expiresAt === undefined) return isAlive(tokens, now)
    return isAlive(tokens, now + Math.min(refreshBeforeMillis, Math.max(0, expiresAt - obtainedAt) / 10))
  }

  const ofStore = <A>(
    what: string,
    effect: Effect.Effect<A, TokenStore.TokenStoreError>,
    ...texts: ReadonlyArray<Redacted.Redacted>
  ) =>
    Effect.mapError(inTime(SafeCause.failingDefects(effect)), (error) => {
      const redact = Redaction.make(...texts.flatMap(secretsIn))
      const cause = error instanceof TokenStoreError ? error.cause : error
      return new AccessTokenError({ reason: "Unreachable", messages: [what], cause: SafeCause.make(cause, redact) })
    })

  const get = (key: string) => ofStore("the token store cannot be read", options.store.get(key))

  const replace = (key: string, current: Option.Option<Redacted.Redacted>, next: TokenRecord) => {
    const text = textOf(next)
    return ofStore(
      "the token store cannot be written",
      options.store.replace(key, current, text),
      ...Option.toArray(current),
      text
    )
  }

  /** What is stored, as a text to replace and as the record it is. */
  const load = Effect.fnUntraced(function* (key: string) {
    const text = yield* get(key)
    if (Option.isNone(text)) return { text, record: undefined }
    const record = yield* Effect.mapError(
      decode(Redacted.value(text.value)),
      () => new AccessTokenError({ reason: "Refused", messages: [`the token store holds something else for ${key}`] })
    )
    return { text, record }
  })

  /** Stores what nobody else has: while this process lives, it tries. */
  const persist = Effect.fnUntraced(function* <A>(
    key: string,
    attempt: Effect.Effect<Option.Option<A>, AccessTokenError>
  ) {
    for (let laps = 0; ; laps++) {
      const stored = yield* Effect.result(attempt)
      if (Result.isSuccess(stored) && Option.isSome(stored.success)) return stored.success.value
      if (Result.isFailure(stored)) {
        yield* Effect.logWarning(`The tokens of ${key} could not be stored yet`, stored.failure.cause)
      }
      yield* pause(laps)
    }
  })

  /** Stores new tokens in the place of those they were refreshed from; false if newer ones are there. */
  const keep = (key: string, claimed: Redacted.Redacted, before: TokenRecord, tokens: Tokens) => {
    const next = { ...before, tokens }
    let current: Option.Option<Redacted.Redacted> = Option.some(claimed)
    let isFirst = true
    return persist(
      key,
      Effect.gen(function* () {
        if (!isFirst) {
          const { record, text } = yield* load(key)
          // What is there is as new: somebody else's, or these, whose arrival was not told.
          if (record !== undefined && !areSame(record.tokens, before.tokens)) return Option.some(false)
          // Somebody took the claim over, but has nothing better to put there.
          current = text
        }
        isFirst = false
        return (yield* replace(key, current, next)) ? Option.some(true) : Option.none()
      })
    )
  }

  /** Refreshes under a claim that nobody else can make; none if somebody else was faster. */
  const refresh = Effect.fnUntraced(
    function* (account: Account, session: Session, found: Redacted.Redacted, record: TokenRecord) {
      const key = keyOf(account)
      const { refreshing: _, ...before } = record
      const { refreshToken } = before.tokens
      if (refreshToken === undefined) {
        return yield* reconnect(`the tokens of ${key} are expired and came without a refresh token`)
      }
      let current = found
      // Since when HighLevel may have rotated the tokens without our knowing, whatever came in between.
      const { lost } = session
      // What was lost longer ago than the grace is past saving; what is lost now is not.
      const isRecent = lost !== undefined && (yield* Clock.currentTimeMillis) - lost.at < graceMillis
      let lostAt = isRecent && lost.refreshToken === valueOf(refreshToken) ? lost.at : undefined
      for (let laps = 0; ; laps++) {
        const startedAt = yield* Clock.currentTimeMillis
        const claim = { ...before, refreshing: { owner, until: startedAt + leaseMillis } }
        const claimed = yield* Effect.result(replace(key, Option.some(current), claim))
        let error: AccessTokenError
        if (Result.isFailure(claimed)) {
          error = claimed.failure
          if (lostAt === undefined) return yield* error
        } else {
          if (!claimed.success) return undefined
          current = textOf(claim)
          // A store that took its time has left too little of the lease.
          const spent = (yield* Clock.currentTimeMillis) - startedAt
          if (spent > leaseMillis - attemptMillis && laps < maximumClaims) continue
          const result = yield* Effect.result(options.refresh(refreshToken, account.userType))
          if (Result.isSuccess(result)) {
            const tokens = tokensOf(result.success, startedAt, before.tokens)
            return (yield* keep(key, current, before, tokens)) ? tokens : undefined
          }
          error = result.failure
        }
        const now = yield* Clock.currentTimeMillis
        if (error.reason === "Unreachable") {
          lostAt ??= startedAt
          session.lost = { refreshToken: valueOf(refreshToken), at: lostAt }
        }
        // A refusal of what was perhaps granted before comes from somebody on the way.
        const mayBeGranted = lostAt !== undefined && error.reason !== "ReconnectRequired"
        if (mayBeGranted && now - (lostAt ?? now) < graceMillis) {
          yield* pause(laps)
          continue
        }
        // The claim is given up, unless somebody has taken it over; left behind, it expires.
        yield* Effect.ignore(replace(key, Option.some(current), before))
        if (error.reason === "Unreachable") return yield* error
        // Another process may have refreshed while this one was held up.
        const latest = yield* load(key)
        if (latest.record !== undefined && !areSame(latest.record.tokens, before.tokens)) return undefined
        const until = now + (error.reason === "ReconnectRequired" ? invalidGrantMillis : refusalMillis)
        session.refused = { refreshToken: valueOf(refreshToken), error, until }
        return yield* error
      }
    },
    (effect, account) =>
      Effect.withSpan(effect, "OAuth.refresh", { attributes: { "highlevel.account": keyOf(account) } })
  )

  /** Acceptable tokens, from the store or from HighLevel. */
  const obtain = Effect.fnUntraced(function* (
    account: Account,
    session: Session,
    isAcceptable: (tokens: Tokens, now: number) => boolean
  ): Effect.fn.Return<Tokens, AccessTokenError> {
    const key = keyOf(account)
    let watched: { readonly text: string; readonly since: number } | undefined
    while (true) {
      const { record, text } = yield* load(key)
      const now = yield* Clock.currentTimeMillis
      if (record === undefined || Option.isNone(text)) return yield* reconnect(`no tokens are stored for ${key}`)
      const { refreshing, tokens } = record
      session.tokens = tokens
      session.readAt = now
      if (isAcceptable(tokens, now)) return tokens
      const { refused } = session
      if (refused !== undefined && refused.refreshToken === valueOf(tokens.refreshToken) && now < refused.until) {
        return yield* refused.error
      }
      if (refreshing !== undefined && refreshing.owner !== owner && now < refreshing.until) {
        // By our clock too, since the claim was made by another one.
        const claim = Redacted.value(text.value)
        if (watched?.text !== claim) watched = { text: claim, since: now }
        if (now - watched.since < leaseMillis) {
          yield* Effect.sleep(Math.min(pollMillis, leaseMillis))
          continue
        }
      }
      const refreshed = yield* refresh(account, session, text.value, record)
      if (refreshed !== undefined) {
        session.tokens = refreshed
        session.readAt = yield* Clock.currentTimeMillis
        return refreshed
      }
      yield* Effect.sleep(Math.min(pollMillis, leaseMillis))
    }
  })

  const using = <A>(
    account: Account,
    use: (session: Session) => Effect.Effect<A, AccessTokenError>
  ): Effect.Effect<A, AccessTokenError> =>
    Effect.suspend(() =>
      isClosed
        ? Effect.fail(unreachable("the layer of the OAuth has ended"))
        : Effect.scoped(Effect.flatMap(RcMap.get(sessions, keyOf(account)), use))
    )

  /** The tokens that are not to be had in time, if they are alive, else what comes of waiting on. */
  const unlessAlive = (session: Session, waiting: Effect.Effect<Tokens, AccessTokenError>) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      session.tokens !== undefined && isAlive(session.tokens, now) ? Effect.succeed(session.tokens) : waiting
    )

  /**
   * Joins the flight of an account, or starts it. Whoever is content with a token
   * that is alive does not wait long for a better one.
   */
  const join = (
    account: Account,
    session: Session,
    isAcceptable: (tokens: Tokens, now: number) => boolean,
    isContent: boolean
  ): Effect.Effect<Tokens, AccessTokenError> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const wait = (flight: Deferred.Deferred<Tokens, AccessTokenError>) =>
          restore(
            isContent
              ? Effect.timeoutOrElse(Deferred.await(flight), {
                  // Not anew for each caller of a flight that takes long.
                  duration: Math.min(patienceMillis, Math.max(0, session.flightAt + aliveMillis - now)),
                  orElse: () => unlessAlive(session, within(flight, patienceMillis))
                })
              : within(flight, patienceMillis)
          )
        if (session.flight !== undefined) return wait(session.flight)
        const flight = Deferred.makeUnsafe<Tokens, AccessTokenError>()
        session.flight = flight
        session.flightAt = now
        const obtained = using(account, () => obtain(account, session, isAcceptable))
        return Effect.andThen(
          launch(flight, obtained, (exit, now) => {
            const failure = Option.getOrUndefined(Exit.findErrorOption(exit))
            session.failure = failure === undefined ? undefined : { error: failure, until: now + failureMillis }
            session.flight = undefined
          }),
          wait(flight)
        )
      })
    )

  /** Fresh tokens, others than the refused ones if there are, unless the last try has only just failed. */
  const settle = Effect.fnUntraced(function* (account: Account, session: Session, refused?: Redacted.Redacted) {
    const startedAt = yield* Clock.currentTimeMillis
    // As new as can be is good enough, however short HighLevel lets it live.
    const isAcceptable = (tokens: Tokens, now: number) =>
      tokens.accessToken !== undefined &&
      ((tokens.obtainedAt >= startedAt && tokens.obtainedAt <= now) ||
        (isFresh(tokens, now) && (refused === undefined || valueOf(tokens.accessToken) !== Redacted.value(refused))))
    while (true) {
      const now = yield* Clock.currentTimeMillis
      const { failure, readAt, tokens } = session
      if (tokens !== undefined && isAcceptable(tokens, now) && now - readAt < rereadMillis) return tokens
      if (failure !== undefined && now < failure.until) return yield* failure.error
      const joined = yield* join(account, session, isAcceptable, refused === undefined)
      const joinedAt = yield* Clock.currentTimeMillis
      if (isAcceptable(joined, joinedAt)) return joined
      if (refused === undefined && session.flight !== undefined && isAlive(joined, joinedAt)) return joined
    }
  })

  return {
    /** The access token, refreshed if it is about to expire. */
    get: (account: Account): Effect.Effect<Redacted.Redacted, AccessTokenError> =>
      using(account, (session) =>
        settle(account, session).pipe(
          // It could not be refreshed before its time, but its time may not be over.
          Effect.catch((error) => unlessAlive(session, Effect.fail(error))),
          Effect.flatMap(({ accessToken }) =>
            accessToken === undefined
              ? Effect.fail(reconnect(`no access token is stored for ${keyOf(account)}`))
              : Effect.succeed(accessToken)
          )
        )
      ),

    /** Whether there is another access token than the one that was refused. */
    renew: (account: Account, refused: Redacted.Redacted): Effect.Effect<boolean, AccessTokenError> =>
      using(account, (session) =>
        Effect.gen(function* () {
          const held = session.tokens
          const age = (yield* Clock.currentTimeMillis) - (held?.obtainedAt ?? 0)
          if (valueOf(held?.accessToken) === Redacted.value(refused) && age >= 0 && age < minimumAgeMillis) {
            return false
          }
          const { accessToken } = yield* settle(account, session, refused)
          return valueOf(accessToken) !== Redacted.value(refused)
        })
      ),

    /** Asks for tokens that can be had once, and stores them, whatever was there. */
    connect: <A extends Grant>(
      exchange: Effect.Effect<A, AccessTokenError>,
      accountOf: (grant: A) => Account | undefined
    ): Effect.Effect<A, AccessTokenError> =>
      Effect.uninterruptibleMask((restore) =>
        Effect.suspend(() => {
          const flight = Deferred.makeUnsafe<A, AccessTokenError>()
          const connected = Effect.gen(function* () {
            const startedAt = yield* Clock.currentTimeMillis
            const grant = yield* exchange
            const account = accountOf(grant)
            if (account === undefined) return grant
            const key = keyOf(account)
            const tokens = tokensOf(grant, startedAt)
            const stored = Effect.gen(function* () {
              return (yield* replace(key, yield* get(key), { tokens })) ? Option.some(true) : Option.none()
            })
            yield* persist(key, stored)
            // The layer may have ended meanwhile; what is stored is stored.
            yield* Effect.ignore(using(account, (session) => Effect.sync(() => forget(session))))
            return grant
          })
          return Effect.andThen(launch(flight, connected), restore(within(flight, patienceMillis)))
        })
      ),

    /**
     * Stores a refresh token that was brought along, unless the tokens that are
     * stored came of it, of a newer one, or of an authorization.
     */
    adopt: (account: Account, refreshToken: Redacted.Redacted): Effect.Effect<void, AccessTokenError> =>
      using(account, (session) =>
        Effect.gen(function* () {
          const key = keyOf(account)
          const hash = Hash.make(Redacted.value(refreshToken))
          for (let laps = 0; ; laps++) {
            const { record, text } = yield* load(key)
            const adopted = record?.adopted ?? []
            if (record !== undefined && (record.adopted === undefined || adopted.includes(hash))) return
            const obtainedAt = yield* Clock.currentTimeMillis
            const tokens = { refreshToken, obtainedAt }
            if (yield* replace(key, text, { tokens, adopted: [hash, ...adopted].slice(0, 100) })) break
            yield* pause(laps)
          }
          forget(session)
        })
      )
  }
})
