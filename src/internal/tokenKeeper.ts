/**
 * Keeps the tokens of accounts fresh: one refresh at a time for an account,
 * whatever asks for it, and never a pair of tokens lost.
 *
 * What is stored under an account is a record of its tokens and of who refreshes
 * them, until when. Before a refresh the record is claimed, and the claim is
 * repeated before each try; after it the new pair takes the place of the claim.
 * Each of these steps fails if somebody else wrote in between. A claim that was
 * left behind ends with its lease, and the refresh is repeated: within 30 seconds
 * HighLevel answers the same refresh token with the same new pair.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Hash from "effect/Hash"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as RcMap from "effect/RcMap"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Hex from "effect/encoding/Hex"
import { AccessTokenError } from "../AccessToken.ts"
import type * as TokenStore from "../TokenStore.ts"
import type { UserType } from "../OAuthApi.ts"
import type { Grant } from "./oauthEndpoint.ts"
import * as Redaction from "./redaction.ts"
import * as SafeCause from "./safeCause.ts"

/** An agency or a sub-account, and where its tokens are stored. */
export interface Account {
  readonly userType: UserType
  readonly id: string
}

export const keyOf = ({ id, userType }: Account) => `${userType.toLowerCase()}:${id}`

const Secret = Schema.RedactedFromValue(Schema.String)

const Tokens = Schema.Struct({
  /** Missing where only a refresh token was brought along. */
  accessToken: Schema.optionalKey(Secret),
  refreshToken: Schema.optionalKey(Secret),
  /** In epoch milliseconds, by the clock of the process that asked for them. */
  obtainedAt: Schema.Finite,
  /** Missing where HighLevel did not say. */
  expiresAt: Schema.optionalKey(Schema.Finite),
  scope: Schema.optionalKey(Schema.String),
  userId: Schema.optionalKey(Schema.String),
  companyId: Schema.optionalKey(Schema.String)
})

export type Tokens = typeof Tokens.Type

const Record = Schema.Struct({
  tokens: Tokens,
  /** Who refreshes the tokens, and until when nobody else may. */
  refreshing: Schema.optionalKey(Schema.Struct({ owner: Schema.String, until: Schema.Finite })),
  /** Which refresh token, by its hash, the first tokens were brought along as. */
  adopted: Schema.optionalKey(Schema.Number)
})

type Record = typeof Record.Type

const RecordText = Schema.fromJsonString(Record)
const decodeRecord = Schema.decodeEffect(RecordText)
const encodeRecord = Schema.encodeSync(RecordText)
const textOf = (record: Record) => Redacted.make(encodeRecord(record))

const valueOf = (secret: Redacted.Redacted | undefined) => (secret === undefined ? undefined : Redacted.value(secret))

const areSame = (one: Tokens, other: Tokens) =>
  valueOf(one.accessToken) === valueOf(other.accessToken) && valueOf(one.refreshToken) === valueOf(other.refreshToken)

export const tokensOf = (grant: Grant, now: number, previous?: Tokens): Tokens => {
  const { accessToken, companyId, expiresIn, scope, userId } = grant
  // A server may leave the refresh token as it is, and then need not repeat it.
  const refreshToken = grant.refreshToken ?? previous?.refreshToken
  return {
    accessToken,
    obtainedAt: now,
    ...(refreshToken === undefined ? {} : { refreshToken }),
    ...(expiresIn === undefined ? {} : { expiresAt: now + expiresIn * 1000 }),
    ...(scope === undefined ? {} : { scope }),
    ...(userId === undefined ? {} : { userId }),
    ...(companyId === undefined ? {} : { companyId })
  }
}

const isAlive = ({ accessToken, expiresAt }: Tokens, now: number) =>
  accessToken !== undefined && (expiresAt === undefined || now < expiresAt)

/** What this process knows of an account while it is open. */
interface Session {
  tokens: Tokens | undefined
  flight: Deferred.Deferred<Tokens, AccessTokenError> | undefined
  /** Why the last look at the store or at HighLevel brought nothing; not looked again until then. */
  failure: { readonly error: AccessTokenError; readonly until: number } | undefined
  /** The refresh token that HighLevel refused; not tried again until then. */
  refused:
    { readonly refreshToken: string | undefined; readonly error: AccessTokenError; readonly until: number } | undefined
}

