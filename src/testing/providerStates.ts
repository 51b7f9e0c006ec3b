/**
 * Sets the provider states of the contract, for any Pact verifier:
 * `POST /_pact/provider-states` with `{ action, state, params }`.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { Conversation } from "../wire/Conversation.ts"
import { UserType } from "../wire/getAccessToken.ts"
import type * as Model from "./SandboxModel.ts"
import { State } from "./state.ts"

export const path = "/_pact/provider-states"

const Seed = Conversation.pipe(
  Schema.refine(
    (conversation): conversation is Conversation & Model.Seed =>
      typeof conversation.id === "string" && typeof conversation.locationId === "string",
    { expected: "a conversation with an id and a locationId" }
  )
)

const state = <const Name extends string, const Fields extends Schema.Struct.Fields>(name: Name, params: Fields) =>
  Schema.Struct({ state: Schema.Literal(name), params: Schema.Struct(params) })

const operations = ["update", "get", "search", "token", "locationToken", "installedLocations"] as const
const account = { companyId: Schema.String, locationId: Schema.String }

const Request = Schema.Union([
  // For interactions without a state.
  Schema.Struct({ state: Schema.Literal("") }),
  state("a conversation exists", { conversation: Seed }),
  state("the access token is invalid", { token: Schema.String }),
  state("the request is refused", {
    operation: Schema.Literals(operations),
    status: Schema.Int,
    conversationId: Schema.optionalKey(Schema.String),
    body: Schema.optionalKey(Schema.Json),
    contentType: Schema.optionalKey(Schema.String)
  }),
  state("the search finds nothing", {}),
  state("a customer has approved", { ...account, redirectUri: Schema.String }),
  state("a refresh token was issued", { ...account, userType: UserType }),
  state("an access token was issued", {
    locationId: Schema.String,
    userType: Schema.optionalKey(UserType),
    scopes: Schema.optionalKey(Schema.Array(Schema.String)),
    refusedWith: Schema.optionalKey(Schema.String)
  }),
  state("an agency has installed the app", {
    ...account,
    name: Schema.String,
    /** Whether to refuse its next request. */
    refused: Schema.optionalKey(Schema.Int)
  })
])

const Teardown = Schema.Struct({ action: Schema.Literal("teardown") })

const decode = Schema.decodeUnknownEffect(Schema.Union([Teardown, Request]))

/** Sets a state, and returns values that only the sandbox knows, such as an issued code. */
const setUp = Effect.fnUntraced(function* (request: typeof Request.Type) {
  const { sandbox } = yield* State
  switch (request.state) {
    case "":
      return {}
    case "a conversation exists":
      yield* sandbox.seed(request.params.conversation)
      return {}
    case "the access token is invalid":
      yield* sandbox.revoke(request.params.token)
      return {}
    case "the request is refused": {
      const { contentType, ...refusal } = request.params
      yield* sandbox.refuse({ ...refusal, ...(contentType && { headers: { "content-type": contentType } }) })
      return {}
    }
    case "the search finds nothing":
      yield* sandbox.refuse({ operation: "search", status: 200, body: { conversations: [], total: 0 } })
      return {}
    case "a customer has approved": {
      const { redirectUri, ...choice } = request.params
      const { code } = yield* sandbox.approve(
        `https://sandbox?${new URLSearchParams({ redirect_uri: redirectUri })}`,
        choice
      )
      return { code }
    }
    case "a refresh token was issued": {
      const { companyId, locationId, userType } = request.params
      if (userType === "Company")
        yield* sandbox.install({ companyId, locationIds: [locationId], toFutureLocations: true })
      const { refreshToken } = yield* sandbox.issue(request.params)
      return { refreshToken: Redacted.value(refreshToken) }
    }
    case "an access token was issued": {
      const { accessToken } = yield* sandbox.issue(request.params)
      return { accessToken: Redacted.value(accessToken) }
    }
    case "an agency has installed the app": {
      const { companyId, locationId, name, refused } = request.params
      yield* sandbox.install({ companyId, locationIds: [] })
      yield* sandbox.addLocation({ companyId, locationId, name })
      yield* sandbox.install({ companyId, locationIds: [locationId] })
      for (const operation of operations) {
        if (refused !== undefined) yield* sandbox.refuse({ operation, status: refused })
      }
      const { accessToken } = yield* sandbox.issue({ userType: "Company", companyId })
      return { agencyToken: Redacted.value(accessToken) }
    }
  }
})

// A verifier retries a 5xx for minutes and fails at once on a 4xx.
const unknownState = (error: { readonly message: string }) =>
  HttpServerResponse.text(`Not a provider state of this sandbox: ${error.message}`, { status: 400 })

/** Each state starts from a fresh sandbox. */
export const layer = HttpRouter.add(
  "POST",
  path,
  Effect.gen(function* () {
    const { sandbox } = yield* State
    const request = yield* HttpServerRequest.HttpServerRequest
    const input = yield* Effect.flatMap(request.json, decode)
    yield* sandbox.reset
    if (!("state" in input)) return HttpServerResponse.empty()
    return HttpServerResponse.jsonUnsafe(yield* setUp(input))
  }).pipe(
    Effect.catchTags({
      SchemaError: (error) => Effect.succeed(unknownState(error)),
      HttpServerError: (error) => Effect.succeed(unknownState(error))
    })
  )
)
