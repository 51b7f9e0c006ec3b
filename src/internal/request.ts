/** The check of a call's input: strict, and before anything is sent. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import { ConversationUpdate } from "../ConversationUpdate.ts"
import { ApiVersion } from "../HighLevelApi.ts"
import { InvalidRequest } from "../HighLevelError.ts"
import * as Options from "./options.ts"

type Issue = InvalidRequest["issues"][number]

const decodeUpdate = Schema.decodeUnknownEffect(ConversationUpdate, { onExcessProperty: "error", errors: "all" })
const isApiVersion = Schema.is(ApiVersion)
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

export const update = (input: unknown) => Effect.mapError(decodeUpdate(input), (error) => invalid(input, error))

export const version = (input: unknown, version: string) =>
  isApiVersion(version)
    ? Effect.succeed(version)
    : Effect.fail(
        new InvalidRequest({
          ...givenIds(input),
          issues: [{ field: "version", message: `Expected one of ${ApiVersion.literals.join(", ")}` }]
        })
      )

export const timeout = (input: unknown, timeout: Duration.Input) =>
  Effect.mapError(
    Options.timeout(timeout),
    ({ expected }) =>
      new InvalidRequest({ ...givenIds(input), issues: [{ field: "timeout", message: `Expected ${expected}` }] })
  )
