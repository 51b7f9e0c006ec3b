/** What a request that does not fit its declaration is answered with, in HighLevel's words. */
import * as Effect from "effect/Effect"
import * as SchemaIssue from "effect/SchemaIssue"
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as ErrorBody from "../../ErrorBody.ts"

export const unauthorized = (message: string) =>
  ErrorBody.Unauthorized.make({ statusCode: 401, message, error: "Unauthorized" })
export const badRequest = (message: string) =>
  ErrorBody.BadRequest.make({ statusCode: 400, message, error: "Bad Request" })
const unprocessable = (messages: ReadonlyArray<string>) =>
  ErrorBody.Unprocessable.make({ statusCode: 422, message: messages, error: "Unprocessable Entity" })

/** What a request that does not fit the declaration is answered with. */
export class RequestErrors extends HttpApiMiddleware.Service<RequestErrors>()(
  "effect-highlevel/testing/Sandbox/RequestErrors",
  { error: [ErrorBody.BadRequest, ErrorBody.Unauthorized, ErrorBody.Unprocessable] }
) {}

// HighLevel validates with class-validator and answers in its words.
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
          unauthorized(headers["version"] === undefined ? "version header was not found." : "version header is invalid")
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
