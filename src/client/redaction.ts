/** Text without the secrets that it may repeat. */
import * as Redacted from "effect/Redacted"

/** What takes secrets out of a text. */
export type Redaction = (text: string) => string

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
    return found.reduce((clean, spelling) => clean.replaceAll(spelling, "<redacted>"), text)
  }
}
