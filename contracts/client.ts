/** The real client, called as an interaction says, and what it made of the response as JSON. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import {
  Conversations,
  GetConversation,
  HighLevelClient,
  OAuth,
  Operation,
  SearchConversations,
  TokenStore,
  UpdateConversation
} from "effect-highlevel"
import { Sandbox } from "effect-highlevel/testing"
import type { Json } from "./documented/documentation.ts"
import { defaultToken, type Interaction, requestOf } from "./interaction.ts"

export type Transform = (client: HttpClient.HttpClient) => HttpClient.HttpClient

const isVersion = Schema.is(Operation.ApiVersion)

const layerClient = (interaction: Interaction, baseUrl: string, transform: Transform) => {
  const { version } = interaction
  return HighLevelClient.layer({
    token: Redacted.make(interaction.token ?? defaultToken),
    baseUrl,
    retry: false,
    ...(isVersion(version) ? { version } : {}),
    transformClient: (client) =>
      transform(
        interaction.isUnknownVersion === true && version !== undefined
          ? HttpClient.mapRequest(client, HttpClientRequest.setHeader("version", version))
          : client
      )
  }).pipe(Layer.provide(FetchHttpClient.layer))
}

const conversationOperations = {
  update: [UpdateConversation.updateConversation, Conversations.update],
  get: [GetConversation.getConversation, Conversations.get],
  search: [SearchConversations.searchConversations, Conversations.searchPage]
} as const

/** What was read, as it would be sent: fields that the client drops or changes show. */
const callConversations = (interaction: Interaction, baseUrl: string, transform: Transform) => {
  const call = <I extends object, O>(
    { input, success }: Operation.Operation<I, O>,
    send: (input: I) => Effect.Effect<O, unknown, HighLevelClient.HighLevelClient>
  ) => {
    const given = Schema.decodeUnknownSync(input as Schema.Codec<I, unknown>)(interaction.input)
    return Effect.map(send(given), (output) => ({
      read: output,
      written: Schema.encodeUnknownSync(success as Schema.Codec<O, unknown>)(output)
    }))
  }
  const called: Effect.Effect<{ read: unknown; written: unknown }, unknown, HighLevelClient.HighLevelClient> =
    interaction.operation === "update"
      ? call(...conversationOperations.update)
      : interaction.operation === "get"
        ? call(...conversationOperations.get)
        : call(...conversationOperations.search)
  return called.pipe(Effect.provide(layerClient(interaction, baseUrl, transform)))
}

/** What comes before the interaction: the agency's token, and the pages before that of the interaction. */
const withAgency = ({ input, token = defaultToken }: Interaction) =>
  Layer.effect(
    HttpClient.HttpClient,
    Effect.map(HttpClient.HttpClient, (client) =>
      HttpClient.make((request) => {
        const skip = Number([...request.urlParams].find(([name]) => name === "skip")?.[1])
        const before = request.url.endsWith("/oauth/token")
          ? { access_token: token, expires_in: 86_399, userType: "Company", companyId: input["companyId"] }
          : skip < Number(input["skip"] ?? 0)
            ? { locations: [{ _id: "before" }] }
            : undefined
        return before === undefined
          ? client.execute(request)
          : Effect.succeed(HttpClientResponse.fromWeb(request, Response.json(before)))
      })
    )
  ).pipe(Layer.provide(FetchHttpClient.layer))

