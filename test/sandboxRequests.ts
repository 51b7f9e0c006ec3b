/** Requests to the sandbox's OAuth server, as a client of any language sends them. */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import { ids } from "./harness.ts"

export interface Request {
  readonly path: string
  readonly form?: Readonly<Record<string, string>>
  readonly json?: unknown
  readonly text?: string
  readonly version?: string
  readonly token?: Redacted.Redacted | string
  readonly method?: "GET" | "POST" | "PUT"
}

/** What a client of any language might send. */
export const send = Effect.fnUntraced(function* ({ form, json, method, path, text, token, version }: Request) {
  const client = yield* HttpClient.HttpClient
  const hasBody = form !== undefined || json !== undefined || text !== undefined
  const request = HttpClientRequest.make(method ?? (hasBody ? "POST" : "GET"))(`https://sandbox.example${path}`).pipe(
    HttpClientRequest.setHeaders({
      ...(version === undefined ? {} : { version }),
      ...(token === undefined
        ? {}
        : { authorization: `Bearer ${Redacted.isRedacted(token) ? Redacted.value(token) : token}` })
    }),
    form !== undefined
      ? HttpClientRequest.bodyUrlParams(form)
      : json !== undefined
        ? HttpClientRequest.bodyJsonUnsafe(json)
        : text === undefined
          ? (request) => request
          : HttpClientRequest.bodyText(text, "application/json")
  )
  const { headers, status, text: body } = yield* client.execute(request)
  return { status, headers, body: yield* body }
})

export const sendJson = (request: Request) =>
  Effect.map(
    send(request),
    ({ body, status }): { readonly status: number; readonly body: Record<string, unknown> } => ({
      status,
      body: JSON.parse(body)
    })
  )

export const app = { client_id: "sandbox-app", client_secret: "sandbox-secret" }
export const codeGrant = (code: string, more: Record<string, string> = {}) => ({
  path: "/oauth/token",
  form: { ...app, grant_type: "authorization_code", code, ...more }
})
export const refreshGrant = (token: unknown) => ({
  path: "/oauth/token",
  form: { ...app, grant_type: "refresh_token", refresh_token: String(token) }
})

export const redirectUri = "https://app.example/callback"
export const pageUrl = (query: Record<string, string> = {}) =>
  `https://marketplace.gohighlevel.com/v2/oauth/chooselocation?${new URLSearchParams({
    client_id: "sandbox-app",
    version_id: "sandbox",
    redirect_uri: redirectUri,
    scope: "conversations.write",
    ...query
  })}`

export const locationToken = (
  token: Request["token"],
  locationId: string,
  companyId = "agency",
  version = "2021-07-28"
) =>
  sendJson({
    path: "/oauth/locationToken",
    form: { companyId, locationId },
    version,
    ...(token === undefined ? {} : { token })
  })

export const installed = (token: Redacted.Redacted, query: Record<string, string> = {}) =>
  sendJson({
    path: `/oauth/installedLocations?${new URLSearchParams({ companyId: "agency", appId: "sandbox", ...query })}`,
    version: "2021-07-28",
    token
  })

export const namesIn = (body: Record<string, unknown>) =>
  Array.isArray(body["locations"])
    ? body["locations"].map(({ _id, isInstalled }) => `${_id} ${isInstalled ? "installed" : "not installed"}`)
    : undefined

export const update = (token: Request["token"], locationId = ids.locationId) =>
  sendJson({
    method: "PUT",
    path: `/conversations/${ids.conversationId}`,
    version: "2021-07-28",
    json: { locationId, starred: true },
    ...(token === undefined ? {} : { token })
  })

export const badRequest = (message: string) => ({ statusCode: 400, message, error: "Bad Request" })
export const unauthorized = (message: string) => ({ statusCode: 401, message, error: "Unauthorized" })
export const unprocessable = (...message: ReadonlyArray<string>) => ({
  statusCode: 422,
  message,
  error: "Unprocessable Entity"
})
