/**
 * The provider states of the contract, for any Pact verifier in any language:
 * `POST /_pact/provider-states` with `{ action, state, params }`.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { Conversation } from "../wire/Conversation.ts"
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

const Request = Schema.Union([
  Schema.Struct({
    state: Schema.Literal("a conversation exists"),
    params: Schema.Struct({ conversation: Seed })
  }),
  Schema.Struct({
    state: Schema.Literals(["the update is refused as a bad request", "the update fails validation"]),
    params: Schema.Struct({ conversationId: Schema.String })
  }),
  Schema.Struct({
    state: Schema.Literal("the access token is invalid"),
    params: Schema.Struct({ token: Schema.String })
  })
])

const Teardown = Schema.Struct({ action: Schema.Literal("teardown") })

const decode = Schema.decodeUnknownEffect(Schema.Union([Teardown, Request]))

const setUp = Effect.fnUntraced(function* (request: typeof Request.Type) {
  const { sandbox } = yield* State
  switch (request.state) {
    case "a conversation exists":
      return yield* sandbox.seed(request.params.conversation)
    case "the update is refused as a bad request":
      return yield* sandbox.refuse({ status: 400, conversationId: request.params.conversationId })
    case "the update fails validation":
      return yield* sandbox.refuse({ status: 422, conversationId: request.params.conversationId })
    case "the access token is invalid":
      return yield* sandbox.revoke(request.params.token)
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
    yield* setUp(input)
    return HttpServerResponse.jsonUnsafe({})
  }).pipe(
    Effect.catchTags({
      SchemaError: (error) => Effect.succeed(unknownState(error)),
      HttpServerError: (error) => Effect.succeed(unknownState(error))
    })
  )
)