const callOAuth = (interaction: Interaction, baseUrl: string, transform: Transform) => {
  const { input, operation } = interaction
  return Effect.gen(function* () {
    const text = (name: string) => String(input[name])
    const oauth = yield* OAuth.OAuth
    const redirectUri = text("redirect_uri")
    const companyId = text("companyId")
    if (operation === "token" && input["grant_type"] === "authorization_code") {
      const { state } = yield* oauth.authorizationUrl({ redirectUri })
      const connected = yield* oauth.exchangeCode(
        { code: text("code"), state: Redacted.value(state) },
        { state, redirectUri, userType: "Location" }
      )
      const access = connected.userType === "Location" ? yield* oauth.token(connected) : undefined
      return { ...connected, accessToken: access === undefined ? null : Redacted.value(access) }
    }
    if (operation === "token") {
      const account = input["user_type"] === "Company" ? { companyId } : { locationId: text("locationId") }
      yield* oauth.importRefreshToken(account, Redacted.make(text("refresh_token")))
      return { accessToken: Redacted.value(yield* oauth.token(account)) }
    }
    yield* oauth.importRefreshToken({ companyId }, Redacted.make("agency-refresh-token"))
    if (operation === "installedLocations") {
      const before = Number(input["skip"])
      const locations = oauth
        .installedLocations({ companyId })
        .pipe(Stream.drop(before), Stream.take(before === 0 ? 1 : 2))
      return { locations: yield* Stream.runCollect(locations) }
    }
    yield* oauth.addLocation({ companyId, locationId: text("locationId") })
    return { accessToken: Redacted.value(yield* oauth.token({ locationId: text("locationId") })) }
  }).pipe(
    Effect.map((read) => ({ read, written: undefined })),
    Effect.provide(
      OAuth.layer({
        ...Sandbox.defaultApp,
        ...(typeof input["client_secret"] === "string" ? { clientSecret: Redacted.make(input["client_secret"]) } : {}),
        baseUrl,
        // A refresh that fails is repeated for as long as that.
        maxWait: "1 second",
        transformClient: transform
      }).pipe(
        Layer.provide([TokenStore.layerMemory, operation === "token" ? FetchHttpClient.layer : withAgency(interaction)])
      )
    )
  )
}

export interface Outcome {
  /** The fields of the value or of the error. */
  readonly read: Json
  /** A value of a conversation's operation, encoded again. */
  readonly written?: unknown
}

// Dates become ISO strings; an error is its fields.
const jsonOf = (value: unknown): Json =>
  JSON.parse(
    JSON.stringify(Predicate.isError(value) ? { _tag: Reflect.get(value, "_tag"), ...value } : value) ?? "null"
  )

export const call = (
  interaction: Interaction,
  baseUrl: string,
  transform: Transform = (client) => client
): Promise<Outcome> => {
  const isOAuth = ["token", "locationToken", "installedLocations"].includes(interaction.operation)
  const called: Effect.Effect<{ readonly read: unknown; readonly written: unknown }, unknown> = isOAuth
    ? callOAuth(interaction, baseUrl, transform)
    : callConversations(interaction, baseUrl, transform)
  return Effect.runPromise(
    Effect.map(Effect.result(called), (result) =>
      Result.isSuccess(result)
        ? { read: jsonOf(result.success.read), written: result.success.written }
        : { read: jsonOf(result.failure) }
    )
  )
}

/** Changes the exchange of the interaction's own request, and no other. */
export const exchanging =
  (
    interaction: Interaction,
    exchange: (
      request: HttpClientRequest.HttpClientRequest,
      client: HttpClient.HttpClient
    ) => ReturnType<HttpClient.HttpClient["execute"]>
  ): Transform =>
  (client) =>
    HttpClient.make((request) =>
      new URL(request.url).pathname === requestOf(interaction).path
        ? exchange(request, client)
        : client.execute(request)
    )

/** What the client makes of a response, without a server. */
export const read = async (interaction: Interaction, response: Interaction["response"]): Promise<Json> => {
  const { contentType = "application/json", status } = interaction
  const text = typeof response === "string" ? response : JSON.stringify(response)
  const headers = { "content-type": contentType }
  const transform = exchanging(interaction, (request) =>
    Effect.succeed(HttpClientResponse.fromWeb(request, new Response(text, { status, headers })))
  )
  return (await call(interaction, "http://localhost", transform)).read
}
