/** From the input of an operation to its request: checked, strictly, before anything is sent. */
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type * as SchemaIssue from "effect/SchemaIssue"
import * as Headers from "effect/http/Headers"
import * as HttpBody from "effect/http/HttpBody"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as UrlParams from "effect/http/UrlParams"
import * as Operation from "../wire/Operation.ts"
import { InvalidRequest } from "./HighLevelError.ts"
import * as Transport from "./transport.ts"

/** The ids as given, valid or not, so that a log line can say which call it was. */
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

/** The field that holds a Date, a Map or the like, which JSON would silently change. */
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

/** The input if it is valid, or the fields that are wrong with it. */
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

/** The request of an operation, without a token. */
export const make = <I extends object>(
  baseUrl: string,
  operation: Operation.Declaration & Pick<Operation.Compiled<I, unknown>, "encode">,
  input: I,
  version: Operation.ApiVersion
): Result.Result<HttpClientRequest.HttpClientRequest, InvalidRequest> => {
  const { encoding, headers, method, path, payload, query } = operation
  const encoded = operation.encode(input)
  if (Result.isFailure(encoded)) return Result.fail(invalidAt(operation.name, input, encoded.failure))
  const values: Readonly<Record<string, unknown>> = { ...encoded.success }
  const url = baseUrl + path.replaceAll(/:(\w+)/g, (_, name: string) => encodeURIComponent(String(values[name])))
  const request = HttpClientRequest.makeWith(
    method,
    url,
    query === undefined ? UrlParams.empty : UrlParams.fromInput(textOf(query, values)),
    Option.none(),
    Headers.fromRecordUnsafe({
      accept: "application/json",
      ...Transport.userAgent,
      ...(headers?.["version"] === undefined ? {} : { version })
    }),
    HttpBody.empty
  )
  if (payload === undefined) return Result.succeed(request)
  if (encoding === "form") {
    return Result.succeed(HttpClientRequest.bodyUrlParams(request, textOf(payload.fields, values)))
  }
  const sent: Record<string, unknown> = {}
  for (const name in payload.fields) if (values[name] !== undefined) sent[name] = values[name]
  try {
    return Result.succeed(HttpClientRequest.bodyText(request, JSON.stringify(sent), "application/json"))
  } catch {
    // In Node before 26, a payload nested ten thousand deep cannot be written.
    return Result.fail(invalid(operation.name, input, { field: "", message: "Expected a JSON-serializable payload" }))
  }
}
