/** The stored record of an account: its tokens, their origin, and the process that renews them. */
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { UserType } from "../wire/getAccessToken.ts"
import type { Grant } from "./tokenEndpoint.ts"

/** A connected agency or sub-account. */
export interface Account {
  readonly clientId: string
  readonly userType: UserType
  readonly id: string
}

/** The key prefix of an app's accounts of one type. */
export const prefixOf = ({ clientId, userType }: Omit<Account, "id">) => `${clientId}:${userType.toLowerCase()}:`

/** The key of an account. It includes the app, so that apps can share a store. */
export const keyOf = (account: Account) => `${prefixOf(account)}${account.id}`

const Secret = Schema.RedactedFromValue(Schema.String)

const Tokens = Schema.Struct({
  /** Missing after an import, until the first refresh. */
  accessToken: Schema.optionalKey(Secret),
  refreshToken: Schema.optionalKey(Secret),
  /** Epoch milliseconds, by the clock of the process that requested the tokens. */
  obtainedAt: Schema.Finite,
  /** Missing if the response had none. */
  expiresAt: Schema.optionalKey(Schema.Finite),
  scope: Schema.optionalKey(Schema.String),
  userId: Schema.optionalKey(Schema.String),
  companyId: Schema.optionalKey(Schema.String)
})

export type Tokens = typeof Tokens.Type

const TokenRecord = Schema.Struct({
  /** Missing before the first exchange of an agency's token, and after a disconnect. */
  tokens: Schema.optionalKey(Tokens),
  /** The company whose token is exchanged for this location's. */
  agency: Schema.optionalKey(Schema.String),
  /** When it was connected or disconnected, in epoch milliseconds. Earlier events are ignored. */
  connectedAt: Schema.optionalKey(Schema.Finite),
  /** Set if a connected agency would otherwise serve the location again. */
  disconnected: Schema.optionalKey(Schema.Literal(true)),
  /** The process that renews the tokens, and since when. */
  claim: Schema.optionalKey(Schema.Struct({ owner: Schema.String, at: Schema.Finite })),
  /** The hashes of imported refresh tokens, newest first. None is imported twice. */
  imported: Schema.optionalKey(Schema.Array(Schema.Finite))
})

export type TokenRecord = typeof TokenRecord.Type

const Text = Schema.fromJsonString(TokenRecord)
export const decode = Schema.decodeEffect(Text)
const decodeOption = Schema.decodeOption(Text)
const encode = Schema.encodeSync(Text)

/** The prefix of an encrypted record. */
export const encryptedPrefix = "encrypted:"

export const textOf = (record: TokenRecord) => Redacted.make(encode(record))

/** The secrets in a stored text, which errors must not contain. */
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

/** Whether the account of a record is connected. */
export const isConnected = (record: TokenRecord | undefined): record is TokenRecord =>
  record !== undefined && record.disconnected !== true

export const isAlive = ({ accessToken, expiresAt }: Tokens, now: number) =>
  accessToken !== undefined && (expiresAt === undefined || now < expiresAt)

export const tokensOf = (grant: Grant, now: number, previous?: Tokens): Tokens => {
  const { accessToken, companyId, expiresIn, scope, userId } = grant
  // A server that does not rotate the refresh token may omit it.
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
