/** An interaction of a contract: what the client is called with, what it sends, what is responded, what it makes of it. */
import { type Json, type JsonObject, type OperationName, operations, version } from "./documented/documentation.ts"

export interface Interaction {
  readonly operation: OperationName
  readonly description: string
  /** Where each part of it is documented, or was recorded. */
  readonly comments: ReadonlyArray<string>
  readonly state?: { readonly name: string; readonly params: JsonObject } | undefined
  /** What the caller gives. The documentation tells where in the request each of it goes, if anywhere. */
  readonly input: JsonObject
  /** The path parameter, the fields of query and body that any value of their type matches. */
  readonly any?: ReadonlyArray<string> | undefined
  /** Whether any of the documented fields of the body match, with any value. */
  readonly anyBody?: boolean | undefined
  /** What of the input, or `token`, comes from the provider state: a provider issues its own codes and tokens. */
  readonly injected?: Readonly<Record<string, string>> | undefined
  /** @default "sandbox-token" */
  readonly token?: string | undefined
  /** The `Version` header. @default the documented one */
  readonly version?: string | undefined
  /** Whether the client cannot be made to send that version, so that it is changed on its way. */
  readonly isUnknownVersion?: boolean | undefined
  readonly status: number
  /** @default "application/json" */
  readonly contentType?: string | undefined
  readonly response: JsonObject | string
  /** Dotted paths of the response whose value is promised, and not just its type. */
  readonly exact?: ReadonlyArray<string> | undefined
  /** What the client makes of the response; at least these fields. */
  readonly reads: JsonObject
  /** Whether what was read is written as it came: a date is not, if it came in another encoding. @default true */
  readonly isLossless?: boolean | undefined
}

/** A message of a contract: what a webhook delivers. Its signature is no part of it. */
export interface Message {
  /** The type of the event. */
  readonly operation: string
  readonly description: string
  /** Where it is documented, or was recorded. */
  readonly comments: ReadonlyArray<string>
  /** What makes the provider send it. */
  readonly state: { readonly name: string; readonly params: JsonObject }
  readonly contents: JsonObject
  /** Dotted paths of the contents whose value is promised, and not just its type. */
  readonly exact: ReadonlyArray<string>
  /** Fields that the provider leaves out. Pact cannot say that, so the verification looks for them. */
  readonly absent?: ReadonlyArray<string> | undefined
}

export const defaultToken = "sandbox-token"

/** Ids with a dot are refused, each with the status in its name; any other id is that of a conversation. */
export const anyId = "[^/.]+"

/** The request that the documentation asks for, as names and values. */
export const requestOf = ({ input, operation, token = defaultToken, ...rest }: Interaction) => {
  const { body, contentType, headers, method, path, query } = operations[operation]
  const given = (fields: ReadonlyArray<{ readonly name: string }>) =>
    Object.fromEntries(
      fields.flatMap(({ name }): Array<[string, Json]> => {
        const value = input[name]
        return value === undefined ? [] : [[name, value]]
      })
    )
  return {
    method,
    path: path.replace(/\{(\w+)\}/, (_, name) => String(input[name])),
    query: given(query),
    body: contentType === undefined ? undefined : given(body),
    headers: {
      Accept: "application/json",
      ...(operation === "token" ? {} : { Authorization: `Bearer ${token}` }),
      ...(headers.some(({ name }) => name === "Version") ? { Version: rest.version ?? version } : {}),
      ...(contentType === undefined ? {} : { "Content-Type": contentType })
    }
  }
}

/** The fields that are sent: those of a form, or of JSON. */
export const sentBy = ({
  body
}: {
  readonly body?: { readonly content: unknown; readonly contentType: string }
}): Readonly<Record<string, unknown>> =>
  body === undefined
    ? {}
    : body.contentType === "application/json"
      ? Object(body.content)
      : Object.fromEntries(new URLSearchParams(String(body.content)))
