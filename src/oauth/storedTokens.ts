/** What is stored of an account: its tokens, where they come from, and who renews them. */
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

/** What the keys of an app's accounts of one type begin with. */
export const prefixOf = ({ clientId, userType }: Omit<Account, "id">) => `${clientId}:${userType.toLowerCase()}:`

/** Where it is stored: refresh tokens are an app's own, also where apps share a store. */
export const keyOf = (account: Account) => `${prefixOf(account)}${account.id}`

const Secret = Schema.RedactedFromValue(Schema.String)

const Tokens = Schema.Struct({
  /** Missing where only a refresh token was imported. */
  accessToken: Schema.optionalKey(Secret),
  refreshToken: Schema.optionalKey(Secret),
  /** In epoch milliseconds, by the clock of the process that requested them. */
  obtainedAt: Schema.Finite,
  /** Missing where the response has none. */
  expiresAt: Schema.optionalKey(Schema.Finite),
  scope: Schema.optionalKey(Schema.String),
  userId: Schema.optionalKey(Schema.String),
  companyId: Schema.optionalKey(Schema.String)
})

export type Tokens = typeof Tokens.Type

const TokenRecord = Schema.Struct({
  /** Missing until the first exchange of an agency's token, and once disconnected. */
  tokens: Schema.optionalKey(Tokens),
  /** The company whose token is exchanged for this location's. */
  agency: Schema.optionalKey(Schema.String),
  /** In epoch milliseconds, when it was connected or disconnected: what happened before it comes too late. */
  connectedAt: Schema.optionalKey(Schema.Finite),
  /** Set where an agency that is still connected would serve the location again. */
  disconnected: Schema.optionalKey(Schema.Literal(true)),
  /** The process that renews the tokens, and since when. */
  claim: Schema.optionalKey(Schema.Struct({ owner: Schema.String, at: Schema.Finite })),
  /** The hashes of the refresh tokens that were imported, newest first; none is taken twice. */
  imported: Schema.optionalKey(Schema.Array(Schema.Finite))
})

export type TokenRecord = typeof TokenRecord.Type

const Text = Schema.fromJsonString(TokenRecord)
export const decode = Schema.decodeEffect(Text)
const decodeOption = Schema.decodeOption(Text)
const encode = Schema.encodeSync(Text)

/** What an encrypted text begins with in place of a record. */
export const encryptedPrefix = "encrypted:"

export const textOf = (record: TokenRecord) => Redacted.make(encode(record))

/** What must not be repeated of a text that is stored. */
export const secretsIn = (text: Redacted.Redacted): ReadonlyArray<Redacted.Redacted> => {
  const tokens = Option.getOrUndefined(decodeOption(Redacted.value(text)))?.tokens
  return [text, tokens?.accessToken, tokens?.refreshToken].filter((secret) => secret !== undefined)
}

export const valueOf = (secret: Redacted.Redacted | undefined) =>
  secret === undefined ? undefined : Redacted.value(secret)

/** Whether two records have the same tokens, of the same agency. */
export const areSame = (one: TokenRecord, other: TokenRecord) =>
  one.agency === other.agency &&
  valueOf(one.tokens?.accessToken) === valueOf(other.tokens?.accessToken) &&
  valueOf(one.tokens?.refreshToken) === valueOf(other.tokens?.refreshToken)

/** Whether a record is of an account that is connected. */
export const isConnected = (record: TokenRecord | undefined): record is TokenRecord =>
  record !== undefined && record.disconnected !== true

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
