/** The accounts in memory: whoever asks for the tokens of one joins what another caller has begun. */
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

/** An account while it is in memory. */
interface Session extends Known {
  /** The load or renewal that is in progress, since when, and whether what is stored was changed since. */
  pending:
    | { readonly result: Deferred.Deferred<Tokens, AccessTokenError>; readonly since: number; isOutdated: boolean }
    | undefined
  /** Why the last one brought nothing; there is no other until then. */
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
// What another process has stored, or disconnected, is seen after this long.
const rereadMillis = 60_000
// Whoever has a token that is alive waits no longer for a better one.
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

  // A tenth of a short life is soon enough.
  const isFresh = (tokens: Tokens, now: number) => {
    const { expiresAt, obtainedAt } = tokens
    if (expiresAt === undefined) return isAlive(tokens, now)
    return isAlive(tokens, now + Math.min(refreshBeforeMillis, Math.max(0, expiresAt - obtainedAt) / 10))
  }

  /** The tokens that are not to be had in time, if they are alive, else what comes of waiting on. */
  const unlessAlive = (session: Session, waiting: Effect.Effect<Tokens, AccessTokenError>) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      session.tokens !== undefined && isAlive(session.tokens, now) ? Effect.succeed(session.tokens) : waiting
    )

  /** Joins what is pending of an account, or starts it. Whoever has a token that is alive does not wait long. */
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
                  // Counted from its start, not from each caller.
                  duration: Math.min(maxWaitMillis, Math.max(0, since + aliveMillis - now)),
                  orElse: () => unlessAlive(session, background.wait(result))
                })
          )
        if (session.pending !== undefined) return wait(session.pending)
        const pending = { result: Deferred.makeUnsafe<Tokens, AccessTokenError>(), since: now, isOutdated: false }
        session.pending = pending
        // The session stays in memory for as long.
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

  /** Fresh tokens, others than the refused ones if there are, unless the last attempt has only just failed. */
  const resolve = Effect.fnUntraced(function* (account: Account, session: Session, refused?: Redacted.Redacted) {
    const startedAt = yield* Clock.currentTimeMillis
    // As new as can be is good enough, however short HighLevel lets it live.
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

    /** The access token of an account, refreshed if it is about to expire. */
    get: (account: Account): Effect.Effect<Redacted.Redacted, AccessTokenError> =>
      using(account, (session) =>
        resolve(account, session).pipe(
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
          // Another token would be refused as well.
          if (valueOf(held?.accessToken) === Redacted.value(refused) && age >= 0 && age < renewAfterMillis) return false
          const { accessToken } = yield* resolve(account, session, refused)
          return valueOf(accessToken) !== Redacted.value(refused)
        })
      ),

    /** Forgets what is known of an account: what is stored was changed. The layer may have ended meanwhile. */
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
