/** The options of webhooks. */
import type * as Duration from "effect/Duration"

/** The conditions for accepting a delivery. */
export interface VerifyOptions {
  /**
   * The id of your app: the part of its client id before the hyphen. HighLevel signs the
   * events of all apps with the same key, so events of another app are rejected. An event
   * without `appId` is accepted, since live events about conversations may lack it, unless
   * it is an `INSTALL` or `UNINSTALL`.
   */
  readonly appId: string

  /**
   * The accepted public keys: Ed25519, as SPKI in base64. During a key rotation, pass both.
   *
   * @default HighLevel's
   */
  readonly keys?: ReadonlyArray<string> | undefined

  /**
   * Maximum age of an event with a timestamp, and how long a handled event is recorded.
   * HighLevel redelivers for some hours.
   *
   * @default "24 hours"
   */
  readonly maxAge?: Duration.Input | undefined

  /** Maximum size of a body, in bytes. @default 1_048_576 */
  readonly maxBytes?: number | undefined
}
