/** Sends requests to HighLevel's OAuth server and interprets the responses. */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type * as HttpClient from "effect/http/HttpClient"
import { AccessTokenError } from "../client/AccessToken.ts"
import * as ErrorBody from "../client/errorBody.ts"
import { isTransientStatus } from "../client/errorFields.ts"
import * as Exchange from "../client/exchange.ts"
import * as Redaction from "../client/redaction.ts"
import * as Request from "../client/request.ts"
import * as Transport from "../client/transport.ts"
import {
  type AccessTokenRequest,
  type AccessTokenResponse,
  getAccessToken,
  type UserType
} from "../wire/getAccessToken.ts"
import { getInstalledLocations } from "../wire/getInstalledLocations.ts"
import { getLocationAccessToken } from "../wire/getLocationAccessToken.ts"
import type { ApiVersion, Operation } from "../wire/Operation.ts"

/** A grant of HighLevel. */
export interface Grant {
  readonly accessToken: Redacted.Redacted
  readonly refreshToken?: Redacted.Redacted | undefined
  /** The lifetime of the access token, in seconds. */
  readonly expiresIn?: number | undefined
  readonly scope?: string | undefined
  readonly userType?: string | undefined
  readonly locationId?: string | undefined
  readonly companyId?: string | undefined
  readonly userId?: string | undefined
}

type Response = typeof AccessTokenResponse.Type

const grantOf = (response: Response): Grant | undefined => {
  const accessToken = response.access_token ?? response.accessToken
  if (accessToken == null || Redacted.value(accessToken) === "") return undefined
  const refreshToken = response.refresh_token ?? response.refreshToken ?? undefined
  // An empty id counts as missing.
  return {
    accessToken,
    refreshToken: refreshToken === undefined || Redacted.value(refreshToken) === "" ? undefined : refreshToken,
    expiresIn: response.expires_in ?? response.expiresIn ?? undefined,
    scope: response.scope || undefined,
    userType: response.userType || undefined,
    locationId: response.locationId || undefined,
    companyId: response.companyId || undefined,
    userId: response.userId || undefined
  }
}

// As a code of RFC 6749, or in a message.
const isInvalidGrant = ({ error, messages }: ErrorBody.ErrorBody) =>
  error === "invalid_grant" || messages.some((message) => /invalid[_ ]grant|refresh token is invalid/i.test(message))

const reasonOf = (status: number, errorBody: ErrorBody.ErrorBody): AccessTokenError["reason"] =>
  isInvalidGrant(errorBody)
    ? "ReconnectRequired"
    : isTransientStatus(status) || ErrorBody.reasonOf(status, errorBody) === "GatewayTimeout"
      ? "Unreachable"
      : "Refused"

/** Whether the bearer token of `/oauth/locationToken` was rejected as invalid, so that another may be accepted. */
export const isInvalidToken = ({ messages, status }: AccessTokenError) =>
  status === 401 && ErrorBody.reasonOf(status, { messages }) === "InvalidToken"

const unreachable = (messages: ReadonlyArray<string>, cause?: unknown) =>
  new AccessTokenError({ reason: "Unreachable", messages, cause })

/** Interprets one response. Its body is never kept, since it may contain a token. */
const read = <Output, A>(
  { body, status }: Exchange.Received,
  decode: Operation<never, Output>["decode"],
  pick: (output: Output) => A | undefined,
  redact: Redaction.Redaction
): Result.Result<A, AccessTokenError> => {
  if (status >= 200 && status < 300) {
    const output = Result.flatMap(
      Result.try((): unknown => JSON.parse(body)),
      decode
    )
    const picked = Result.isSuccess(output) ? pick(output.success) : undefined
    // A retry within the grace period returns the same tokens.
    return picked === undefined
      ? Result.fail(unreachable([`the response with status ${status} does not hold what it should`]))
      : Result.succeed(picked)
  }
  const errorBody = ErrorBody.parse(body, redact)
  return Result.fail(new AccessTokenError({ reason: reasonOf(status, errorBody), status, ...errorBody }))
}

export type TokenEndpoint = ReturnType<typeof make>

export const make = (options: {
  readonly httpClient: HttpClient.HttpClient
  readonly baseUrl: string
  readonly clientId: string
  readonly clientSecret: Redacted.Redacted
  readonly version: ApiVersion
  readonly attemptMillis: number
}) => {
  const { attemptMillis, baseUrl, clientId, clientSecret, httpClient, version } = options
  const maxResponseBytes = Transport.MaxResponseBytes.defaultValue()
  const exchange = Exchange.make(httpClient, maxResponseBytes)
  const contextOf = Transport.context(false, maxResponseBytes)

  /** Sends one request, once, with a timeout and without its secrets in errors. */
  const once = <I extends object, Output, A>(
    operation: Operation<I, Output>,
    input: I,
    pick: (output: Output) => A | undefined,
    secret: Redacted.Redacted,
    token?: Redacted.Redacted
  ): Effect.Effect<A, AccessTokenError> => {
    const redact = Redaction.make(clientSecret, secret)
    const request = Request.make(baseUrl, operation, input, version)
    if (Result.isFailure(request)) return Effect.fail(unreachable([request.failure.message]))
    return exchange(request.success(token)).pipe(
      Effect.updateContext(contextOf),
      Effect.catchDefect((unsafeCause) => Effect.fail({ status: undefined, unsafeCause })),
      Effect.mapError(({ status, unsafeCause }) =>
        unreachable(
          status === undefined ? [] : [`the response was cut off after status ${status}`],
          Transport.causeOf(unsafeCause, redact)
        )
      ),
      Effect.flatMap((received) => Effect.fromResult(read(received, operation.decode, pick, redact))),
      Effect.timeoutOrElse({
        duration: attemptMillis,
        orElse: () => Effect.fail(unreachable([`no response within ${attemptMillis} ms`]))
      })
    )
  }

  const form = (
    grant: Omit<typeof AccessTokenRequest.Type, "client_id" | "client_secret">
  ): typeof AccessTokenRequest.Type => ({ client_id: clientId, client_secret: clientSecret, ...grant })
  return {
    refresh: (refreshToken: Redacted.Redacted, userType: UserType) =>
      once(
        getAccessToken,
        form({ grant_type: "refresh_token", refresh_token: refreshToken, user_type: userType }),
        grantOf,
        refreshToken
      ),
    exchangeCode: (code: Redacted.Redacted, redirectUri: string | undefined, userType: UserType) =>
      once(
        getAccessToken,
        form({
          grant_type: "authorization_code",
          code,
          user_type: userType,
          ...(redirectUri === undefined ? {} : { redirect_uri: redirectUri })
        }),
        grantOf,
        code
      ),
    locationToken: (companyId: string, locationId: string, companyToken: Redacted.Redacted) =>
      once(getLocationAccessToken, { companyId, locationId }, grantOf, companyToken, companyToken),
    installedLocations: (
      query: { readonly companyId: string; readonly appId: string; readonly skip: number },
      companyToken: Redacted.Redacted
    ) =>
      once(
        getInstalledLocations,
        { ...query, limit: 100, isInstalled: true },
        ({ locations }) => locations ?? undefined,
        companyToken,
        companyToken
      )
  }
}
