/** Keeps accounts in memory. Concurrent callers for the same account share one load or renewal. */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as RcMap from "effect/RcMap"
import * as Redacted from "effect/Redacted"
import type { AccessTokenError } from "../client/AccessToken.ts"
import * as Monotonic from "../rateLimit/monotonic.ts"
import * as Background from "./background.ts"
import { type Known, reconnect } from "./refreshClaim.ts"
import { type Account, isAlive, keyOf, type Tokens, valueOf } from "./storedTokens.ts"

/** An account in memory. */
interface Session extends Known {
  /** The load or renewal in progress, since when, and whether the stored record has changed since. */
  pending:
    | { readonly result: Deferred.Deferred<Tokens, AccessTokenError>; readonly since: number; isOutdated: boolean }
    | undefined
  /** Why the last one failed, and until when it is not repeated. */
  failure: { readonly error: AccessTokenError; readonly until: number } | undefined
}

const makeSession = Effect.sync((): Session => ({
  tokens: undefined,
  readAt: 0,
  unconfirmed: undefined,
  rejected: undefined,
  pending: undefined,
  failure: undefined
}))

const failureMillis = 1000
// How long until changes by another process are noticed.
const rereadMillis = 60_000
// How long a caller with a valid token waits for a better one.
const aliveMillis = 2000

