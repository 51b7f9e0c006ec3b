/** Verifies that a delivery is from HighLevel, for this app, and recent. */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
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
import * as WebhookKey from "../wire/webhookKey.ts"
import type { VerifyOptions } from "./options.ts"

/**
 * A delivery was rejected, and no handler was called.
 *
 * - `Unsigned`: it has no `X-GHL-Signature`
 * - `InvalidSignature`: it was modified, or is not from HighLevel
 * - `OtherApp`: it is for another app, or it is an `INSTALL` or `UNINSTALL` without `appId`
 * - `Stale`: it is older than `maxAge`, or more than five minutes in the future
 * - `TooLarge`: its body is larger than `maxBytes`
 * - `Malformed`: it is signed, but not a JSON object, or its timestamp is invalid
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

const futureMillis = 5 * 60_000

/** A verified event. */
export interface Verified {
  readonly event: WebhookEvents.Event
  /** The id that tells duplicates; none if an identical event may be a new one. */
  readonly id: string | undefined
}

const layerWebCrypto = Layer.merge(
  Signature.layerWebCrypto.pipe(Layer.provide(SecureRandom.layerWebCrypto)),
  Digest.layerWebCrypto
)

const none = new Uint8Array()

const readKey = (text: string) => {
  const bytes = WebhookKey.decode(text)
  const invalid = OptionsCheck.invalid("keys", "Ed25519 public keys, each as SPKI in base64")
  return bytes === undefined ? invalid : Effect.catch(Signature.publicKey(Signature.ed25519, bytes), () => invalid)
}

const parse = (bytes: Uint8Array) =>
  Result.try((): unknown => JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)))

export const make = Effect.fnUntraced(function* (options: VerifyOptions) {
  const signatures = yield* Signature.Signature
  const digest = yield* Digest.Digest
  const { appId: ours, keys: texts = [highLevelKey] } = options
  if (!/^[^-]+$/.test(ours)) {
    return yield* OptionsCheck.invalid("appId", "the id of your app: the part of its client id before the hyphen")
  }
  if (texts.length === 0) return yield* OptionsCheck.invalid("keys", "at least one public key")
  const keys = yield* Effect.forEach(texts, readKey)
  const maxAgeMillis = yield* OptionsCheck.millis(options.maxAge ?? "24 hours", "maxAge")
  const maxBytes = yield* OptionsCheck.count(options.maxBytes ?? 1_048_576, "maxBytes")
  const reject = (reason: WebhookRejected["reason"]) => Effect.fail(new WebhookRejected({ reason }))
  const hash = (bytes: Uint8Array) => Effect.map(digest.digest(Digest.sha256, bytes), Hex.encode)

  const isSigned = Effect.fnUntraced(function* (signature: Uint8Array, bytes: Uint8Array) {
    for (const key of keys) {
      // A key that the runtime refuses matches no signature.
      if (yield* Effect.orElseSucceed(signatures.verify(key, signature, bytes), () => false)) return true
    }
    return false
  })

  const verify = Effect.fnUntraced(function* (headers: Headers.Input, bytes: Uint8Array) {
    if (bytes.length > maxBytes) return yield* reject("TooLarge")
    const header = Headers.fromInput(headers)["x-ghl-signature"]
    if (header === undefined) return yield* reject("Unsigned")
    const signature = Result.getOrElse(Base64.decode(header), () => none)
    if (!(yield* isSigned(signature, bytes))) return yield* reject("InvalidSignature")

    const json = parse(bytes)
    if (Result.isFailure(json) || !Predicate.isObject(json.success)) return yield* reject("Malformed")
    const { appId, timestamp, type, webhookId }: WebhookEvents.Document = json.success
    const isInstallation = type === "INSTALL" || type === "UNINSTALL"
    if (appId !== ours && (appId != null || isInstallation)) return yield* reject("OtherApp")
    if (timestamp != null) {
      const read = WebhookEvents.decodeTimestamp(timestamp)
      if (Result.isFailure(read)) return yield* reject("Malformed")
      const age = (yield* Clock.currentTimeMillis) - DateTime.toEpochMillis(read.success)
      if (age > maxAgeMillis || age < -futureMillis) return yield* reject("Stale")
    }

    const event = WebhookEvents.decode(json.success)
    if (typeof webhookId === "string" && webhookId !== "") {
      const key = JSON.stringify([ours, type, webhookId])
      return { event, id: yield* hash(new TextEncoder().encode(key)) } satisfies Verified
    }
    return { event, id: timestamp == null ? undefined : yield* hash(bytes) } satisfies Verified
  })
  return { verify, maxAgeMillis, maxBytes }
}, Effect.provide(layerWebCrypto))
