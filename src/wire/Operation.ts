/**
 * An operation of HighLevel's API as a value. The client, the `HttpApi` and the sandbox
 * are made from it.
 *
 * This module imports nothing from HttpApi, which keeps servers and OpenAPI out of the
 * bundle of a program that only calls operations.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaParser from "effect/SchemaParser"
import * as Lenient from "./lenient.ts"

/** Values of the `Version` header. The documentation allows `2021-07-28`; the servers accept all four. */
export const ApiVersion = Schema.Literals(["2021-07-28", "2021-04-15", "2023-02-21", "v3"]).annotate({
  description: "API Version"
})

export type ApiVersion = typeof ApiVersion.Type

// `.` and `..` survive percent-encoding and would be resolved by the URL parser;
// lone surrogates (Cs) cannot be encoded at all.
const isIdentifier = Schema.makeFilter((id: string) => {
  if (id === "." || id === "..") return `Expected an id, got the path segment "${id}"`
  if (/[\p{Cc}\p{Cs}]/u.test(id)) return "Expected an id without control characters or lone surrogates"
  return undefined
})

/**
 * The schema of an id that is used in a path: not empty, not `.` or `..`, without control
 * characters. It is sent percent-encoded.
 */
export const identifier = (description: string) =>
  Schema.String.annotate({ description, examples: ["tDtDnQdgm2LXpyiqYvZ6"] }).check(Schema.isNonEmpty(), isIdentifier)

/** The id of a location (sub-account). */
export const LocationId = identifier("Location ID as string")

/**
 * The declaration of an operation. `params`, `query`, `headers`, `payload`, `success` and
 * `error` have the form that `HttpApiEndpoint` takes.
 */
export interface Declaration {
  /** The name in errors, spans and metrics, such as `Conversations.update`. */
  readonly name: string
  /** The page that documents it. */
  readonly documentation: string
  readonly method: "GET" | "PUT" | "POST" | "PATCH" | "DELETE"
  /** The path, with `:name` for each of `params`. */
  readonly path: `/${string}`
  /** The caller's input. Fields that are in neither path, query nor payload are not sent. */
  readonly input: Schema.Top
  readonly params?: Schema.Struct.Fields | undefined
  readonly query?: Schema.Struct.Fields | undefined
  readonly headers?: Schema.Struct.Fields | undefined
  /** The request body, if the operation has one. */
  readonly payload?: (Schema.Top & { readonly fields: Schema.Struct.Fields }) | undefined
  /** @default "json" */
  readonly encoding?: "json" | "form" | undefined
  /** The documented 2xx. */
  readonly success: Schema.Top
  /** The documented errors, except the 401. */
  readonly error: ReadonlyArray<Schema.Top>
  /** Whether it may be sent again after its response was lost. */
  readonly isIdempotent: boolean
  /** Whether it changes something. If so, an unreadable 2xx was applied, and a lost response may have been. */
  readonly isWrite: boolean
}

/** The compiled schemas of an operation. */
export interface Compiled<in out Input extends object, out Output> {
  /** Validates an input strictly: an unknown field is an issue. */
  readonly validate: (input: unknown) => Result.Result<Input, Schema.SchemaError>
  /** Encodes the input as it is sent. */
  readonly encode: (input: Input) => Result.Result<object, SchemaIssue.Issue>
  /** Decodes the JSON of a 2xx leniently. */
  readonly decode: (json: unknown) => Result.Result<Output, Schema.SchemaError>
}

/** An operation with the given input and output. */
export interface Operation<in out Input extends object, out Output> extends Declaration, Compiled<Input, Output> {}

/**
 * Makes an operation from its declaration.
 *
 * **Example** (An operation of your own)
 *
 * ```ts
 * import { Operation } from "effect-highlevel"
 * import * as Schema from "effect/Schema"
 *
 * const contactId = Operation.identifier("Contact ID")
 *
 * const getContact = Operation.make({
 *   ...Operation.get,
 *   name: "Contacts.get",
 *   documentation: "https://marketplace.gohighlevel.com/docs/ghl/contacts/get-contact",
 *   path: "/contacts/:contactId",
 *   params: { contactId },
 *   input: Schema.Struct({ contactId, locationId: Operation.LocationId }),
 *   success: Schema.Struct({ contact: Schema.Struct({ id: Schema.String }) })
 * })
 *
 * getContact.validate({ contactId: "..", locationId: "l" })._tag // => "Failure"
 * ```
 */
export const make = <Input extends object, InputEncoded extends object, Output, const D extends Declaration>(
  declaration: D & {
    readonly input: Schema.Codec<Input, InputEncoded>
    readonly success: Schema.Codec<Output, unknown>
  }
): D & Compiled<Input, Output> => {
  const { input, success } = declaration
  const type = Schema.toType(input)
  return {
    ...declaration,
    validate: Schema.decodeUnknownResult(type, { onExcessProperty: "error", errors: "all" }),
    // A field without a transformation is sent unchanged.
    encode: type.ast === input.ast ? Result.succeed<object> : SchemaParser.encodeResult(input),
    decode: Lenient.decode(success)
  }
}

/** The common part of declarations that read. */
export const get = {
  method: "GET",
  headers: { version: ApiVersion },
  error: [],
  isIdempotent: true,
  isWrite: false
} as const

const format = SchemaIssue.makeFormatterStandardSchemaV1()

const segment = (key: PropertyKey | { readonly key: PropertyKey }) => String(typeof key === "object" ? key.key : key)

/** Lists the issues of an input by field. */
export const issuesOf = (issue: SchemaIssue.Issue) =>
  (format(issue).issues ?? []).map(({ message, path = [] }) => ({ field: path.map(segment).join("."), message }))
