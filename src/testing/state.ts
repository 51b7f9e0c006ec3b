/** The state of the sandbox: conversations, scripts, requests, usage. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { ConversationQuery } from "../wire/searchConversations.ts"
import type { Changes } from "../wire/updateConversation.ts"
import type { Conversation } from "../wire/Conversation.ts"
import * as Conversations from "./conversationState.ts"
import type * as Model from "./SandboxModel.ts"
import * as OAuthState from "./oauthState.ts"

const day = 24 * 60 * 60 * 1000

export interface Settings {
  readonly token: string
  readonly responses: "documented" | "observed"
  readonly conversations: ReadonlyArray<Model.Seed>
  readonly indexLagMillis: number
  readonly searchLimit: number
  readonly rateLimit: Model.RateLimit
  readonly oauth: OAuthState.Settings
}

/** The query of the authorization page. */
export interface Asked {
  readonly redirectUri: string
  readonly scope: string
  readonly state: string | undefined
}

interface Usage {
  /** The times of the window's requests. */
  window: Array<number>
  today: { start: number; used: number }
}

type Received = { -readonly [Key in keyof Model.ReceivedRequest]: Model.ReceivedRequest[Key] }

/** A script, and how many more requests it applies to. */
interface Scripted<A> {
  readonly script: A
  left: number
  /** How many matching requests to skip before the next one. */
  pass: number
}

type Script = { readonly times?: number | undefined; readonly every?: number | undefined }

const scripted = <A extends Script>(script: A): Scripted<A> => ({
  script,
  left: script.times ?? 1,
  pass: (script.every ?? 1) - 1
})

/** Takes the first script for a request, if any. */
const take = <A extends Script>(entries: ReadonlyArray<Scripted<A>>, applies: (script: A) => boolean) => {
  const entry = entries.find((entry) => {
    if (entry.left <= 0 || !applies(entry.script)) return false
    if (entry.pass > 0) {
      entry.pass--
      return false
    }
    return true
  })
  if (entry !== undefined) {
    entry.left--
    entry.pass = (entry.script.every ?? 1) - 1
  }
  return entry?.script
}

