/** Deliveries as HighLevel makes them, signed with a key of the tests. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Signature from "effect/crypto/Signature"
import * as KeyFormat from "effect/crypto/KeyFormat"
import * as Base64 from "effect/encoding/Base64"

export const appId = "sandbox"

export const layerSignature = Signature.layerWebCrypto.pipe(Layer.provide(SecureRandom.layerWebCrypto))

/** A key pair: what signs with it, and its public key as HighLevel publishes its own. */
export const makeSigner = Effect.gen(function* () {
  const signature = yield* Signature.Signature
  const { privateKey, publicKey } = yield* signature.generateKeyPair(Signature.ed25519)
  return {
    key: Base64.encode(yield* KeyFormat.encode(KeyFormat.spki, publicKey)),
    sign: (bytes: Uint8Array) => Effect.map(signature.sign(privateKey, bytes), Base64.encode)
  }
}).pipe(Effect.provide(layerSignature))

export const bytesOf = (text: string) => new TextEncoder().encode(text)

export const unreadUpdate = (fields: object = {}) => ({
  type: "ConversationUnreadUpdate",
  locationId: "ve9EPM428h8vShlRW1KT",
  id: "tDtDnQdgm2LXpyiqYvZ6",
  contactId: "9VEmS0si86GW6gXWU89b",
  unreadCount: 3,
  inbox: true,
  deleted: false,
  ...fields
})
