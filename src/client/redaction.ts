/** Text of a server, safe to keep: without the secrets that it may repeat, and short. */
import * as Redacted from "effect/Redacted"

/** What takes secrets out of a text, and keeps 4 KiB of it. */
export type Redaction = (text: string) => string

/** How much of a text is kept. */
export const maximumBytes = 4096

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** The beginning of a text, in memory of its own: a slice would keep the whole text alive. */
const shortened = (text: string) =>
  // A character of a string takes three bytes at most.
  3 * text.length <= maximumBytes
    ? text
    : decoder.decode(encoder.encode(text.slice(0, maximumBytes)).subarray(0, maximumBytes))

// As they are, as a form sends them, and as JSON repeats them.
const spellings = (secret: string) => [
  secret,
  encodeURIComponent(secret),
  new URLSearchParams({ secret }).toString().slice("secret=".length),
  JSON.stringify(secret).slice(1, -1)
]

export const make = (...secrets: ReadonlyArray<Redacted.Redacted>): Redaction => {
  // Spelled only when there is a text to clean: most calls succeed.
  let found: ReadonlyArray<string> | undefined
  return (text) => {
    found ??= [...new Set(secrets.flatMap((secret) => spellings(Redacted.value(secret))))]
      .filter((spelling) => spelling !== "")
      .toSorted((one, other) => other.length - one.length)
    return shortened(found.reduce((clean, spelling) => clean.replaceAll(spelling, "<redacted>"), text))
  }
}
