/**
 * Encrypts stored texts with AES-256-GCM and a random nonce. The format is
 * `encrypted:1:<key id>:<base64url of nonce and ciphertext>`. The prefix and the store's
 * key are authenticated as additional data.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Aead from "effect/crypto/Aead"
import * as Digest from "effect/crypto/Digest"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Base64 from "effect/encoding/Base64"
import * as Base64Url from "effect/encoding/Base64Url"
import * as Hex from "effect/encoding/Hex"
import * as OptionsCheck from "../client/options.ts"
import { encryptedPrefix as format } from "./storedTokens.ts"

const version = "1"
const nonceBytes = Aead.aes256Gcm.nonceLength

const encoder = new TextEncoder()
const decoder = new TextDecoder("utf-8", { ignoreBOM: true })

const layerWebCrypto = Layer.mergeAll(
  Aead.layerWebCrypto.pipe(Layer.provideMerge(SecureRandom.layerWebCrypto)),
  Digest.layerWebCrypto
)

export type Encryption = Effect.Success<ReturnType<typeof make>>

export const make = Effect.fnUntraced(function* (options: {
  readonly key: Redacted.Redacted
  readonly previousKeys?: ReadonlyArray<Redacted.Redacted> | undefined
}) {
  const aead = yield* Aead.Aead
  const digest = yield* Digest.Digest
  const random = yield* SecureRandom.SecureRandom

  const read = Effect.fnUntraced(function* (input: Redacted.Redacted, option: string) {
    const text = yield* OptionsCheck.secret(input, option)
    const bytes = Result.getOrElse(Base64.decode(Redacted.value(text)), () => new Uint8Array())
    const key = yield* Effect.catch(Aead.key(Aead.aes256Gcm, bytes), () =>
      OptionsCheck.invalid(option, "32 random bytes in base64: openssl rand -base64 32")
    )
    return { id: Hex.encode((yield* digest.digest(Digest.sha256, bytes)).subarray(0, 8)), key }
  })

  const current = yield* read(options.key, "key")
  const previous = yield* Effect.forEach(options.previousKeys ?? [], (key, index) =>
    read(key, `previousKeys[${index}]`)
  )
  const keys = new Map([...previous, current].map(({ id, key }) => [id, key]))
  const header = `${format}${version}:${current.id}:`

  const encrypt = Effect.fnUntraced(function* (storeKey: string, plain: Redacted.Redacted) {
    const nonce = yield* random.randomBytes(nonceBytes)
    const sealed = yield* aead.encrypt(current.key, encoder.encode(Redacted.value(plain)), {
      nonce,
      aad: encoder.encode(header + storeKey)
    })
    return Redacted.make(header + Base64Url.encode(new Uint8Array([...nonce, ...sealed])))
  })

  /** Decrypts a stored text, and tells whether it must be re-encrypted with the current key. */
  const decrypt = Effect.fnUntraced(function* (storeKey: string, stored: Redacted.Redacted) {
    const text = Redacted.value(stored)
    // Stored before encryption was switched on.
    if (!text.startsWith(format)) return { plain: stored, isOutdated: true }
    const unreadable = (reason: string, cause?: unknown) =>
      Effect.fail(new Error(`The tokens stored for ${storeKey} cannot be decrypted: ${reason}`, { cause }))
    const [, number = "", id = "", sealed = ""] = text.split(":")
    if (number !== version) return yield* unreadable("their format is not known, a newer release wrote them")
    const key = keys.get(id)
    if (key === undefined) return yield* unreadable(`no given key has the id ${id}`)
    const bytes = Result.getOrElse(Base64Url.decode(sealed), () => new Uint8Array())
    const plain = yield* Effect.catch(
      aead.decrypt(key, bytes.subarray(nonceBytes), {
        nonce: bytes.subarray(0, nonceBytes),
        aad: encoder.encode(`${format}${version}:${id}:${storeKey}`)
      }),
      (cause) => unreadable("they were changed, or stored for another account", cause)
    )
    return { plain: Redacted.make(decoder.decode(plain)), isOutdated: id !== current.id }
  })

  return { encrypt, decrypt }
}, Effect.provide(layerWebCrypto))
