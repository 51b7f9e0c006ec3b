/** From the input of an operation to its request: checked, strictly, before anything is sent. */
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Headers from "effect/http/Headers"
import * as HttpBody from "effect/http/HttpBody"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as UrlParams from "effect/http/UrlParams"
import * as Operation from "../wire/Operation.ts"
import { InvalidRequest } from "./HighLevelError.ts"
import * as Transport from "./transport.ts"

const textAt = (input: unknown, name: string) =>
  Predicate.hasProperty(input, name) && Predicate.isString(input[name]) ? { [name]: input[name] } : {}

/** The ids as given, valid or not, so that a log line can say which call it was. */
export const givenIds = (input: unknown): { readonly conversationId?: string; readonly locationId?: string } => ({
  ...textAt(input, "conversationId"),
  ...textAt(input, "locationId")
})

export const invalid = (operation: string, input: unknown, ...issues: InvalidRequest["issues"]) =>
  new InvalidRequest({ operation, ...givenIds(input), issues })

/** The field that holds a Date, a Map or the like, which JSON would silently change. */
const exoticIn = (input: unknown): string | undefined => {
  if (!Predicate.isObject(input)) return undefined
  const seen = new Set<unknown>()
  const pending = Object.entries(input)
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const [path, value] = next
    if (typeof value !== "object" || value === null || seen.has(value)) continue
    seen.add(value)
    if (!Array.isArray(value) && Object.prototype.toString.call(value) !== "[object Object]") return path
    for (const [name, inner] of Object.entries(value)) pending.push([`${path}.${name}`, inner])
  }
  return undefined
}

/** The input if it is valid, or the fields that are wrong with it. */
export const validate = <I extends object>(
  operation: Operation.Declaration & Pick<Operation.Compiled<I, unknown>, "validate">,
  input: unknown
): Result.Result<I, InvalidRequest> => {
  const exotic = exoticIn(input)
  if (exotic !== undefined) {
    return Result.fail(
      invalid(operation.name, input, { field: exotic, message: "Expected plain JSON, not a Date, a Map or the like" })
    )
  }
  return Result.mapError(operation.validate(input), (error) => {
    const [first = { field: "", message: "Expected an input" }, ...rest] = Operation.issuesOf(error)
    return invalid(operation.name, input, first, ...rest)
  })
}

const pickText = (fields: object, values: object): Record<string, string> =>
  Object.fromEntries(Object.entries(pick(fields, values)).map(([name, value]) => [name, String(value)]))

const pick = (fields: object | undefined, values: object) =>
  Object.fromEntries(Object.entries(values).filter(([name]) => fields !== undefined && Object.hasOwn(fields, name)))

/** The same, of a valid input. */
export const idsOf = (input: object): { readonly conversationId?: string; readonly locationId: string } => ({
  locationId: "",
  ...givenIds(input)
})

/** What an operation is sent with. */
type Sent<I extends object> = Operation.Declaration & Pick<Operation.Compiled<I, unknown>, "encode">

/** The request of an operation, without a token. */
export const make = <I extends object>(
  baseUrl: string,
  operation: Sent<I>,
  input: I,
  version?: Operation.ApiVersion
): Result.Result<HttpClientRequest.HttpClientRequest, InvalidRequest> =>
  Result.try({
    try: () => requestOf(baseUrl, operation, input, version),
    // In Node before 26, a payload nested ten thousand deep cannot be written.
    catch: () => invalid(operation.name, input, { field: "", message: "Expected a JSON-serializable payload" })
  })

const requestOf = <I extends object>(
  baseUrl: string,
  operation: Sent<I>,
  input: I,
  version: Operation.ApiVersion | undefined
): HttpClientRequest.HttpClientRequest => {
  const values: Readonly<Record<string, unknown>> = { ...operation.encode(input) }
  const path = operation.path.replaceAll(/:(\w+)/g, (_, name: string) => encodeURIComponent(String(values[name])))
  const request = HttpClientRequest.makeWith(
    operation.method,
    baseUrl + path,
    operation.query === undefined ? UrlParams.empty : UrlParams.fromInput(pickText(operation.query, values)),
    Option.none(),
    Headers.fromRecordUnsafe({
      accept: "application/json",
      ...Transport.userAgent,
      ...(version === undefined || operation.headers?.["version"] === undefined ? {} : { version })
    }),
    HttpBody.empty
  )
  if (operation.payload === undefined) return request
  const payload = pick(operation.payload.fields, values)
  return HttpClientRequest.setBody(
    request,
    operation.encoding === "form"
      ? HttpBody.urlParams(UrlParams.fromInput(pickText(operation.payload.fields, values)))
      : HttpBody.text(JSON.stringify(payload), "application/json")
  )
}

/** The same request with a token, which must be able to stand in a header. */
export const withToken = (request: HttpClientRequest.HttpClientRequest, token: Redacted.Redacted) =>
  HttpClientRequest.setHeader(request, "authorization", `Bearer ${Redacted.value(token)}`)
