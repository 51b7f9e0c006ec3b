/** The requests to HighLevel's OAuth server, and what its answers mean. */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { flow, identity } from "effect/Function"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as HttpApiClient from "effect/http-api/HttpApiClient"
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import { AccessTokenError } from "../AccessToken.ts"
import { AgencyAuthorization, OAuthApi, TokenAnswer, type UserType } from "../OAuthApi.ts"
import * as Redaction from "./redaction.ts"
import * as SafeCause from "./safeCause.ts"
import * as Said from "./said.ts"
import * as Transport from "./transport.ts"

/** The bearer token of the request that is being sent. */
const BearerToken = Context.Reference<Redacted.Redacted>("effect-highlevel/internal/oauthEndpoint/BearerToken", {
  defaultValue: () => Redacted.make("")
})

/** What HighLevel granted. */
export interface Grant {
  readonly accessToken: Redacted.Redacted
  readonly refreshToken?: Redacted.Redacted | undefined
  /** How long the access token lives, in seconds. */
  readonly expiresIn?: number | undefined
  readonly scope?: string | undefined
  readonly userType?: string | undefined
  readonly locationId?: string | undefined
  readonly companyId?: string | undefined
  readonly userId?: string | undefined
}

const decodeAnswer = Schema.decodeEffect(Schema.fromJsonString(TokenAnswer))

const grantOf = (answer: typeof TokenAnswer.Type): Grant | undefined => {
  const accessToken = answer.access_token ?? answer.accessToken
  if (accessToken == null || Redacted.value(accessToken) === "") return undefined
  const refreshToken = answer.refresh_token ?? answer.refreshToken ?? undefined
  // An empty id is none.
  return {
    accessToken,
    refreshToken: refreshToken === undefined || Redacted.value(refreshToken) === "" ? undefined : refreshToken,
    expiresIn: answer.expires_in ?? answer.expiresIn ?? undefined,
    scope: answer.scope || undefined,
    userType: answer.userType || undefined,
    locationId: answer.locationId || undefined,
    companyId: answer.companyId || undefined,
    userId: answer.userId || undefined
  }
}

// In the words of RFC 6749, or in those of a message.
const isInvalidGrant = ({ error, messages }: Said.Said) =>
  error === "invalid_grant" || messages.some((message) => /invalid[_ ]grant|refresh token is invalid/i.test(message))

const isTransient = (status: number) => status === 408 || status === 429 || status >= 500

const reasonOf = (status: number, said: Said.Said): AccessTokenError["reason"] =>
  isInvalidGrant(said) ? "ReconnectRequired" : isTransient(status) ? "Unreachable" : "Refused"

/** Whether the bearer of `/oauth/locationToken` was refused as invalid, which another one may cure. */
export const isInvalidToken = ({ messages, status }: AccessTokenError) =>
  status === 401 && Said.unauthorizedReason(messages) === "InvalidToken"

const unreachable = (messages: ReadonlyArray<string>, cause?: unknown) =>
  new AccessTokenError({ reason: "Unreachable", messages, cause })

/**
 * Reads one answer. Its body is never kept: what cannot be read may hold a token.
 */
const read = Effect.fnUntraced(function* (
  response: HttpClientResponse.HttpClientResponse,
  redact: Redaction.Redaction
): Effect.fn.Return<Grant, AccessTokenError> {
  const { status } = response
  const body = yield* Effect.mapError(response.text, (error) =>
    unreachable([`the answer broke off after status ${status}`], Transport.causeOf(error, redact))
  )
  if (status >= 200 && status < 300) {
    const answer = yield* Effect.option(decodeAnswer(body))
    const grant = answer._tag === "Some" ? grantOf(answer.value) : undefined
    // A repetition within the grace brings the same tokens again.
    return grant ?? (yield* unreachable([`the answer with status ${status} holds no access token`]))
  }
  const said = Said.read(body)
  return yield* new AccessTokenError({
    reason: reasonOf(status, said),
    status,
    error: said.error === undefined ? undefined : redact(said.error),
    messages: said.messages.map(redact),
    traceId: typeof said.traceId === "string" ? redact(said.traceId) : undefined
  })
})

export type OAuthEndpoint = Effect.Success<ReturnType<typeof make>>

export const make = Effect.fnUntraced(function* (options: {
  readonly httpClient: HttpClient.HttpClient
  readonly baseUrl: string
  readonly clientId: string
  readonly clientSecret: Redacted.Redacted
  readonly attemptTimeout: Duration.Duration
}) {
  const { attemptTimeout, clientId, clientSecret } = options
  const client = yield* HttpApiClient.makeWith(OAuthApi, {
    httpClient: HttpClient.mapRequestInput(
      options.httpClient,
      flow(
        HttpClientRequest.prependUrl(options.baseUrl),
        HttpClientRequest.acceptJson,
        HttpClientRequest.setHeaders(Transport.userAgent)
      )
    )
  }).pipe(
    Effect.provide(
      HttpApiMiddleware.layerClient(AgencyAuthorization, ({ next, request }) =>
        Effect.flatMap(BearerToken, (token) => next(HttpClientRequest.bearerToken(request, token)))
      )
    )
  )

  /** One request, once, in its time, without its secrets in what it fails with. */
  const once = <E>(
    request: Effect.Effect<HttpClientResponse.HttpClientResponse, E>,
    secret: Redacted.Redacted,
    token?: Redacted.Redacted
  ): Effect.Effect<Grant, AccessTokenError> => {
    const redact = Redaction.make(clientSecret, secret)
    return request.pipe(
      SafeCause.failingDefects,
      Effect.mapError((error) => unreachable([], Transport.causeOf(error, redact))),
      Effect.flatMap((response) => read(response, redact)),
      Effect.timeoutOrElse({
        duration: attemptTimeout,
        orElse: () => Effect.fail(unreachable([`no answer within ${Duration.toMillis(attemptTimeout)} ms`]))
      }),
      token === undefined ? identity : Effect.provideService(BearerToken, token),
      Effect.updateContext(Transport.context({ tracePropagation: false }))
    )
  }

  const form = { client_id: clientId, client_secret: clientSecret }
  return {
    refresh: (refreshToken: Redacted.Redacted, userType: UserType) =>
      once(
        client.oauth.token({
          payload: { ...form, grant_type: "refresh_token", refresh_token: refreshToken, user_type: userType },
          responseMode: "response-only"
        }),
        refreshToken
      ),
    exchange: (code: Redacted.Redacted, redirectUri: string, userType: UserType) =>
      once(
        client.oauth.token({
          payload: { ...form, grant_type: "authorization_code", code, redirect_uri: redirectUri, user_type: userType },
          responseMode: "response-only"
        }),
        code
      ),
    locationToken: (companyId: string, locationId: string, companyToken: Redacted.Redacted) =>
      once(
        client.oauth.locationToken({
          headers: { version: "2021-07-28" },
          payload: { companyId, locationId },
          responseMode: "response-only"
        }),
        companyToken,
        companyToken
      )
  }
})
