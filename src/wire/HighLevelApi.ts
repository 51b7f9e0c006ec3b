/** The operations of this package as one `HttpApi`. */
import * as Schema from "effect/Schema"
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as HttpApiSecurity from "effect/http-api/HttpApiSecurity"
import * as OpenApi from "effect/http-api/OpenApi"
import * as ErrorResponse from "./ErrorResponse.ts"
import { getAccessToken } from "./getAccessToken.ts"
import { getConversation } from "./getConversation.ts"
import { getInstalledLocations } from "./getInstalledLocations.ts"
import { getLocationAccessToken } from "./getLocationAccessToken.ts"
import type { Declaration } from "./Operation.ts"
import { searchConversations } from "./searchConversations.ts"
import { updateConversation } from "./updateConversation.ts"

const bearer = (description: string) =>
  HttpApiSecurity.bearer.pipe(HttpApiSecurity.annotate(OpenApi.Description, description))

/** The `Authorization: Bearer …` header of a sub-account, and the documented 401. */
export class Authorization extends HttpApiMiddleware.Service<Authorization>()(
  "effect-highlevel/HighLevelApi/Authorization",
  {
    requiredForClient: true,
    security: {
      bearer: bearer(
        "The Access Token generated with user type as Sub-Account (OR) Private Integration Token of Sub-Account."
      )
    },
    error: ErrorResponse.Unauthorized
  }
) {}

/** The `Authorization: Bearer …` header of an agency, and the documented 401. */
export class AgencyAuthorization extends HttpApiMiddleware.Service<AgencyAuthorization>()(
  "effect-highlevel/HighLevelApi/AgencyAuthorization",
  {
    requiredForClient: true,
    security: { agency: bearer("Use the Access Token generated with user type as Agency.") },
    error: ErrorResponse.Unauthorized
  }
) {}

const documented = (operation: Declaration, summary: string) =>
  OpenApi.annotations({ identifier: operation.name, summary, externalDocs: { url: operation.documentation } })

const asForm = HttpApiSchema.asFormUrlEncoded()
// In `v3` the token endpoint also takes JSON in camel case.
const tokenJson = getAccessToken.payload.pipe(
  Schema.encodeKeys({
    client_id: "clientId",
    client_secret: "clientSecret",
    grant_type: "grantType",
    refresh_token: "refreshToken",
    user_type: "userType",
    redirect_uri: "redirectUri"
  })
)
const token = { ...getAccessToken, payload: [asForm(getAccessToken.payload), tokenJson] as const }
const locationToken = { ...getLocationAccessToken, payload: asForm(getLocationAccessToken.payload) }

/** The conversations of a location. */
export class Conversations extends HttpApiGroup.make("conversations")
  .add(
    HttpApiEndpoint.put("update", updateConversation.path, updateConversation).annotateMerge(
      documented(updateConversation, "Update Conversation")
    )
  )
  .add(
    HttpApiEndpoint.get("get", getConversation.path, getConversation).annotateMerge(
      documented(getConversation, "Get Conversation")
    )
  )
  .add(
    HttpApiEndpoint.get("search", searchConversations.path, searchConversations).annotateMerge(
      documented(searchConversations, "Search Conversations")
    )
  )
  .annotateEndpoints(HttpApi.PayloadParseOptions, { onExcessProperty: "error", errors: "all" })
  .middleware(Authorization)
  .annotateMerge(OpenApi.annotations({ title: "Conversations" })) {}

/** HighLevel's OAuth server. */
export class OAuth extends HttpApiGroup.make("oauth")
  .add(
    HttpApiEndpoint.post("token", getAccessToken.path, token).annotateMerge(
      documented(getAccessToken, "Get Access Token")
    )
  )
  .add(
    HttpApiEndpoint.post("locationToken", getLocationAccessToken.path, locationToken)
      .middleware(AgencyAuthorization)
      .annotateMerge(documented(getLocationAccessToken, "Get Location Access Token from Agency Token"))
  )
  .add(
    HttpApiEndpoint.get("installedLocations", getInstalledLocations.path, getInstalledLocations)
      .middleware(AgencyAuthorization)
      .annotateMerge(documented(getInstalledLocations, "Get Location where app is installed"))
  )
  .annotateEndpoints(HttpApi.PayloadParseOptions, { onExcessProperty: "error", errors: "all" })
  .annotateEndpoints(HttpApi.QueryParseOptions, { errors: "all" })
  .annotateMerge(OpenApi.annotations({ title: "OAuth 2.0" })) {}

/**
 * HighLevel's API as an `HttpApi`. Derive an OpenAPI document, a server or another
 * client from it.
 *
 * **Example** (The OpenAPI document)
 *
 * ```ts
 * import { HighLevelApi } from "effect-highlevel"
 * import * as OpenApi from "effect/http-api/OpenApi"
 *
 * const document = OpenApi.fromApi(HighLevelApi.HighLevelApi)
 *
 * Object.keys(document.paths)[0] // => "/conversations/{conversationId}"
 * ```
 */
export class HighLevelApi extends HttpApi.make("highlevel")
  .add(Conversations)
  .add(OAuth)
  .annotateMerge(
    OpenApi.annotations({ title: "HighLevel", servers: [{ url: "https://services.leadconnectorhq.com" }] })
  ) {}
