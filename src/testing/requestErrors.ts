/** The responses to requests that do not fit their declaration, in HighLevel's words. */
import * as Effect from "effect/Effect"
import * as SchemaIssue from "effect/SchemaIssue"
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as ErrorResponse from "../wire/ErrorResponse.ts"
import { HighLevelApi } from "../wire/HighLevelApi.ts"

export const unauthorized = (message: string) =>
  ErrorResponse.Unauthorized.make({ statusCode: 401, message, error: "Unauthorized" })
export const badRequest = (message: string) =>
  ErrorResponse.BadRequest.make({ statusCode: 400, message, error: "Bad Request" })
const unprocessable = (messages: ReadonlyArray<string>) =>
  ErrorResponse.Unprocessable.make({ statusCode: 422, message: messages, error: "Unprocessable Entity" })

/** The errors of a request that does not fit its declaration. */
export class RequestErrors extends HttpApiMiddleware.Service<RequestErrors>()(
  "effect-highlevel/testing/Sandbox/RequestErrors",
  { error: [ErrorResponse.BadRequest, ErrorResponse.Unauthorized, ErrorResponse.Unprocessable] }
) {}

export const SandboxApi = HighLevelApi.middleware(RequestErrors)

// HighLevel validates with class-validator and responds in its words.
const expectation: Record<string, string> = {
  locationId: "must be a string",
  unreadCount: "must be a number conforming to the specified constraints",
  starred: "must be a boolean value",
  feedback: "must be an object"
}
const unexpected = "should not exist"
const formatIssues = SchemaIssue.makeFormatterStandardSchemaV1({
  leafHook: (issue) => (issue._tag === "UnexpectedKey" ? unexpected : SchemaIssue.defaultLeafHook(issue))
})
const validationMessages = (issue: SchemaIssue.Issue) =>
  (formatIssues(issue).issues ?? []).map(({ message, path = [] }) => {
    const field = path.map(String).join(".")
    if (message === unexpected) return `property ${field} ${unexpected}`
    const [top = ""] = path.map(String)
    return Object.hasOwn(expectation, top) ? `${field} ${expectation[top]}` : `${field} ${message}`.trim()
  })

export const layer = HttpApiMiddleware.layerSchemaErrorTransform(RequestErrors, (error) => {
  switch (error.kind) {
    case "Headers":
      return Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ headers }) =>
        Effect.fail(
          headers["version"] === undefined
            ? unauthorized("version header was not found.")
            : badRequest(`Invalid API version segment '${headers["version"]}' at position 0`)
        )
      )
    case "Payload":
      return Effect.fail(
        error.cause.issue._tag === "InvalidValue"
          ? badRequest("Unexpected token in JSON")
          : unprocessable(validationMessages(error.cause.issue))
      )
    default:
      return Effect.fail(badRequest(validationMessages(error.cause.issue).join("; ")))
  }
})
