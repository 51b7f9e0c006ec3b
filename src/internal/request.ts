/** The check of a call's input: strict, and before anything is sent. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import { ConversationUpdate } from "../ConversationUpdate.ts"
import type { ApiVersion } from "../HighLevelApi.ts"
import { type InvalidOptions, InvalidRequest } from "../HighLevelError.ts"
import * as Options from "./options.ts"

type Issue = InvalidRequest["issues"][number]

const decodeUpdate = Schema.decodeUnknownEffect(ConversationUpdate, { onExcessProperty: "error", errors: "all" })
const format = SchemaIssue.makeFormatterStandardSchemaV1()

const segment = (key: PropertyKey | { readonly key: PropertyKey }) => String(typeof key === "object" ? key.key : key)

const issuesOf = (error: Schema.SchemaError) =>
  (format(error.issue).issues ?? []).map(({ message, path = [] }): Issue => ({
    field: path.map(segment).join("."),
    message
  }))

/** The ids as given, valid or not, so that a log line can say which update it was. */
export const givenIds = (input: unknown): { readonly conversationId?: string; readonly locationId?: string } => ({
  ...(Predicate.hasProperty(input, "conversationId") && Predicate.isString(input.conversationId)
    ? { conversationId: input.conversationId }
    : {}),
  ...(Predicate.hasProperty(input, "locationId") && Predicate.isString(input.locationId)
    ? { locationId: input.locationId }
    : {})
})

/** The typed error for input that a schema refuses. */
export const invalid = (input: unknown, error: Schema.SchemaError) => {
  const [first = { field: "", message: "Expected an update" }, ...rest] = issuesOf(error)
  return new InvalidRequest({ ...givenIds(input), issues: [first, ...rest] })
}

// A Date or a Map has no fields of its own: the schema would take it for {}.
const isExotic = (input: unknown) =>
  Predicate.hasProperty(input, "feedback") &&
  Predicate.isObject(input.feedback) &&
  Object.prototype.toString.call(input.feedback) !== "[object Object]"

export const update = (input: unknown) =>
  isExotic(input)
    ? Effect.fail(
        new InvalidRequest({
          ...givenIds(input),
          issues: [{ field: "feedback", message: "Expected a plain object, positive or negative" }]
        })
      )
    : Effect.mapError(decodeUpdate(input), (error) => invalid(input, error))

// What a call may decide for itself is checked as the client's options are.
const option = (input: unknown) =>
  Effect.mapError(
    ({ expected, option }: InvalidOptions) =>
      new InvalidRequest({ ...givenIds(input), issues: [{ field: option, message: `Expected ${expected}` }] })
  )

export const version = (input: unknown, version: ApiVersion) => option(input)(Options.version(version))

export const timeout = (input: unknown, timeout: Duration.Input) => option(input)(Options.timeout(timeout))
