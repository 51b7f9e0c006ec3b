/** The responses to invalid requests, in HighLevel's words. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import type * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import type * as Headers from "effect/http/Headers"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as ErrorResponse from "../wire/ErrorResponse.ts"
import { AccessTokenRequest, UserType } from "../wire/getAccessToken.ts"
import { HighLevelApi } from "../wire/HighLevelApi.ts"
import { ApiVersion } from "../wire/Operation.ts"

export const unauthorized = (message: string) =>
  ErrorResponse.Unauthorized.make({ statusCode: 401, message, error: "Unauthorized" })
export const badRequest = (message: string) =>
  ErrorResponse.BadRequest.make({ statusCode: 400, message, error: "Bad Request" })
const unprocessable = (messages: ReadonlyArray<string>) =>
  ErrorResponse.Unprocessable.make({ statusCode: 422, message: messages, error: "Unprocessable Entity" })

/** The form of `feedback` depends on the version: a word in `v3`, else an object. */
export const wrongFeedback = (version: ApiVersion) =>
  unprocessable([`feedback ${version === "v3" ? oneOf(["positive", "negative"]) : expectation["feedback"]}`])

/** Converts the errors of an invalid request. */
export class RequestErrors extends HttpApiMiddleware.Service<RequestErrors>()(
  "effect-highlevel/testing/Sandbox/RequestErrors",
  { error: [ErrorResponse.BadRequest, ErrorResponse.Unauthorized, ErrorResponse.Unprocessable] }
) {}

export const SandboxApi = HighLevelApi.middleware(RequestErrors)

// HighLevel validates with class-validator and sends its messages.
const text = "must be a string"
const oneOf = (values: ReadonlyArray<string>) => `must be one of the following values: ${values.join(", ")}`
const expectation: Record<string, string> = {
  locationId: text,
  unreadCount: "must be a number conforming to the specified constraints",
  starred: "must be a boolean value",
  feedback: "must be an object",
  companyId: text,
  appId: text,
  skip: "must be a number string",
  limit: "must be a number string",
  isInstalled: "must be a boolean string",
  client_id: text,
  client_secret: text,
  clientId: text,
  clientSecret: text,
  grant_type: oneOf(AccessTokenRequest.fields.grant_type.literals),
  grantType: oneOf(AccessTokenRequest.fields.grant_type.literals),
  user_type: oneOf(UserType.literals),
  userType: oneOf(UserType.literals)
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

const isVersion = Schema.is(ApiVersion)
const isForm = (headers: Headers.Headers) =>
  headers["content-type"]?.startsWith("application/x-www-form-urlencoded") === true

/** Checks the headers before everything else. HighLevel checks the version before the token. */
const headerError = (headers: Headers.Headers, endpoint: HttpApiEndpoint.Top) => {
  const { version } = headers
  if (endpoint.headers !== undefined && version === undefined) return unauthorized("version header was not found.")
  if (endpoint.headers !== undefined && !isVersion(version)) {
    return badRequest(`Invalid API version segment '${version}' at position 0`)
  }
  // The token request as JSON is documented for v3 only.
  return endpoint.identifier === "token" && !isForm(headers) && version !== "v3"
    ? badRequest("Expected the content type application/x-www-form-urlencoded")
    : undefined
}

const inWords = ({ cause: { issue }, kind }: HttpApiError.HttpApiSchemaError) =>
  kind === "Payload" && issue._tag === "InvalidValue"
    ? badRequest("Unexpected token in JSON")
    : unprocessable(validationMessages(issue))

export const layer = Layer.succeed(RequestErrors, (httpEffect, { endpoint }) =>
  Effect.gen(function* () {
    const { headers } = yield* HttpServerRequest.HttpServerRequest
    const error = headerError(headers, endpoint)
    if (error !== undefined) return yield* Effect.fail(error)
    const response = yield* httpEffect
    return response.status === 415 ? yield* Effect.fail(badRequest("Unsupported content type")) : response
  }).pipe(Effect.mapError((error) => (HttpApiError.HttpApiSchemaError.is(error) ? inWords(error) : error)))
)
