/** What is stored of an account: its tokens, and who refreshes them, until when. */
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { UserType } from "../wire/getAccessToken.ts"
import type { Grant } from "./tokenEndpoint.ts"

/** An agency or a sub-account that an app has connected. */
export interface Account {
  readonly clientId: string
  readonly userType: UserType
  readonly id: string
}

/** Where it is stored: refresh tokens are an app's own, also where apps share a store. */
export const keyOf = ({ clientId, id, userType }: Account) => `${clientId}:${userType.toLowerCase()}:${id}`

const Secret = Schema.RedactedFromValue(Schema.String)

const Tokens = Schema.Struct({
  /** Missing where only a refresh token was brought along. */
  accessToken: Schema.optionalKey(Secret),
  refreshToken: Schema.optionalKey(Secret),
  /** In epoch milliseconds, by the clock of the process that asked for them. */
  obtainedAt: Schema.Finite,
  /** Missing where HighLevel did not say. */
  expiresAt: Schema.optionalKey(Schema.Finite),
  scope: Schema.optionalKey(Schema.String),
  userId: Schema.optionalKey(Schema.String),
  companyId: Schema.optionalKey(Schema.String)
})

export type Tokens = typeof Tokens.Type

const TokenRecord = Schema.Struct({
  tokens: Tokens,
  /** Who refreshes the tokens, and until when nobody else may. */
  refreshing: Schema.optionalKey(Schema.Struct({ owner: Schema.String, until: Schema.Finite })),
  /** The hashes of the refresh tokens that were brought along, newest first; none is taken twice. */
  imported: Schema.optionalKey(Schema.Array(Schema.Finite))
})

export type TokenRecord = typeof TokenRecord.Type

const Text = Schema.fromJsonString(TokenRecord)
export const decode = Schema.decodeEffect(Text)
const decodeOption = Schema.decodeOption(Text)
const encode = Schema.encodeSync(Text)

export const textOf = (record: TokenRecord) => Redacted.make(encode(record))

/** What must not be repeated of a text that is stored. */
export const secretsIn = (text: Redacted.Redacted): ReadonlyArray<Redacted.Redacted> => {
  const { accessToken, refreshToken } = Option.getOrElse(
    Option.map(decodeOption(Redacted.value(text)), ({ tokens }) => tokens),
    (): Partial<Tokens> => ({})
  )
  return [text, accessToken, refreshToken].filter((secret) => secret !== undefined)
}

export const valueOf = (secret: Redacted.Redacted | undefined) =>
  secret === undefined ? undefined : Redacted.value(secret)

export const areSame = (one: Tokens, other: Tokens) =>
  valueOf(one.accessToken) === valueOf(other.accessToken) && valueOf(one.refreshToken) === valueOf(other.refreshToken)

export const isAlive = ({ accessToken, expiresAt }: Tokens, now: number) =>
  accessToken !== undefined && (expiresAt === undefined || now < expiresAt)

export const tokensOf = (grant: Grant, now: number, previous?: Tokens): Tokens => {
  const { accessToken, companyId, expiresIn, scope, userId } = grant
  // A server may leave the refresh token as it is, and then need not repeat it.
  const refreshToken = grant.refreshToken ?? previous?.refreshToken
  const expiresAt = expiresIn === undefined ? Infinity : now + expiresIn * 1000
  return {
    accessToken,
    obtainedAt: now,
    ...(refreshToken === undefined ? {} : { refreshToken }),
    ...(Number.isFinite(expiresAt) ? { expiresAt } : {}),
    ...(scope === undefined ? {} : { scope }),
    ...(userId === undefined ? {} : { userId }),
    ...(companyId === undefined ? {} : { companyId })
  }
}
