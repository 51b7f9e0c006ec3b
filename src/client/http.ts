/** An `HttpClient` for endpoints that this package does not cover. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import type { Call, CallError, Meaning } from "./attempt.ts"
import * as ErrorBody from "./errorBody.ts"
import { isTransientStatus } from "./errorFields.ts"
import type { Received } from "./exchange.ts"
import type { Settings } from "./execute.ts"
import * as Redaction from "./redaction.ts"
import * as Retry from "./retry.ts"
import * as Transport from "./transport.ts"

/**
 * The errors of a request through `http`: those of the HTTP client, of the token, of
 * the rate limit and of the timeout.
 */
export type HttpError = HttpClientError.HttpClientError | CallError

/** Options of `http`. */
export interface HttpOptions {
  /**
   * Whether to retry requests of every method after a lost response. A `POST` may then
   * be applied twice.
   *
   * @default false
   */
  readonly retryAll?: boolean | undefined
}

const name = "HighLevelClient.http"
const reads = new Set(["GET", "HEAD", "OPTIONS"])
const idempotent = new Set([...reads, "PUT", "DELETE"])

const failed = (reason: HttpClientError.HttpClientError["reason"]) => new HttpClientError.HttpClientError({ reason })

/** The request with its full URL, or undefined if it would send the token to another server. */
const prepared = (request: HttpClientRequest.HttpClientRequest, { baseUrl, version }: Settings) => {
  const isPath = request.url.startsWith("/") && !request.url.startsWith("//")
  if (!isPath && !request.url.startsWith(`${baseUrl}/`)) return undefined
  return HttpClientRequest.setHeaders(isPath ? HttpClientRequest.setUrl(request, baseUrl + request.url) : request, {
    accept: "application/json",
    version,
    ...Transport.userAgent,
    ...request.headers
  })
}

const nextOf = (status: number, body: string): Meaning<never, never>["next"] => {
  if (status !== 401 && !isTransientStatus(status)) return "end"
  const reason = ErrorBody.reasonOf(status, ErrorBody.parse(body))
  if (status === 401) return reason === "InvalidToken" ? "renew token" : reason === "GatewayTimeout" ? "retry" : "end"
  return reason === "NotFound" ? "end" : "retry"
}

// These statuses cannot have a body.
const isBodiless = (status: number) => [101, 103, 204, 205, 304].includes(status)

export const make = (settings: Settings) => {
  const { policies, retry, timeoutMillis } = settings

  return (locationId: string, options: HttpOptions = {}): HttpClient.HttpClient.With<HttpError> =>
    HttpClient.makeWith<HttpError, never, HttpError, never>(
      (requested) =>
        Effect.flatMap(requested, (request): Effect.Effect<HttpClientResponse.HttpClientResponse, HttpError> => {
          const withoutToken = prepared(request, settings)
          if (withoutToken === undefined) {
            const cause = new Error(`expected a path, such as /contacts/, or a URL of ${settings.baseUrl}`)
            return Effect.fail(failed(new HttpClientError.InvalidUrlError({ request, cause })))
          }

          // Copied, since the original response holds the token.
          const responseOf = ({ body, headers, isComplete, status }: Received) =>
            Result.flatMap(
              Result.try({
                try: () => new Response(isBodiless(status) ? null : body, { status, headers: { ...headers } }),
                catch: (cause) => failed(new HttpClientError.TransportError({ request, cause }))
              }),
              (web) => {
                const response = HttpClientResponse.fromWeb(request, web)
                const description = "The body is larger than maxResponseBytes"
                return isComplete
                  ? Result.succeed(response)
                  : Result.fail(failed(new HttpClientError.DecodeError({ request, response, description })))
              }
            )
          const call: Call<HttpClientResponse.HttpClientResponse, HttpError> = {
            subject: { operation: name, locationId, attempts: 0, applied: "no" },
            isIdempotent: options.retryAll === true || idempotent.has(request.method),
            isWrite: !reads.has(request.method),
            timeoutMillis,
            finishInFlight: false,
            request: (token) => HttpClientRequest.bearerToken(withoutToken, token),
            read: (received) => ({ result: responseOf(received), next: nextOf(received.status, received.body) }),
            broken: ({ unsafeCause }, _, token) =>
              failed(
                new HttpClientError.TransportError({
                  request,
                  cause: Transport.causeOf(unsafeCause, Redaction.make(token))
                })
              )
          }
          return Effect.withFiber(({ context }) =>
            Effect.map(Retry.run(context, policies, retry, call), ({ output }) => output)
          )
        }),
      Effect.succeed
    )
}
