/**
 * The token manager: keeps the tokens of accounts fresh, one refresh at a time for
 * an account in this process, whatever asks for it, and never a pair of tokens lost.
 *
 * What must not be cut off (a refresh, the storing of its response) runs to its end
 * when its callers have left, and the layer's end waits for it.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as RcMap from "effect/RcMap"
import * as Redacted from "effect/Redacted"
import * as Hex from "effect/encoding/Hex"
import { AccessTokenError } from "../client/AccessToken.ts"
import * as Hash from "../client/hash.ts"
import type { UserType } from "../wire/getAccessToken.ts"
import * as Records from "./records.ts"
import * as RefreshLease from "./refreshLease.ts"
import { type Account, isAlive, keyOf, type Tokens, tokensOf, valueOf } from "./storedTokens.ts"
import type { Grant } from "./tokenEndpoint.ts"
import type * as TokenStore from "./TokenStore.ts"

/** What this process knows of an account while it is in memory. */
interface Session {
  tokens: Tokens | undefined
  /** When they were read from the store, or put there. */
  readAt: number
  /** The load or refresh that is in progress. */
  pending: Deferred.Deferred<Tokens, AccessTokenError> | undefined
  pendingSince: number
  /** Why the last look at the store or at HighLevel brought nothing; not looked again until then. */
  failure: { readonly error: AccessTokenError; readonly until: number } | undefined
  readonly refreshes: RefreshLease.RefreshState
}

const makeSession = Effect.sync((): Session => ({
  tokens: undefined,
  readAt: 0,
  pending: undefined,
  pendingSince: 0,
  failure: undefined,
  refreshes: { unconfirmed: undefined, rejected: undefined }
}))

/** What is stored was changed by this process. */
const forget = (session: Session) => {
  session.tokens = undefined
  session.failure = undefined
  session.refreshes.rejected = undefined
}

const pollMillis = 100
const failureMillis = 1000
// Tokens that another process, or a customer who reconnects, has stored are seen after this long.
const rereadMillis = 60_000
// Whoever has a token that is alive waits no longer for a better one.
const aliveMillis = 2000
// A token that was rejected this soon after its refresh will not be cured by another.
const minimumAgeMillis = 10_000

const { reconnect } = RefreshLease
const unreachable = (message: string) => new AccessTokenError({ reason: "Unreachable", messages: [message] })

export type TokenManager = Effect.Success<ReturnType<typeof make>>

