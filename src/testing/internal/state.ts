/** What the sandbox remembers: conversations, scripts, requests, quota. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Changes } from "../../ConversationUpdate.ts"
import type { Conversation } from "../../Conversation.ts"
import type * as Sandbox from "../Sandbox.ts"

const day = 24 * 60 * 60 * 1000

export const documentedConversation: Sandbox.Seed = {
  id: "tDtDnQdgm2LXpyiqYvZ6",
  locationId: "tDtDnQdgm2LXpyiqYvZ6",
  contactId: "tDtDnQdgm2LXpyiqYvZ6",
  assignedTo: "tDtDnQdgm2LXpyiqYvZ6",
  userId: "tDtDnQdgm2LXpyiqYvZ6",
  lastMessageBody: "Hello, this is the message body",
  lastMessageDate: DateTime.makeUnsafe(1628008053263),
  lastMessageType: "TYPE_CALL",
  unreadCount: 1,
  inbox: true,
  starred: false,
  deleted: false
}

/** A conversation that the sandbox holds. */
export type Held = Conversation & { readonly id: string; readonly locationId: string }

export interface RateLimit {
  readonly max: number
  readonly intervalMillis: number
  readonly daily: number
}

export interface Settings {
  readonly token: string
  readonly answers: "documented" | "observed"
  readonly conversations: ReadonlyArray<Sandbox.Seed>
  readonly rateLimit: RateLimit
}

type Received = { -readonly [Key in keyof Sandbox.ReceivedRequest]: Sandbox.ReceivedRequest[Key] }

export class State extends Context.Service<
  State,
  {
    readonly answers: Settings["answers"]
    readonly sandbox: Sandbox.Service
    readonly accepts: (token: string) => boolean
    readonly takeRefusal: (conversationId: string) => Sandbox.Refusal | undefined
    /** The changed conversation, or none where there is no such conversation in the location. */
    readonly apply: (conversationId: string, changes: Changes) => Option.Option<Held>
    readonly receive: (request: Sandbox.ReceivedRequest) => Received
    /** Counts a request and tells what is left. */
    readonly spend: Effect.Effect<Record<string, string>>
    readonly nextTraceId: () => string
  }
>()("effect-highlevel/testing/Sandbox/State") {}

export const make = (settings: Settings) =>
  Effect.sync(() => {
    const conversations = new Map<string, Held>()
    const refusals: Array<{ readonly refusal: Sandbox.Refusal; left: number }> = []
    const revoked = new Set<string>()
    const received: Array<Received> = []
    let answered = 0
    let window = { start: 0, used: 0 }
    let today = { start: 0, used: 0 }

    const seed = (conversation: Sandbox.Seed) => {
      conversations.set(conversation.id, { ...conversation })
    }
    const reset = () => {
      conversations.clear()
      refusals.length = 0
      revoked.clear()
      received.length = 0
      answered = 0
      window = { start: 0, used: 0 }
      today = { start: 0, used: 0 }
      settings.conversations.forEach(seed)
    }
    reset()

    // A window starts with its first request and ends one interval later.
    const count = (current: { start: number; used: number }, now: number, interval: number) =>
      current.used === 0 || now - current.start >= interval
        ? { start: now, used: 1 }
        : { start: current.start, used: current.used + 1 }

    const sandbox: Sandbox.Service = {
      seed: (conversation) => Effect.sync(() => seed(conversation)),
      conversation: (conversationId) =>
        Effect.sync((): Option.Option<Conversation> => Option.fromNullishOr(conversations.get(conversationId))),
      refuse: (refusal) =>
        Effect.sync(() => {
          refusals.push({ refusal, left: refusal.times ?? 1 })
        }),
      revoke: (token) =>
        Effect.sync(() => {
          revoked.add(token)
        }),
      requests: Effect.sync(() => received.map((request) => ({ ...request }))),
      reset: Effect.sync(reset)
    }

    return State.of({
      answers: settings.answers,
      sandbox,
      accepts: (token) => token === settings.token && !revoked.has(token),
      takeRefusal: (conversationId) => {
        const entry = refusals.find(
          ({ refusal, left }) =>
            left > 0 && (refusal.conversationId === undefined || refusal.conversationId === conversationId)
        )
        if (entry !== undefined) entry.left -= 1
        return entry?.refusal
      },
      apply: (conversationId, { locationId, starred, unreadCount }) => {
        const conversation = conversations.get(conversationId)
        if (conversation === undefined || conversation.locationId !== locationId) return Option.none()
        const changed = {
          ...conversation,
          ...(unreadCount === undefined ? {} : { unreadCount }),
          ...(starred === undefined ? {} : { starred })
        }
        conversations.set(conversationId, changed)
        return Option.some(changed)
      },
      receive: (request) => {
        const entry: Received = { ...request }
        received.push(entry)
        return entry
      },
      spend: Effect.map(Clock.currentTimeMillis, (now) => {
        const { daily, intervalMillis, max } = settings.rateLimit
        window = count(window, now, intervalMillis)
        today = count(today, now, day)
        return {
          "x-ratelimit-max": String(max),
          "x-ratelimit-remaining": String(Math.max(0, max - window.used)),
          "x-ratelimit-interval-milliseconds": String(intervalMillis),
          "x-ratelimit-limit-daily": String(daily),
          "x-ratelimit-daily-remaining": String(Math.max(0, daily - today.used)),
          "x-ratelimit-daily-reset": String(today.start + day - now)
        }
      }),
      nextTraceId: () => `00000000-0000-4000-8000-${String(++answered).padStart(12, "0")}`
    })
  })
