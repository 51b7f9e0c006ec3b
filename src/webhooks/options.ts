/** The options of webhooks. */
import type * as Duration from "effect/Duration"

/** Which deliveries are accepted. */
export interface VerifyOptions {
  /**
   * The id of your app: the part of its client id before the hyphen. HighLevel signs the
   * events of every app with one key, so those of another app are rejected. An event without
   * `appId` is accepted, unless it is an `INSTALL` or `UNINSTALL`: live ones about
   * conversations may lack it.
   */
  readonly appId: string

  /**
   * The public keys that may have signed: Ed25519, as SPKI in base64. Give both while one
   * replaces the other.
   *
   * @default HighLevel's
   */
  readonly keys?: ReadonlyArray<string> | undefined

  /**
   * How old an event with a timestamp may be, and how long it is remembered as handled.
   * HighLevel delivers again for some hours.
   *
   * @default "24 hours"
   */
  readonly maxAge?: Duration.Input | undefined

  /** How large a body may be, in bytes. @default 1_048_576 */
  readonly maxBytes?: number | undefined
}
