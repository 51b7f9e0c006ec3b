/** Validates the input of an operation strictly and makes its request. */
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type * as SchemaIssue from "effect/SchemaIssue"
import * as Headers from "effect/http/Headers"
import * as HttpBody from "effect/http/HttpBody"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as UrlParams from "effect/http/UrlParams"
import * as Operation from "../wire/Operation.ts"
import { InvalidRequest } from "./HighLevelError.ts"
import * as Transport from "./transport.ts"

/** The ids as given, valid or not, to identify the call in errors and logs. */
export const givenIds = (input: unknown): { readonly conversationId?: string; readonly locationId?: string } => {
  const conversationId = Predicate.hasProperty(input, "conversationId") ? input.conversationId : undefined
  const locationId = Predicate.hasProperty(input, "locationId") ? input.locationId : undefined
  return {
    ...(typeof conversationId === "string" ? { conversationId } : {}),
    ...(typeof locationId === "string" ? { locationId } : {})
  }
}

export const invalid = (operation: string, input: unknown, ...issues: InvalidRequest["issues"]) =>
  new InvalidRequest({ operation, ...givenIds(input), issues })

/** Finds a field that holds a Date, a Map or the like, which JSON would silently change. */
const exoticIn = (input: object): string | undefined => {
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

/** Returns the valid input, or the issues with its fields. */
export const validate = <I extends object>(
  operation: Operation.Declaration & Pick<Operation.Compiled<I, unknown>, "validate">,
  input: unknown
): Result.Result<I, InvalidRequest> => {
  const isNested = Predicate.isObject(input) && Object.values(input).some(Predicate.isObjectKeyword)
  const exotic = isNested ? exoticIn(input) : undefined
  if (exotic !== undefined) {
    return Result.fail(
      invalid(operation.name, input, { field: exotic, message: "Expected plain JSON, not a Date, a Map or the like" })
    )
  }
  return Result.mapError(operation.validate(input), ({ issue }) => invalidAt(operation.name, input, issue))
}

const invalidAt = (operation: string, input: unknown, issue: SchemaIssue.Issue) => {
  const [first = { field: "", message: "Expected an input" }, ...rest] = Operation.issuesOf(issue)
  return invalid(operation, input, first, ...rest)
}

const textOf = (fields: object, values: Readonly<Record<string, unknown>>): Record<string, string> =>
  Object.fromEntries(
    Object.keys(fields)
      .filter((name) => values[name] !== undefined)
      .map((name) => [name, String(values[name])])
  )

const bodyOf = ({ encoding, payload }: Operation.Declaration, values: Readonly<Record<string, unknown>>) => {
  if (payload === undefined) return HttpBody.empty
  if (encoding === "form") return HttpBody.urlParams(UrlParams.fromInput(textOf(payload.fields, values)))
  const sent: Record<string, unknown> = {}
  for (const name in payload.fields) if (values[name] !== undefined) sent[name] = values[name]
  try {
    return HttpBody.text(JSON.stringify(sent), "application/json")
  } catch {
    // Node before 26 cannot serialize a payload nested ten thousand deep.
    return undefined
  }
}

/** Makes the request once it has a token, so that a waiting call uses little memory. */
export type MakeRequest = (token?: Redacted.Redacted) => HttpClientRequest.HttpClientRequest

const maker =
  (
    { headers, method }: Operation.Declaration,
    url: string,
    query: UrlParams.UrlParams,
    version: Operation.ApiVersion,
    body: HttpBody.Empty | HttpBody.Uint8Array
  ): MakeRequest =>
  (token) =>
    HttpClientRequest.makeWith(
      method,
      url,
      query,
      Option.none(),
      Headers.fromRecordUnsafe({
        accept: "application/json",
        ...Transport.userAgent,
        ...(headers?.["version"] === undefined ? {} : { version }),
        ...(body._tag === "Empty"
          ? {}
          : { "content-type": body.contentType, "content-length": String(body.contentLength) }),
        ...(token === undefined ? {} : { authorization: `Bearer ${Redacted.value(token)}` })
      }),
      body
    )

/** The request of an operation. */
export const make = <I extends object>(
  baseUrl: string,
  operation: Operation.Declaration & Pick<Operation.Compiled<I, unknown>, "encode">,
  input: I,
  version: Operation.ApiVersion
): Result.Result<MakeRequest, InvalidRequest> => {
  const encoded = operation.encode(input)
  if (Result.isFailure(encoded)) return Result.fail(invalidAt(operation.name, input, encoded.failure))
  const values: Readonly<Record<string, unknown>> = { ...encoded.success }
  const body = bodyOf(operation, values)
  if (body === undefined) {
    return Result.fail(invalid(operation.name, input, { field: "", message: "Expected a JSON-serializable payload" }))
  }
  const { path, query } = operation
  const url = path
    .split("/")
    .map((segment) => (segment.startsWith(":") ? encodeURIComponent(String(values[segment.slice(1)])) : segment))
    .join("/")
  const params = query === undefined ? UrlParams.empty : UrlParams.fromInput(textOf(query, values))
  return Result.succeed(maker(operation, baseUrl + url, params, version, body))
}
