/** From a call's input to the request: checked, strictly, before anything is sent. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as Headers from "effect/http/Headers"
import * as HttpBody from "effect/http/HttpBody"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as UrlParams from "effect/http/UrlParams"
import { ConversationUpdate } from "../ConversationUpdate.ts"
import { type InvalidOptions, InvalidRequest } from "../HighLevelError.ts"
import * as Operation from "./operation.ts"
import * as Options from "./options.ts"
import * as Transport from "./transport.ts"

type Issue = InvalidRequest["issues"][number]

const decodeUpdate = Schema.decodeUnknownResult(ConversationUpdate, { onExcessProperty: "error", errors: "all" })
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

const refused = (input: unknown, ...issues: InvalidRequest["issues"]) =>
  new InvalidRequest({ ...givenIds(input), issues })

// A Date or a Map has no fields of its own: the schema would take it for {}.
const isExotic = (input: unknown) =>
  Predicate.hasProperty(input, "feedback") &&
  Predicate.isObject(input.feedback) &&
  Object.prototype.toString.call(input.feedback) !== "[object Object]"

/** The update that the input is, or the fields that are wrong with it. */
export const update = (input: unknown): Result.Result<ConversationUpdate, InvalidRequest> => {
  if (isExotic(input)) {
    return Result.fail(refused(input, { field: "feedback", message: "Expected a plain object, positive or negative" }))
  }
  return Result.mapError(decodeUpdate(input), (error) => {
    const [first = { field: "", message: "Expected an update" }, ...rest] = issuesOf(error)
    return refused(input, first, ...rest)
  })
}

// What a call may decide for itself is checked as the client's options are.
const option = (input: unknown) =>
  Effect.mapError(({ expected, option }: InvalidOptions) =>
    refused(input, { field: option, message: `Expected ${expected}` })
  )

export const version = (input: unknown, version: Operation.ApiVersion) => option(input)(Options.version(version))

export const timeout = (input: unknown, timeout: Duration.Input) => option(input)(Options.timeout(timeout))

/** The requests of one client. */
export const make = (baseUrl: string) => {
  const [before = "", after = ""] = Operation.path.split(":conversationId")
  const shared = { accept: "application/json", ...Transport.userAgent }

  return (
    { conversationId, ...payload }: ConversationUpdate,
    version: Operation.ApiVersion,
    token: Redacted.Redacted
  ): Result.Result<HttpClientRequest.HttpClientRequest, InvalidRequest> => {
    let text: string
    try {
      text = JSON.stringify(payload)
    } catch {
      // What cannot be written: in Node before 26, a feedback nested ten thousand deep.
      return Result.fail(
        refused({ conversationId, ...payload }, { field: "", message: "Expected a JSON-serializable request body" })
      )
    }
    const request = HttpClientRequest.makeWith(
      Operation.method,
      `${baseUrl}${before}${encodeURIComponent(conversationId)}${after}`,
      UrlParams.empty,
      Option.none(),
      Headers.fromRecordUnsafe({ ...shared, authorization: `Bearer ${Redacted.value(token)}`, version }),
      HttpBody.empty
    )
    return Result.succeed(HttpClientRequest.setBody(request, HttpBody.text(text, "application/json")))
  }
}
