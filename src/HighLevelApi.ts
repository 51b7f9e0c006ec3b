/**
 * The operation, declared once: `PUT /conversations/:conversationId`.
 *
 * The sandbox and the OpenAPI document are derived from this value, and the client
 * from what it is made of; nothing about the wire is written a second time.
 *
 * @see {@link https://marketplace.gohighlevel.com/docs/ghl/conversations/update-conversation | Update Conversation}
 *
 * @since 0.1.0
 */
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import * as HttpApiSecurity from "effect/http-api/HttpApiSecurity"
import * as OpenApi from "effect/http-api/OpenApi"
import * as ErrorBody from "./ErrorBody.ts"
import * as Operation from "./internal/operation.ts"

export { ApiVersion } from "./internal/operation.ts"

/**
 * The `Authorization: Bearer …` header and the documented 401.
 *
 * @category middleware
 * @since 0.1.0
 */
export class Authorization extends HttpApiMiddleware.Service<Authorization>()(
  "effect-highlevel/HighLevelApi/Authorization",
  {
    requiredForClient: true,
    security: {
      bearer: HttpApiSecurity.bearer.pipe(
        HttpApiSecurity.annotate(
          OpenApi.Description,
          "The Access Token generated with user type as Sub-Account (OR) Private Integration Token of Sub-Account."
        )
      )
    },
    error: ErrorBody.Unauthorized
  }
) {}

/**
 * `PUT /conversations/:conversationId`.
 *
 * @category endpoints
 * @since 0.1.0
 */
export const update = HttpApiEndpoint.make(Operation.method)("update", Operation.path, {
  params: Operation.params,
  headers: Operation.headers,
  payload: Operation.payload,
  success: Operation.success,
  error: [ErrorBody.BadRequest, ErrorBody.Unprocessable]
})
  .annotate(HttpApi.PayloadParseOptions, { onExcessProperty: "error", errors: "all" })
  .annotateMerge(
    OpenApi.annotations({
      identifier: "update-conversation",
      summary: "Update Conversation",
      description: "Update the conversation details based on the conversation ID"
    })
  )

/**
 * The conversations of a location.
 *
 * @category groups
 * @since 0.1.0
 */
export class Conversations extends HttpApiGroup.make("conversations")
  .add(update)
  .middleware(Authorization)
  .annotateMerge(OpenApi.annotations({ title: "Conversations" })) {}

/**
 * HighLevel's API, as far as this package knows it.
 *
 * **When to use**
 *
 * Use it to derive what the package does not ship: an OpenAPI document, a
 * server of your own, a client with other policies.
 *
 * **Example** (The OpenAPI document)
 *
 * ```ts
 * import { HighLevelApi } from "effect-highlevel"
 * import * as OpenApi from "effect/http-api/OpenApi"
 *
 * const document = OpenApi.fromApi(HighLevelApi.HighLevelApi)
 *
 * Object.keys(document.paths) // => ["/conversations/{conversationId}"]
 * ```
 *
 * @category api
 * @since 0.1.0
 */
export class HighLevelApi extends HttpApi.make("highlevel")
  .add(Conversations)
  .annotateMerge(
    OpenApi.annotations({
      title: "HighLevel: update a conversation",
      servers: [{ url: "https://services.leadconnectorhq.com" }]
    })
  ) {}