const makeSession = Effect.sync((): Session => ({
  tokens: undefined,
  flight: undefined,
  failure: undefined,
  refused: undefined
}))

/** What is stored has changed by our own hand. */
const forget = (session: Session) => {
  session.tokens = undefined
  session.failure = undefined
  session.refused = undefined
}

// All tries of a refresh, each at most `attemptTimeout` long, fit into the grace of 30 seconds.
const maximumTries = 4
const tryDelayMillis = 250
const pollMillis = 100
const failureMillis = 1000
const refusalMillis = 60_000
// A token that was refused this soon after its refresh will not be cured by another.
const minimumAgeMillis = 10_000
const maximumPauseMillis = 5000

const reconnect = (message: string) => new AccessTokenError({ reason: "ReconnectRequired", messages: [message] })

export type TokenKeeper = Effect.Success<ReturnType<typeof make>>

export const make = Effect.fnUntraced(function* (options: {
  readonly store: TokenStore.Service
  readonly refresh: (refreshToken: Redacted.Redacted, userType: UserType) => Effect.Effect<Grant, AccessTokenError>
  readonly refreshBeforeMillis: number
  readonly leaseMillis: number
  readonly patienceMillis: number
  readonly idleTimeToLive: Duration.Duration
}) {
  const { leaseMillis, patienceMillis, refreshBeforeMillis } = options
  const owner = Hex.random(16)
  const sessions = yield* RcMap.make({
    lookup: (_key: string) => makeSession,
    idleTimeToLive: options.idleTimeToLive
  })

  // A tenth of a short life is soon enough.
  const isFresh = (tokens: Tokens, now: number) => {
    const { expiresAt, obtainedAt } = tokens
    if (expiresAt === undefined) return isAlive(tokens, now)
    return isAlive(tokens, now + Math.min(refreshBeforeMillis, (expiresAt - obtainedAt) / 10))
  }

  const storeFailure = (what: string, secrets: ReadonlyArray<Redacted.Redacted | undefined>) =>
    Effect.mapError(({ cause }: TokenStore.TokenStoreError) => {
      const redact = Redaction.make(...secrets.filter((secret) => secret !== undefined))
      return new AccessTokenError({ reason: "Unreachable", messages: [what], cause: SafeCause.make(cause, redact) })
    })

  const replace = (key: string, current: Option.Option<Redacted.Redacted>, next: Record) =>
    options.store
      .replace(key, current, textOf(next))
      .pipe(
        storeFailure("the token store cannot be written", [
          Option.getOrUndefined(current),
          textOf(next),
          next.tokens.accessToken,
          next.tokens.refreshToken
        ])
      )

  /** What is stored, as a text to replace and as the record it is. */
  const load = Effect.fnUntraced(function* (key: string) {
    const text = yield* storeFailure("the token store cannot be read", [])(options.store.get(key))
    if (Option.isNone(text)) return { text, record: undefined }
    const record = yield* Effect.mapError(
      decodeRecord(Redacted.value(text.value)),
      () => new AccessTokenError({ reason: "Refused", messages: [`the token store holds something else for ${key}`] })
    )
    return { text, record }
  })

  /** Stores new tokens in the place of those they were refreshed from; none if newer ones are there. */
  const keep = Effect.fnUntraced(function* (key: string, claimed: Redacted.Redacted, before: Record, tokens: Tokens) {
    const next = { ...before, tokens }
    let current = Option.some(claimed)
    let pause = tryDelayMillis
    // Nobody else has these tokens: while this process lives, it tries to store them.
    while (true) {
      const stored = yield* Effect.result(replace(key, current, next))
      if (Result.isSuccess(stored) && stored.success) return true
      if (Result.isFailure(stored)) {
        yield* Effect.logWarning(`The new tokens of ${key} could not be stored yet`, stored.failure.cause)
        yield* Effect.sleep(pause)
        pause = Math.min(pause * 2, maximumPauseMillis)
      }
      const latest = yield* Effect.option(load(key))
      if (Option.isNone(latest)) continue
      const { record, text } = latest.value
      // What is there is as new: somebody else's, or these, whose arrival was not told.
      if (record !== undefined && !areSame(record.tokens, before.tokens)) return false
      // Somebody took the claim over, but has nothing better to put there.
      current = text
    }
  })

  /** Refreshes under a claim that nobody else can make; none if somebody else was faster. */
  const refresh = Effect.fnUntraced(
    function* (account: Account, session: Session, found: Redacted.Redacted, record: Record) {
      const key = keyOf(account)
      const { refreshing: _, ...before } = record
      const { refreshToken } = before.tokens
      if (refreshToken === undefined) {
        return yield* reconnect(`the tokens of ${key} are expired and came without a refresh token`)
      }
      let current = found
      for (let tries = 1; ; tries++) {
        const startedAt = yield* Clock.currentTimeMillis
        const claim = { ...before, refreshing: { owner, until: startedAt + leaseMillis } }
        if (!(yield* replace(key, Option.some(current), claim))) return undefined
        current = textOf(claim)
        const result = yield* Effect.result(options.refresh(refreshToken, account.userType))
        if (Result.isSuccess(result)) {
          const tokens = tokensOf(result.success, startedAt, before.tokens)
          return (yield* keep(key, current, before, tokens)) ? tokens : undefined
        }
        const error = result.failure
        if (error.reason === "Unreachable" && tries < maximumTries) {
          yield* Effect.sleep(tryDelayMillis * 2 ** (tries - 1) * (0.5 + (yield* Random.next) / 2))
          continue
        }
        // The claim is given up, unless somebody has taken it over; left behind, it expires.
        yield* Effect.ignore(replace(key, Option.some(current), before))
        if (error.reason === "Unreachable") return yield* error
        // Another process may have refreshed while this one was held up.
        const latest = yield* load(key)
        if (latest.record !== undefined && !areSame(latest.record.tokens, before.tokens)) return undefined
        const until = (yield* Clock.currentTimeMillis) + refusalMillis
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
      if (isAcceptable(tokens, now)) return tokens
      const { refused } = session
      if (refused !== undefined && refused.refreshToken === valueOf(tokens.refreshToken) && now < refused.until) {
        return yield* refused.error
      }
      const isClaimed = refreshing !== undefined && refreshing.owner !== owner && now < refreshing.until
      if (isClaimed) {
        // By our clock too, since the claim was made by another one.
        const found = Redacted.value(text.value)
        if (watched?.text !== found) watched = { text: found, since: now }
        if (now - watched.since < leaseMillis) {
          yield* Effect.sleep(Math.min(pollMillis, leaseMillis))
          continue
        }
      }
      const refreshed = yield* refresh(account, session, text.value, record)
      if (refreshed !== undefined) {
        session.tokens = refreshed
        return refreshed
      }
    }
  })

  const flights = new Set<Deferred.Deferred<Tokens, AccessTokenError>>()
  // A refresh under way is not cut off: its answer exists nowhere else.
  yield* Effect.addFinalizer(() =>
    Effect.timeoutOrElse(
      Effect.forEach(flights, (flight) => Effect.exit(Deferred.await(flight)), { concurrency: "unbounded" }),
      {
        duration: patienceMillis,
        orElse: () =>
          Effect.logError(`${flights.size} refreshes of tokens did not end, or their tokens could not be stored`)
      }
    )
  )

  /** Joins the flight of an account, or starts it. It goes on when its callers have left. */
  const join = (
    account: Account,
    session: Session,
    isAcceptable: (tokens: Tokens, now: number) => boolean
  ): Effect.Effect<Tokens, AccessTokenError> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.suspend(() => {
        const wait = (flight: Deferred.Deferred<Tokens, AccessTokenError>) =>
          restore(
            Effect.timeoutOrElse(Deferred.await(flight), {
              duration: patienceMillis,
              orElse: () =>
                Effect.fail(
                  new AccessTokenError({
                    reason: "Unreachable",
                    messages: [`no token for ${keyOf(account)} within ${patienceMillis} ms`]
                  })
                )
            })
          )
        if (session.flight !== undefined) return wait(session.flight)
        const flight = Deferred.makeUnsafe<Tokens, AccessTokenError>()
        session.flight = flight
        flights.add(flight)
        return using(account, () => obtain(account, session, isAcceptable)).pipe(
          Effect.onExit((exit) =>
            Effect.map(Clock.currentTimeMillis, (now) => {
              const failure = Option.getOrUndefined(Exit.findErrorOption(exit))
              session.failure = failure === undefined ? undefined : { error: failure, until: now + failureMillis }
              session.flight = undefined
              flights.delete(flight)
              Deferred.doneUnsafe(flight, exit)
            })
          ),
          Effect.interruptible,
          Effect.forkDetach,
          Effect.flatMap(() => wait(flight))
        )
      })
    )

  const using = <A, E>(account: Account, use: (session: Session) => Effect.Effect<A, E>) =>
    Effect.scoped(Effect.flatMap(RcMap.get(sessions, keyOf(account)), use))

  /** Fresh tokens that are not the refused ones, unless the last try has only just failed. */
  const settle = Effect.fnUntraced(function* (account: Account, session: Session, refused?: Redacted.Redacted) {
    const startedAt = yield* Clock.currentTimeMillis
    // As new as can be is good enough, however short HighLevel lets it live.
    const isAcceptable = (tokens: Tokens, now: number) =>
      (isFresh(tokens, now) || tokens.obtainedAt >= startedAt) &&
      tokens.accessToken !== undefined &&
      (refused === undefined || Redacted.value(tokens.accessToken) !== Redacted.value(refused))
    while (true) {
      const now = yield* Clock.currentTimeMillis
      if (session.tokens !== undefined && isAcceptable(session.tokens, now)) return session.tokens
      if (session.failure !== undefined && now < session.failure.until) return yield* session.failure.error
      yield* join(account, session, isAcceptable)
    }
  })

  const accessTokenOf = (account: Account, { accessToken }: Tokens) =>
    accessToken === undefined
      ? Effect.fail(reconnect(`no access token is stored for ${keyOf(account)}`))
      : Effect.succeed(accessToken)

  return {
    /** The access token, refreshed if it is about to expire. */
    get: (account: Account): Effect.Effect<Redacted.Redacted, AccessTokenError> =>
      using(account, (session) =>
        settle(account, session).pipe(
          Effect.catch((error) =>
            // It could not be refreshed before its time, but its time is not over.
            Effect.flatMap(Clock.currentTimeMillis, (now) =>
              session.tokens !== undefined && isAlive(session.tokens, now)
                ? Effect.succeed(session.tokens)
                : Effect.fail(error)
            )
          ),
          Effect.flatMap((tokens) => accessTokenOf(account, tokens))
        )
      ),

    /** Whether there is another access token than the one that was refused. */
    renew: (account: Account, refused: Redacted.Redacted): Effect.Effect<boolean, AccessTokenError> =>
      using(account, (session) =>
        Effect.gen(function* () {
          const now = yield* Clock.currentTimeMillis
          const held = session.tokens
          if (
            valueOf(held?.accessToken) === Redacted.value(refused) &&
            now - (held?.obtainedAt ?? 0) < minimumAgeMillis
          ) {
            return false
          }
          yield* settle(account, session, refused)
          return true
        })
      ),

    /** Stores the tokens of a new authorization, whatever was there. */
    put: (account: Account, tokens: Tokens): Effect.Effect<void, AccessTokenError> =>
      using(account, (session) =>
        Effect.gen(function* () {
          const key = keyOf(account)
          while (true) {
            const text = yield* storeFailure("the token store cannot be read", [])(options.store.get(key))
            if (yield* replace(key, text, { tokens })) break
          }
          forget(session)
        })
      ),

    /**
     * Stores a refresh token that was brought along, unless the tokens that are
     * stored came of it, or of an authorization.
     */
    adopt: (account: Account, refreshToken: Redacted.Redacted): Effect.Effect<void, AccessTokenError> =>
      using(account, (session) =>
        Effect.gen(function* () {
          const key = keyOf(account)
          const adopted = Hash.string(Redacted.value(refreshToken))
          while (true) {
            const { record, text } = yield* load(key)
            if (record !== undefined && (record.adopted === undefined || record.adopted === adopted)) return
            const obtainedAt = yield* Clock.currentTimeMillis
            if (yield* replace(key, text, { tokens: { refreshToken, obtainedAt }, adopted })) break
          }
          forget(session)
        })
      )
  }
})
