/** The webhooks of the sandbox: signs events with its own key, and delivers them as HighLevel does. */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Signature from "effect/crypto/Signature"
import * as Base64 from "effect/encoding/Base64"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type { Conversation } from "../wire/Conversation.ts"
import * as WebhookKey from "../wire/webhookKey.ts"
import { defaultCompany } from "./installations.ts"
import type * as Model from "./SandboxModel.ts"
import type { State, Stored } from "./state.ts"

const layer = Layer.mergeAll(
  Signature.layerWebCrypto.pipe(Layer.provide(SecureRandom.layerWebCrypto)),
  SecureRandom.layerWebCrypto,
  FetchHttpClient.layer
)

const encode = (event: object) => new TextEncoder().encode(JSON.stringify(event))

/** Makes the key pair on first use, since most tests have no webhooks. */
const make = Effect.fnUntraced(function* (appId: string) {
  const signature = yield* Signature.Signature
  const random = yield* SecureRandom.SecureRandom
  const httpClient = yield* HttpClient.HttpClient
  const keys = yield* Effect.cached(signature.generateKeyPair(Signature.ed25519))

  const webhookKey = Effect.gen(function* () {
    const { publicKey } = yield* keys
    return WebhookKey.encode(yield* Signature.toBytes(publicKey))
  })

  const signBytes = Effect.fnUntraced(function* (body: Uint8Array) {
    const { privateKey } = yield* keys
    const headers = {
      "content-type": "application/json",
      "x-ghl-signature": Base64.encode(yield* signature.sign(privateKey, body))
    }
    return { headers, body } satisfies Model.SignedEvent
  })

  const sign = Effect.fnUntraced(function* (event: Model.WebhookEvent) {
    const webhookId = yield* random.uuidV4()
    const timestamp = new Date(yield* Clock.currentTimeMillis).toISOString()
    return yield* signBytes(encode({ appId, versionId: appId, webhookId, timestamp, ...event }))
  })

  const send = Effect.fnUntraced(function* (
    url: string | URL,
    { body, headers }: Model.SignedEvent,
    { attempts = 12, delay = "10 seconds", timeout = "30 seconds" }: Model.DeliverOptions = {}
  ) {
    const request = HttpClientRequest.post(url, { headers }).pipe(
      HttpClientRequest.bodyUint8Array(body, headers["content-type"])
    )
    const first = Duration.fromInputUnsafe(delay)
    let status: number | undefined
    for (let attempt = 1; ; attempt++) {
      status = yield* httpClient.execute(request).pipe(
        Effect.map((response): number | undefined => response.status),
        Effect.timeout(timeout),
        // HighLevel retries after any failure of the receiver.
        Effect.tapError((error) => Effect.logDebug(`A delivery to ${url} got no response`, error)),
        Effect.orElseSucceed(() => undefined)
      )
      if (status !== undefined && status >= 200 && status < 300) return { attempts: attempt, status }
      yield* Effect.logWarning(`A delivery to ${url} got ${status ?? "no response"}, attempt ${attempt} of ${attempts}`)
      if (attempt >= attempts) return { attempts: attempt, status }
      yield* Effect.sleep(Duration.times(first, 2 ** (attempt - 1)))
    }
  })

  const service: Model.WebhookService = {
    webhookKey,
    sign,
    signBytes,
    deliver: (url, event, options) => Effect.flatMap(sign(event), (signed) => send(url, signed, options))
  }
  return { ...service, send }
})

/**
 * Adds webhooks to the state: changes are delivered to a URL, if there is one. Nothing
 * waits for a delivery.
 */
export const over = Effect.fnUntraced(function* (state: Stored, url: string | URL | undefined) {
  const { send, ...service } = yield* make(state.oauth.appId)
  const sandbox: Model.Service = { ...state.sandbox, ...service }
  if (url === undefined) return { ...state, sandbox } satisfies State["Service"]

  const fork = yield* FiberSet.makeRuntime()
  const deliver = (event: Model.WebhookEvent) => {
    // The recorded event has no id, no timestamp, and fewer fields than documented.
    const isBare = state.responses === "observed" && event["type"] === "ConversationUnreadUpdate"
    const { starred: _, ...bare } = event
    const signed = isBare ? service.signBytes(encode(bare)) : service.sign(event)
    fork(
      Effect.flatMap(signed, (signed) => send(url, signed)).pipe(
        Effect.catch((error) => Effect.logError("An event cannot be signed", error))
      )
    )
  }

  const unreadUpdate = (before: Option.Option<Conversation>, after: Option.Option<Conversation>) => {
    if (Option.isNone(before) || Option.isNone(after) || before.value.unreadCount === after.value.unreadCount) return
    const { contactId, deleted, id, inbox, locationId, starred, unreadCount } = after.value
    const conversation = { locationId, id, contactId, unreadCount, inbox, starred, deleted }
    deliver({ type: "ConversationUnreadUpdate", ...conversation })
  }

  const { installations } = state.oauth
  /** Delivers an `INSTALL` for each location that gets the app. */
  const installing = (change: Effect.Effect<void>, companyId = defaultCompany) =>
    Effect.suspend(() => {
      const before = installations.installed(companyId)
      return Effect.tap(change, () =>
        Effect.sync(() => {
          for (const locationId of installations.installed(companyId)) {
            if (before.includes(locationId)) continue
            deliver({ type: "INSTALL", installType: "Location", companyId, locationId })
          }
        })
      )
    })

  return {
    ...state,
    sandbox: {
      ...sandbox,
      receive: (message) =>
        Effect.gen(function* () {
          const before = state.conversation(message.conversationId)
          const after = yield* sandbox.receive(message)
          if (Option.isNone(after)) return after
          const { contactId, lastMessageBody: body, lastMessageDate, lastMessageType, locationId } = after.value
          const { conversationId, direction = "inbound", userId } = message
          deliver({
            type: direction === "inbound" ? "InboundMessage" : "OutboundMessage",
            locationId,
            contactId,
            conversationId,
            body,
            direction,
            userId,
            attachments: [],
            contentType: "text/plain",
            dateAdded: lastMessageDate == null ? undefined : DateTime.formatIso(lastMessageDate),
            messageType: String(lastMessageType).replace(/^TYPE_/, ""),
            status: "delivered",
            source: direction === "outbound" ? "app" : undefined
          })
          unreadUpdate(before, after)
          return after
        }),
      install: (installation) => installing(sandbox.install(installation), installation?.companyId),
      addLocation: (location) => installing(sandbox.addLocation(location), location.companyId),
      uninstall: (uninstallation = {}) =>
        Effect.tap(sandbox.uninstall(uninstallation), () =>
          Effect.sync(() => {
            const { companyId = defaultCompany, locationId } = uninstallation
            const installType = locationId === undefined ? "Company" : "Location"
            deliver({ type: "UNINSTALL", installType, companyId, locationId })
          })
        )
    },
    apply: (conversationId, changes, now) => {
      const before = state.conversation(conversationId)
      const changed = state.apply(conversationId, changes, now)
      unreadUpdate(before, changed)
      return changed
    }
  } satisfies State["Service"]
}, Effect.provide(layer))
