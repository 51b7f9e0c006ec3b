/** The public key of webhooks: Ed25519, as SPKI in base64. Effect's `KeyFormat` would add 2 kB to a bundle. */
import * as Result from "effect/Result"
import * as Base64 from "effect/encoding/Base64"

// An Ed25519 key as SPKI is this prefix and 32 bytes.
const prefix = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00]

/** Decodes a key; undefined if the text is not one. */
export const decode = (text: string): Uint8Array | undefined => {
  const bytes = Result.getOrElse(Base64.decode(text), () => new Uint8Array())
  return prefix.every((byte, index) => bytes[index] === byte) ? bytes.subarray(prefix.length) : undefined
}

/** Encodes the bytes of a key. */
export const encode = (bytes: Uint8Array): string => Base64.encode(Uint8Array.from([...prefix, ...bytes]))
