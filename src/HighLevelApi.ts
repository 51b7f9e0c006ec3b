/**
 * The operation, declared once: `PUT /conversations/:conversationId`.
 *
 * The client, the sandbox and the OpenAPI document are derived from this value;
 * nothing about the wire is written a second time.
 *
 * @see {@link https://marketplace.gohighlevel.com/docs/ghl/conversations/update-conversation | Update Conversation}
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import * as HttpApiSecurity from "effect/http-api/HttpApiSecurity"
import * as OpenApi from "effect/http-api/OpenApi"
import * as ConversationUpdate from "./ConversationUpdate.ts"
import * as ErrorBody from "./ErrorBody.ts"

/**
 * Values of the `Version` header. The documentation allows `2021-07-28`; the
 * servers accept all four.
 *
 * **Gotchas**
 *
 * There is no default in the schema, on purpose: HighLevel answers 401 without
 * the header, and so does the sandbox.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ApiVersion = Schema.Literals(["2021-07-28", "2021-04-15", "2023-02-21", "v3"]).annotate({
  description: "API Version"
})

/**
 * @category models
 * @since 0.1.0
 */
export type ApiVersion = typeof ApiVersion.Type

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
export const update = HttpApiEndpoint.put("update", "/conversations/:conversationId", {
  params: { conversationId: ConversationUpdate.ConversationId },
  headers: { version: ApiVersion },
  payload: ConversationUpdate.Changes,
  success: ConversationUpdate.Answer,
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
