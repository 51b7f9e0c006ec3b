/** Makes a server's text safe to keep: shortened, and without secrets that it may echo. */
import * as Redacted from "effect/Redacted"

/** Removes secrets from a text and shortens it to 4 KiB. */
export type Redaction = (text: string) => string

/** The maximum length of a kept text. */
export const maximumBytes = 4096

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** Copies the beginning of a text: a slice would keep the whole text in memory. */
const shortened = (text: string) =>
  // A character of a string takes three bytes at most.
  3 * text.length <= maximumBytes
    ? text
    : decoder.decode(encoder.encode(text.slice(0, maximumBytes)).subarray(0, maximumBytes))

// Verbatim, form-encoded, and JSON-encoded.
const spellings = (secret: string) => [
  secret,
  encodeURIComponent(secret),
  new URLSearchParams({ secret }).toString().slice("secret=".length),
  JSON.stringify(secret).slice(1, -1)
]

export const make = (...secrets: ReadonlyArray<Redacted.Redacted>): Redaction => {
  // Encoded lazily: most calls succeed.
  let found: ReadonlyArray<string> | undefined
  return (text) => {
    found ??= [...new Set(secrets.flatMap((secret) => spellings(Redacted.value(secret))))]
      .filter((spelling) => spelling !== "")
      .toSorted((one, other) => other.length - one.length)
    return shortened(found.reduce((clean, spelling) => clean.replaceAll(spelling, "<redacted>"), text))
  }
}