export const make = Effect.fnUntraced(function* (options: {
  readonly obtain: (
    account: Account,
    known: Known,
    isAcceptable: (tokens: Tokens, now: number) => boolean
  ) => Effect.Effect<Tokens, AccessTokenError>
  readonly refreshBeforeMillis: number
  readonly renewAfterMillis: number
  readonly maxWaitMillis: number
  readonly idleTimeToLiveMillis: number
}) {
  const { maxWaitMillis, obtain, refreshBeforeMillis, renewAfterMillis } = options
  const background = yield* Background.make(maxWaitMillis)
  const sessions = yield* RcMap.make({
    lookup: (_key: string) => makeSession,
    idleTimeToLive: options.idleTimeToLiveMillis
  })

  const using = <A>(
    account: Account,
    use: (session: Session) => Effect.Effect<A, AccessTokenError>
  ): Effect.Effect<A, AccessTokenError> =>
    Effect.suspend(() =>
      background.isClosed()
        ? Effect.fail(Background.unreachable("the OAuth layer has ended"))
        : Effect.scoped(Effect.flatMap(RcMap.get(sessions, keyOf(account)), use))
    )

  // At most a tenth of a short lifetime.
  const isFresh = (tokens: Tokens, now: number) => {
    const { expiresAt, obtainedAt } = tokens
    if (expiresAt === undefined) return isAlive(tokens, now)
    return isAlive(tokens, now + Math.min(refreshBeforeMillis, Math.max(0, expiresAt - obtainedAt) / 10))
  }

  /** Returns the current tokens if they are still valid after a short wait, else waits on. */
  const unlessAlive = (session: Session, waiting: Effect.Effect<Tokens, AccessTokenError>) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      session.tokens !== undefined && isAlive(session.tokens, now) ? Effect.succeed(session.tokens) : waiting
    )

  /** Joins the pending load or renewal of an account, or starts one. With a valid token, it waits only briefly. */
  const awaitPending = (
    account: Account,
    session: Session,
    isAcceptable: (tokens: Tokens, now: number) => boolean,
    isRefused: boolean
  ): Effect.Effect<Tokens, AccessTokenError> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Monotonic.now, (now) => {
        const wait = ({ result, since }: NonNullable<Session["pending"]>) =>
          restore(
            isRefused
              ? background.wait(result)
              : Effect.timeoutOrElse(Deferred.await(result), {
                  // Measured from its start, for all callers.
                  duration: Math.min(maxWaitMillis, Math.max(0, since + aliveMillis - now)),
                  orElse: () => unlessAlive(session, background.wait(result))
                })
          )
        if (session.pending !== undefined) return wait(session.pending)
        const pending = { result: Deferred.makeUnsafe<Tokens, AccessTokenError>(), since: now, isOutdated: false }
        session.pending = pending
        // Keeps the session in memory until then.
        const obtained = using(account, () => obtain(account, session, isAcceptable))
        const started = background.start(pending.result, obtained, (exit) =>
          Effect.map(Monotonic.now, (endedAt) => {
            const error = Option.getOrUndefined(Exit.findErrorOption(exit))
            session.failure = error === undefined ? undefined : { error, until: endedAt + failureMillis }
            session.pending = undefined
            if (pending.isOutdated) session.tokens = undefined
          })
        )
        return Effect.andThen(started, wait(pending))
      })
    )

  /** Gets fresh tokens, other than the rejected ones, unless the last attempt has just failed. */
  const resolve = Effect.fnUntraced(function* (account: Account, session: Session, refused?: Redacted.Redacted) {
    const startedAt = yield* Clock.currentTimeMillis
    // Tokens that were just obtained are fresh, however short their lifetime.
    const isAcceptable = (tokens: Tokens, now: number) =>
      tokens.accessToken !== undefined &&
      ((tokens.obtainedAt >= startedAt && tokens.obtainedAt <= now) ||
        (isFresh(tokens, now) && (refused === undefined || valueOf(tokens.accessToken) !== Redacted.value(refused))))
    while (true) {
      const now = yield* Monotonic.now
      const { failure, readAt, tokens } = session
      const isReadLately = now - readAt < rereadMillis
      if (tokens !== undefined && isReadLately && isAcceptable(tokens, yield* Clock.currentTimeMillis)) return tokens
      if (failure !== undefined && now < failure.until) return yield* failure.error
      const joined = yield* awaitPending(account, session, isAcceptable, refused !== undefined)
      const joinedAt = yield* Clock.currentTimeMillis
      if (isAcceptable(joined, joinedAt)) return joined
      if (refused === undefined && session.pending !== undefined && isAlive(joined, joinedAt)) return joined
    }
  })

  return {
    runToEnd: background.run,

    /** Returns the access token of an account, refreshed if it is about to expire. */
    get: (account: Account): Effect.Effect<Redacted.Redacted, AccessTokenError> =>
      using(account, (session) =>
        resolve(account, session).pipe(
          // The early refresh failed, but the token may still be valid.
          Effect.catch((error) => unlessAlive(session, Effect.fail(error))),
          Effect.flatMap(({ accessToken }) =>
            accessToken === undefined
              ? Effect.fail(reconnect(`no access token is stored for ${keyOf(account)}`))
              : Effect.succeed(accessToken)
          )
        )
      ),

    /** Returns whether there is another access token than the rejected one. */
    renew: (account: Account, refused: Redacted.Redacted): Effect.Effect<boolean, AccessTokenError> =>
      using(account, (session) =>
        Effect.gen(function* () {
          const held = session.tokens
          const age = (yield* Clock.currentTimeMillis) - (held?.obtainedAt ?? 0)
          // A new token would be rejected as well.
          if (valueOf(held?.accessToken) === Redacted.value(refused) && age >= 0 && age < renewAfterMillis) return false
          const { accessToken } = yield* resolve(account, session, refused)
          return valueOf(accessToken) !== Redacted.value(refused)
        })
      ),

    /** Evicts an account from memory after its record has changed. */
    forget: Effect.fnUntraced(function* (account: Account) {
      if (!(yield* RcMap.has(sessions, keyOf(account)))) return
      const forgotten = using(account, (session) =>
        Effect.sync(() => {
          session.tokens = undefined
          session.failure = undefined
          session.rejected = undefined
          if (session.pending !== undefined) session.pending.isOutdated = true
        })
      )
      yield* Effect.ignore(forgotten)
    })
  }
})
