/** A request as the gate compares it: its form, without what names one conversation, account or grant. */
import * as Option from "effect/Option"
import * as HttpClientRequest from "effect/http/HttpClientRequest"

export interface RecordedRequest {
  readonly method: string
  readonly path: string
  readonly query: Readonly<Record<string, string>>
  /** Only those of a contract: others are free. */
  readonly headers: Readonly<Record<string, string>>
  /** The fields of JSON or of a form; any other body as text. */
  readonly body?: unknown
}

/** What the gate reads in the files of a run: a request when it is first sent, its number each time, its responses. */
export type Entry =
  | number
  | { readonly id: number; readonly by: string; readonly request: RecordedRequest }
  | { readonly id: number; readonly response: RecordedResponse }

export interface RecordedResponse {
  readonly status: number
  /** The fields of a response other than 2xx. */
  readonly fields?: Readonly<Record<string, unknown>> | undefined
}

/** In place of a value that only names something: with any other, it is the same request. */
export const name = "{name}"

/** In place of feedback that is an object: the documentation does not say which fields it has. */
export const object = "{object}"

const headerNames = ["accept", "authorization", "content-type", "version"]

const names = new Set(
  // Of a page, startAfterDate is where the one before ended.
  "locationId companyId appId client_id client_secret code refresh_token redirect_uri startAfterDate".split(" ")
)

export const pathOf = (path: string) => path.replace(/^\/conversations\/(?!search$)[^/]+$/, `/conversations/${name}`)

export const authorizationOf = (value: string) => value.replace(/^Bearer \S+$/, `Bearer ${name}`)

export const isFields = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const nameless = (field: string, text: string) => (text !== "" && names.has(field) ? name : text)

/** A query, or a form. */
const texts = (params: URLSearchParams): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Array.from(params.keys(), (field) => [
      field,
      params
        .getAll(field)
        .map((text) => nameless(field, text))
        .join("&")
    ])
  )

/** The fields of JSON. Any count other than 0 and 1 is 5, as in the contract. */
const values = (fields: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    Object.entries(fields).map(([field, value]) => {
      if (typeof value === "string") return [field, nameless(field, value)]
      if (field === "feedback" && isFields(value)) return [field, object]
      return [field, field === "unreadCount" && Number.isSafeInteger(value) && Number(value) > 1 ? 5 : value]
    })
  )

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

const bodyOf = ({ body }: HttpClientRequest.HttpClientRequest) => {
  if (body._tag === "Empty") return undefined
  if (body._tag !== "Uint8Array") return `a body of the kind ${body._tag}`
  const text = new TextDecoder().decode(body.body)
  if (body.contentType === "application/x-www-form-urlencoded") return texts(new URLSearchParams(text))
  const value = body.contentType === "application/json" ? parsed(text) : text
  return isFields(value) ? values(value) : value
}

export const of = (request: HttpClientRequest.HttpClientRequest): RecordedRequest => {
  const url = Option.getOrElse(HttpClientRequest.toUrl(request), () => new URL("http://unreadable"))
  const headers: Record<string, string> = {}
  for (const header of headerNames) {
    const value = request.headers[header]
    if (value !== undefined) headers[header] = header === "authorization" ? authorizationOf(value) : value
  }
  return {
    method: request.method,
    path: pathOf(url.pathname),
    query: texts(url.searchParams),
    headers,
    body: bodyOf(request)
  }
}

export const responseOf = (status: number, body: string): RecordedResponse => {
  if (status < 300 || body.length > 2000) return { status }
  const fields = parsed(body)
  return { status, ...(isFields(fields) ? { fields } : {}) }
}