export const make = (settings: Settings) =>
  Effect.sync(() => {
    const conversations = Conversations.make(settings.indexLagMillis)
    const refusals: Array<Scripted<Model.Refusal>> = []
    const revoked = new Set<string>()
    const received: Array<Received> = []
    let traceIds = 0
    const faults: Array<Scripted<Model.Fault>> = []
    const applied: Array<Model.AppliedUpdate> = []
    const usages = new Map<string, Usage>()
    let rateLimit = settings.rateLimit
    const oauth = OAuthState.make(settings.oauth, conversations.locationIds)

    const approve = ({ redirectUri, scope, state }: Asked, choice: Model.Choice, now: number) => {
      const [locationId] = conversations.locationIds()
      const code = oauth.approve({ locationId, ...choice }, { scopes: scope.split(" "), redirectUri }, now)
      return { code, ...(state === undefined || choice.fromMarketplace === true ? {} : { state }) }
    }

    const reset = () => {
      refusals.length = 0
      revoked.clear()
      received.length = 0
      traceIds = 0
      faults.length = 0
      applied.length = 0
      usages.clear()
      oauth.reset()
      rateLimit = settings.rateLimit
      conversations.reset(settings.conversations)
    }
    reset()

    const usageOf = (locationId: string, now: number) => {
      const usage = usages.get(locationId) ?? { window: [], today: { start: now, used: 0 } }
      usages.set(locationId, usage)
      const { intervalMillis, window = "fixed" } = rateLimit
      const [first = now] = usage.window
      if (window === "sliding") usage.window = usage.window.filter((at) => now - at < intervalMillis)
      // A fixed window starts with its first request and ends one interval later.
      else if (now - first >= intervalMillis) usage.window = []
      if (now - usage.today.start >= day) usage.today = { start: now, used: 0 }
      return usage
    }

    /** Counts a request to a location if its limits allow it, and returns what is left. */
    const consume = (locationId: string, now: number) => {
      const { daily, intervalMillis, max, retryAfter } = rateLimit
      const usage = usageOf(locationId, now)
      const isAllowed = usage.window.length < max && usage.today.used < daily
      if (isAllowed) {
        usage.window.push(now)
        usage.today.used++
      }
      const [first = now] = usage.window
      return {
        isAllowed,
        headers: {
          "x-ratelimit-max": String(max),
          "x-ratelimit-remaining": String(Math.max(0, max - usage.window.length)),
          "x-ratelimit-interval-milliseconds": String(intervalMillis),
          "x-ratelimit-limit-daily": String(daily),
          "x-ratelimit-daily-remaining": String(Math.max(0, daily - usage.today.used)),
          "x-ratelimit-daily-reset": String(usage.today.start + day - now),
          ...(!isAllowed && retryAfter === true
            ? { "retry-after": String(Math.ceil((first + intervalMillis - now) / 1000)) }
            : {})
        }
      }
    }

    const sandbox: Omit<Model.Service, keyof Model.WebhookService> = {
      seed: (conversation) => Effect.map(Clock.currentTimeMillis, (now) => conversations.seed(conversation, now)),
      receive: (message) =>
        Effect.map(Clock.currentTimeMillis, (now): Option.Option<Conversation> => conversations.receive(message, now)),
      conversation: (conversationId) =>
        Effect.sync((): Option.Option<Conversation> => conversations.get(conversationId)),
      refuse: (refusal) => Effect.sync(() => void refusals.push(scripted(refusal))),
      issue: (grant) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          const { accessToken, refreshToken = "" } = oauth.issue(grant, now)
          return { accessToken: Redacted.make(accessToken), refreshToken: Redacted.make(refreshToken) }
        }),
      approve: (url, choice = {}) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          const query = new URL(url).searchParams
          return approve(
            {
              redirectUri: query.get("redirect_uri") ?? "",
              scope: query.get("scope") ?? "",
              state: query.get("state") ?? undefined
            },
            choice,
            now
          )
        }),
      install: (installation = {}) =>
        Effect.map(Clock.currentTimeMillis, (now) => oauth.installations.install(installation, now)),
      uninstall: (uninstallation = {}) => Effect.sync(() => oauth.uninstall(uninstallation)),
      addLocation: (location) =>
        Effect.map(Clock.currentTimeMillis, (now) => oauth.installations.addLocation(location, now)),
      deactivate: (locationId) => Effect.sync(() => oauth.deactivate(locationId)),
      revoke: (token) =>
        Effect.sync(() => {
          revoked.add(token)
          oauth.revoke(token)
        }),
      fault: (fault) => Effect.sync(() => void faults.push(scripted(fault))),
      limit: (changes) =>
        Effect.sync(() => {
          rateLimit = { ...rateLimit, ...changes }
        }),
      consumeExternally: (locationId, requests) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          const usage = usageOf(locationId, now)
          for (let count = 0; count < requests; count++) usage.window.push(now)
          usage.today.used += requests
        }),
      conversations: Effect.sync((): ReadonlyArray<Conversation> => conversations.all()),
      applied: Effect.sync(() => [...applied]),
      requests: Effect.sync(() => received.map((request) => ({ ...request }))),
      reset: Effect.sync(reset)
    }

    return {
      responses: settings.responses,
      sandbox,
      oauth,
      approve,
      /** Returns the reason of a 401 for a call in the location with the token, if any. */
      refusalOf: (token: string, locationId: string, scope: string, now: number) => {
        if (token === settings.token && !revoked.has(token)) return undefined
        if (token.startsWith("pit-")) return "Invalid Private Integration token"
        const holder = oauth.holder(token, now)
        if (holder === undefined) {
          if (token === "") return "No Authorization header found for authentication!"
          return settings.responses === "observed" ? "Invalid JWT" : "Invalid token: access token is invalid"
        }
        if (holder.refusedWith !== undefined) return holder.refusedWith
        if (holder.userType === "Company") return "Token's user type mismatch!"
        if (!holder.scopes.includes(scope)) return "The token is not authorized for this scope."
        return holder.locationId === locationId ? undefined : "This location is not accessible from this token!"
      },
      takeRefusal: (operation: Model.Operation, conversationId: string) =>
        take(
          refusals,
          ({ conversationId: only, operation: of = "update" }) =>
            of === operation && (only === undefined || only === conversationId)
        ),
      takeFault: (operation: Model.Operation) => take(faults, ({ operation: only = "update" }) => only === operation),
      conversation: conversations.get,
      search: (query: ConversationQuery, now: number) =>
        conversations.search(query, Math.min(query.limit ?? 20, settings.searchLimit), now),
      apply: (conversationId: string, changes: Changes, now: number) => {
        const changed = conversations.update(conversationId, changes, now)
        if (changed._tag === "Some") applied.push({ conversationId, ...changes })
        return changed
      },
      receive: (request: Model.ReceivedRequest) => {
        const entry: Received = { ...request }
        received.push(entry)
        return entry
      },
      consume,
      nextTraceId: () => `00000000-0000-4000-8000-${String(++traceIds).padStart(12, "0")}`
    }
  })

/** The state without webhooks. */
export type Stored = Effect.Success<ReturnType<typeof make>>

export class State extends Context.Service<State, Stored & { readonly sandbox: Model.Service }>()(
  "effect-highlevel/testing/Sandbox/State"
) {}
