/** Deliveries as HighLevel makes them, signed with a key of the tests. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Signature from "effect/crypto/Signature"
import * as KeyFormat from "effect/crypto/KeyFormat"
import * as Base64 from "effect/encoding/Base64"
import type * as Headers from "effect/http/Headers"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import { Webhooks } from "effect-highlevel"

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

/** The route in memory: delivers headers and a body to it, and returns the status. */
export const route = <E, R>({
  handler,
  ...options
}: Partial<Webhooks.Options<E, R>> & Pick<Webhooks.Options<E, R>, "handler">) =>
  Effect.gen(function* () {
    const handle = yield* HttpRouter.toHttpEffect(Webhooks.layer({ appId, path: "/webhooks", handler, ...options }))
    return Effect.fnUntraced(function* (headers: Headers.Input, bytes: Uint8Array) {
      const request = HttpClientRequest.post("http://localhost/webhooks", { headers }).pipe(
        HttpClientRequest.bodyUint8Array(bytes, "application/json")
      )
      const { status } = yield* handle.pipe(
        Effect.provideService(HttpServerRequest.HttpServerRequest, HttpServerRequest.fromClientRequest(request)),
        Effect.scoped
      )
      return status
    })
  })

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