export const make = Effect.fnUntraced(function* (options: {
  readonly store: TokenStore.Service
  readonly refresh: (refreshToken: Redacted.Redacted, userType: UserType) => Effect.Effect<Grant, AccessTokenError>
  readonly refreshBeforeMillis: number
  readonly leaseMillis: number
  readonly attemptMillis: number
  readonly maxWaitMillis: number
  readonly idleTimeToLiveMillis: number
}) {
  const { attemptMillis, leaseMillis, maxWaitMillis, refreshBeforeMillis } = options
  const owner = Hex.random(16)
  const records = Records.make(options.store)
  const refresh = RefreshLease.make({ records, owner, refresh: options.refresh, leaseMillis, attemptMillis })
  let isClosed = false
  const sessions = yield* RcMap.make({
    lookup: (_key: string) => makeSession,
    idleTimeToLive: options.idleTimeToLiveMillis
  })

  /** What is in progress, as its end to wait for. */
  const inProgress = new Set<Effect.Effect<unknown>>()
  // It is not cut off: the response to it exists nowhere else.
  yield* Effect.addFinalizer(() => {
    isClosed = true
    const ended = Effect.gen(function* () {
      while (inProgress.size > 0) yield* Effect.all(inProgress)
    })
    return Effect.timeoutOrElse(ended, {
      duration: maxWaitMillis,
      orElse: () =>
        Effect.logError(`${inProgress.size} refreshes of tokens did not end, or their tokens could not be stored`)
    })
  })

  const within = <A>(pending: Deferred.Deferred<A, AccessTokenError>, millis: number) =>
    Effect.timeoutOrElse(Deferred.await(pending), {
      duration: millis,
      orElse: () => Effect.fail(unreachable(`no tokens within ${millis} ms`))
    })

  /** Goes on to its end, whoever leaves. */
  const runToEnd = <A>(
    pending: Deferred.Deferred<A, AccessTokenError>,
    effect: Effect.Effect<A, AccessTokenError>,
    onEnd: (exit: Exit.Exit<A, AccessTokenError>, now: number) => void = () => {}
  ) => {
    const ended = Effect.exit(Deferred.await(pending))
    inProgress.add(ended)
    return effect.pipe(
      Effect.onExit((exit) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          onEnd(exit, now)
          inProgress.delete(ended)
          Deferred.doneUnsafe(pending, exit)
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

  /** Acceptable tokens, from the store or from HighLevel. */
  const loadOrRefresh = Effect.fnUntraced(function* (
    account: Account,
    session: Session,
    isAcceptable: (tokens: Tokens, now: number) => boolean
  ): Effect.fn.Return<Tokens, AccessTokenError> {
    const key = keyOf(account)
    let watched: { readonly text: string; readonly since: number } | undefined
    while (true) {
      const { record, text } = yield* records.load(key)
      const now = yield* Clock.currentTimeMillis
      if (record === undefined || Option.isNone(text)) return yield* reconnect(`no tokens are stored for ${key}`)
      const { refreshing, tokens } = record
      session.tokens = tokens
      session.readAt = now
      if (isAcceptable(tokens, now)) return tokens
      const { rejected } = session.refreshes
      if (rejected !== undefined && rejected.refreshToken === valueOf(tokens.refreshToken) && now < rejected.until) {
        return yield* rejected.error
      }
      if (refreshing !== undefined && refreshing.owner !== owner && now < refreshing.until) {
        // By our clock too, since the lease was written by another one.
        const lease = Redacted.value(text.value)
        if (watched?.text !== lease) watched = { text: lease, since: now }
        if (now - watched.since < leaseMillis) {
          yield* Effect.sleep(Math.min(pollMillis, leaseMillis))
          continue
        }
      }
      const refreshed = yield* refresh(account, session.refreshes, text.value, record)
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
        ? Effect.fail(unreachable("the OAuth layer has ended"))
        : Effect.scoped(Effect.flatMap(RcMap.get(sessions, keyOf(account)), use))
    )

  /** The tokens that are not to be had in time, if they are alive, else what comes of waiting on. */
  const unlessAlive = (session: Session, waiting: Effect.Effect<Tokens, AccessTokenError>) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      session.tokens !== undefined && isAlive(session.tokens, now) ? Effect.succeed(session.tokens) : waiting
    )

  /**
   * Joins the pending of an account, or starts it. Whoever is content with a token
   * that is alive does not wait long for a better one.
   */
  const awaitPending = (
    account: Account,
    session: Session,
    isAcceptable: (tokens: Tokens, now: number) => boolean,
    isContent: boolean
  ): Effect.Effect<Tokens, AccessTokenError> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const wait = (pending: Deferred.Deferred<Tokens, AccessTokenError>) =>
          restore(
            isContent
              ? Effect.timeoutOrElse(Deferred.await(pending), {
                  // Counted from its start, not from each caller.
                  duration: Math.min(maxWaitMillis, Math.max(0, session.pendingSince + aliveMillis - now)),
                  orElse: () => unlessAlive(session, within(pending, maxWaitMillis))
                })
              : within(pending, maxWaitMillis)
          )
        if (session.pending !== undefined) return wait(session.pending)
        const pending = Deferred.makeUnsafe<Tokens, AccessTokenError>()
        session.pending = pending
        session.pendingSince = now
        const resolved = using(account, () => loadOrRefresh(account, session, isAcceptable))
        return Effect.andThen(
          runToEnd(pending, resolved, (exit, now) => {
            const failure = Option.getOrUndefined(Exit.findErrorOption(exit))
            session.failure = failure === undefined ? undefined : { error: failure, until: now + failureMillis }
            session.pending = undefined
          }),
          wait(pending)
        )
      })
    )

  /** Fresh tokens, others than the refused ones if there are, unless the last try has only just failed. */
  const resolveTokens = Effect.fnUntraced(function* (account: Account, session: Session, refused?: Redacted.Redacted) {
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
      const joined = yield* awaitPending(account, session, isAcceptable, refused === undefined)
      const joinedAt = yield* Clock.currentTimeMillis
      if (isAcceptable(joined, joinedAt)) return joined
      if (refused === undefined && session.pending !== undefined && isAlive(joined, joinedAt)) return joined
    }
  })

  return {
    /** The access token, refreshed if it is about to expire. */
    get: (account: Account): Effect.Effect<Redacted.Redacted, AccessTokenError> =>
      using(account, (session) =>
        resolveTokens(account, session).pipe(
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
          const { accessToken } = yield* resolveTokens(account, session, refused)
          return valueOf(accessToken) !== Redacted.value(refused)
        })
      ),

    /** Asks for tokens that can be had once, and stores them, whatever was there. */
    exchangeCode: <A extends Grant>(
      exchange: Effect.Effect<A, AccessTokenError>,
      accountOf: (grant: A) => Account | undefined
    ): Effect.Effect<A, AccessTokenError> =>
      Effect.uninterruptibleMask((restore) =>
        Effect.suspend(() => {
          const pending = Deferred.makeUnsafe<A, AccessTokenError>()
          const exchanged = Effect.gen(function* () {
            const startedAt = yield* Clock.currentTimeMillis
            const grant = yield* exchange
            const account = accountOf(grant)
            if (account === undefined) return grant
            const key = keyOf(account)
            const tokens = tokensOf(grant, startedAt)
            const stored = Effect.gen(function* () {
              return (yield* records.replace(key, yield* records.get(key), { tokens }))
                ? Option.some(true)
                : Option.none()
            })
            yield* records.persist(key, stored)
            // The layer may have ended meanwhile; what is stored is stored.
            yield* Effect.ignore(using(account, (session) => Effect.sync(() => forget(session))))
            return grant
          })
          return Effect.andThen(runToEnd(pending, exchanged), restore(within(pending, maxWaitMillis)))
        })
      ),

    /**
     * Stores a refresh token that was brought along, unless the tokens that are
     * stored came of it, of a newer one, or of an authorization.
     */
    importRefreshToken: (account: Account, refreshToken: Redacted.Redacted): Effect.Effect<void, AccessTokenError> =>
      using(account, (session) =>
        Effect.gen(function* () {
          const key = keyOf(account)
          const hash = Hash.make(Redacted.value(refreshToken))
          for (let tries = 0; ; tries++) {
            const { record, text } = yield* records.load(key)
            const imported = record?.imported ?? []
            if (record !== undefined && (record.imported === undefined || imported.includes(hash))) return
            const obtainedAt = yield* Clock.currentTimeMillis
            const tokens = { refreshToken, obtainedAt }
            if (yield* records.replace(key, text, { tokens, imported: [hash, ...imported].slice(0, 100) })) break
            yield* Records.backOff(tries)
          }
          forget(session)
        })
      )
  }
})
