export const makeMiddleware: (settings: {
  readonly clientId: string
  readonly clientSecret: string
  /** Ed25519, as SPKI in base64. */
  readonly key: string
}) => (delivery: {
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
  /** Whether the server keeps the bytes of the body, which it does not by itself. */
  readonly keepsRawBody: boolean
}) => Promise<string>
