/** Whether a delivery is HighLevel's, for this app, and of now. */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Digest from "effect/crypto/Digest"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Signature from "effect/crypto/Signature"
import * as Base64 from "effect/encoding/Base64"
import * as Hex from "effect/encoding/Hex"
import * as Headers from "effect/http/Headers"
import * as OptionsCheck from "../client/options.ts"
import * as WebhookEvents from "../wire/webhookEvents.ts"
import type { VerifyOptions } from "./options.ts"

/**
 * A delivery was refused; no handler was called.
 *
 * - `Unsigned`: it has no `X-GHL-Signature`
 * - `InvalidSignature`: it was changed, or is not HighLevel's
 * - `OtherApp`: it is for another app
 * - `Stale`: it is older than `maxAge`, or of the future
 * - `TooLarge`: its body is larger than `maxBytes`
 * - `Malformed`: it is signed, and no JSON object
 */
export class WebhookRejected extends Schema.TaggedError<WebhookRejected>()("WebhookRejected", {
  reason: Schema.Literals(["Unsigned", "InvalidSignature", "OtherApp", "Stale", "TooLarge", "Malformed"])
}) {
  override get message() {
    return `Webhook rejected: ${this.reason}`
  }
}

/** HighLevel's public key: Ed25519, as SPKI in base64. */
export const highLevelKey = "MCowBQYDK2VwAyEAi2HR1srL4o18O8BRa7gVJY7G7bupbN3H9AwJrHCDiOg="

// An Ed25519 key as SPKI is this, and 32 bytes.
const spkiPrefix = "302a300506032b6570032100"
const futureMillis = 5 * 60_000

/** A verified event, and the id under which it is remembered. */
export interface Verified {
  readonly id: string
  readonly event: WebhookEvents.Event
}

const layerWebCrypto = Layer.merge(
  Signature.layerWebCrypto.pipe(Layer.provide(SecureRandom.layerWebCrypto)),
  Digest.layerWebCrypto
)

const readKey = (text: string) => {
  const bytes = Result.getOrElse(Base64.decode(text), () => new Uint8Array())
  const invalid = OptionsCheck.invalid("keys", "Ed25519 public keys, each as SPKI in base64")
  return Hex.encode(bytes.subarray(0, 12)) === spkiPrefix
    ? Effect.catch(Signature.publicKey(Signature.ed25519, bytes.subarray(12)), () => invalid)
    : invalid
}

const appIdOf = (event: WebhookEvents.Event) => (event._tag === "Unknown" ? event.document["appId"] : event.appId)

// Undecodable as a date, it could be of any time.
const timestampOf = (event: WebhookEvents.Event): DateTime.DateTime | "none" | "unreadable" => {
  if (event._tag === "Unknown") {
    const { timestamp } = event.document
    if (timestamp == null) return "none"
    const read = WebhookEvents.decodeTimestamp(timestamp)
    return Result.isSuccess(read) ? read.success : "unreadable"
  }
  return event.timestamp ?? (event.unrecognized?.["timestamp"] === undefined ? "none" : "unreadable")
}

export const make = Effect.fnUntraced(function* (options: VerifyOptions) {
  const signatures = yield* Signature.Signature
  const digest = yield* Digest.Digest
  const keys = yield* Effect.forEach(options.keys ?? [highLevelKey], readKey)
  const maxAgeMillis = yield* OptionsCheck.millis(options.maxAge ?? "24 hours", "maxAge")
  const maxBytes = yield* OptionsCheck.count(options.maxBytes ?? 1_048_576, "maxBytes")
  const reject = (reason: WebhookRejected["reason"]) => Effect.fail(new WebhookRejected({ reason }))

  const verify = Effect.fnUntraced(function* (headers: Headers.Input, bytes: Uint8Array) {
    if (bytes.length > maxBytes) return yield* reject("TooLarge")
    const header = Headers.fromInput(headers)["x-ghl-signature"]
    if (header === undefined) return yield* reject("Unsigned")
    const signature = Result.getOrElse(Base64.decode(header.trim()), () => new Uint8Array())
    let isSigned = false
    for (const key of keys) {
      // A key that WebCrypto refuses has signed nothing.
      isSigned ||= yield* Effect.orElseSucceed(signatures.verify(key, signature, bytes), () => false)
    }
    if (!isSigned) return yield* reject("InvalidSignature")
    const json = Result.try((): unknown => JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)))
    const event = Result.isSuccess(json) ? WebhookEvents.decode(json.success) : undefined
    if (event === undefined) return yield* reject("Malformed")
    const appId = appIdOf(event)
    if (appId !== options.appId && (appId != null || isInstallation(event))) return yield* reject("OtherApp")
    const timestamp = timestampOf(event)
    if (timestamp === "unreadable") return yield* reject("Malformed")
    if (timestamp !== "none") {
      const age = (yield* Clock.currentTimeMillis) - DateTime.toEpochMillis(timestamp)
      if (age > maxAgeMillis || age < -futureMillis) return yield* reject("Stale")
    }
    const webhookId = event._tag === "Unknown" ? event.document["webhookId"] : event.webhookId
    const id =
      typeof webhookId === "string" && webhookId !== ""
        ? webhookId
        : Hex.encode(yield* digest.digest(Digest.sha256, bytes))
    return { id, event } satisfies Verified
  })
  return { verify, maxAgeMillis, maxBytes }
}, Effect.provide(layerWebCrypto))

/** What changes who is connected is never taken from an event that does not say its app. */
const isInstallation = ({ _tag }: WebhookEvents.Event) => _tag === "INSTALL" || _tag === "UNINSTALL"
