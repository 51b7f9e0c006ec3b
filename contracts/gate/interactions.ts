/** The interactions of the pact files, and Pact's own judgement of which of them a recorded request matches. */
import * as Array from "effect/Array"
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Stub from "../stub.ts"
import * as Request from "./request.ts"

interface Rule {
  readonly matchers: ReadonlyArray<{ readonly match: string; readonly regex?: string }>
}

interface PactRequest {
  readonly method: string
  readonly path: string
  readonly query?: Readonly<Record<string, ReadonlyArray<string>>>
  readonly headers: Readonly<Record<string, ReadonlyArray<string>>>
  readonly body?: { readonly content: unknown; readonly contentType: string }
  readonly matchingRules?: { readonly path?: Rule; readonly query?: unknown; readonly body?: unknown }
}

export interface Interaction {
  readonly contract: string
  readonly description: string
  readonly request: PactRequest
  readonly response: {
    readonly status: number
    readonly body?: { readonly content: unknown }
    readonly matchingRules?: { readonly body?: Readonly<Record<string, Rule>> }
  }
}

const pacts = join(import.meta.dirname, "../pacts")

export const interactions: ReadonlyArray<Interaction> = readdirSync(pacts).flatMap((file) => {
  const { interactions, provider } = JSON.parse(readFileSync(join(pacts, file), "utf8"))
  return interactions
    .filter((interaction: object) => "request" in interaction) // not a message
    .map((interaction: Interaction) => Object.assign(interaction, { contract: provider.name }))
})

/** The fields of JSON or of a form. */
const fieldsOf = ({ body }: PactRequest): Readonly<Record<string, unknown>> =>
  typeof body?.content === "string" ? Object.fromEntries(new URLSearchParams(body.content)) : Object(body?.content)

const headersOf = ({ headers }: PactRequest): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(headers).map(([header, values]) => {
      const value = values.join(", ")
      return [header.toLowerCase(), header === "Authorization" ? Request.authorizationOf(value) : value]
    })
  )

const isSame = (one: Readonly<Record<string, string>>, other: Readonly<Record<string, string>>) =>
  [...Object.keys(one), ...Object.keys(other)].every((header) => one[header] === other[header])

/** A recorded request as an interaction would have it, with the names of its example. */
const filled = (recorded: Request.RecordedRequest, example: PactRequest, base: string) => {
  const fill = (fields: Readonly<Record<string, unknown>>, examples: Readonly<Record<string, unknown>>) =>
    Object.fromEntries(
      Object.entries(fields).map(([field, value]): [string, unknown] => [
        field,
        value === Request.name
          ? (examples[field] ?? "any")
          : value === Request.object
            ? Request.isFields(examples[field])
              ? examples[field]
              : {}
            : value
      ])
    )
  const texts = (fields: Readonly<Record<string, unknown>>) =>
    new URLSearchParams(Object.entries(fields).map(([field, value]) => [field, String(value)])).toString()

  const query = fill(recorded.query, Object.fromEntries(Object.entries(example.query ?? {}).map(([k, v]) => [k, v[0]])))
  const contentType = recorded.headers["content-type"]
  const fields = Request.isFields(recorded.body) ? fill(recorded.body, fieldsOf(example)) : undefined
  const body =
    fields === undefined
      ? JSON.stringify(recorded.body)
      : contentType === "application/x-www-form-urlencoded"
        ? texts(fields)
        : JSON.stringify(fields)
  return new globalThis.Request(`${base}${example.path}?${texts(query)}`, {
    method: recorded.method,
    headers: recorded.headers,
    ...(body === undefined ? {} : { body: body })
  })
}

/** The fields that each example of an operation has, and the types that a field has in any. */
const shapeOf = (examples: ReadonlyArray<PactRequest>) => {
  const bodies = examples.map(fieldsOf)
  const names = [...new Set(bodies.flatMap(Object.keys))]
  return {
    required: names.filter((name) => bodies.every((body) => name in body)),
    types: new Map(names.map((name) => [name, new Set(bodies.map((body) => typeof body[name]))]))
  }
}

/** An interaction as the stub server has it: under a path of its own, so that it tells which of several matched. */
const underPath = ({ matchingRules, path, ...request }: PactRequest, index: number) => ({
  type: "Synchronous/HTTP",
  description: String(index),
  request: {
    ...request,
    path: `/${index}${path}`,
    matchingRules: {
      ...matchingRules,
      ...(matchingRules?.path === undefined
        ? {}
        : {
            path: {
              ...matchingRules.path,
              matchers: matchingRules.path.matchers.map((rule) => ({
                ...rule,
                regex: rule.regex?.replace("^", `^/${index}`)
              }))
            }
          })
    }
  },
  response: { status: 200 }
})

// A stub server compares each request with all that it has.
const perStub = 6

/** Pact's stub server with some interactions. */
const stub = async (requests: ReadonlyArray<PactRequest>) => {
  const directory = mkdtempSync(join(tmpdir(), "gate-"))
  const file = join(directory, "pact.json")
  const pact = {
    consumer: { name: "gate" },
    provider: { name: "gate" },
    interactions: requests.map(underPath),
    metadata: { pactSpecification: { version: "4.0" } }
  }
  writeFileSync(file, JSON.stringify(pact))
  const { end, url } = await Stub.start(file)
  return {
    url,
    end: () => {
      end()
      rmSync(directory, { recursive: true })
    }
  }
}

const operationOf = ({ method, path }: { readonly method: string; readonly path: string }) =>
  `${method} ${Request.pathOf(path)}`

/** Which interactions of an operation a request matches. */
const operation = async (interactions: ReadonlyArray<Interaction>) => {
  // Those that differ in the response only are asked for once.
  const groups = Array.groupBy(interactions, ({ request }) => {
    const { matchingRules: { path, query, body } = {} } = request
    return JSON.stringify([request.path, request.query, headersOf(request), request.body, path, query, body])
  })
  const questions = Object.values(groups).map((of) => ({ example: of[0].request, of }))
  const examples = questions.map(({ example }) => example)
  const { required, types } = shapeOf(examples)
  const stubs = await Promise.all(Array.chunksOf(examples, perStub).map(stub))

  // To Pact, no body matches any, and any body none; where a key is free, so is its value.
  const hasShape = (body: unknown) =>
    body === undefined
      ? types.size === 0
      : Request.isFields(body) &&
        required.every((name) => name in body) &&
        Object.entries(body).every(([name, value]) =>
          types.get(name)?.has(value === Request.object ? "object" : typeof value)
        )

  return {
    matches: async (recorded: Request.RecordedRequest): Promise<ReadonlyArray<Interaction>> => {
      if (!hasShape(recorded.body)) return []
      const matching = questions.map(async ({ example, of }, index) => {
        // The stub server does not compare headers.
        if (!isSame(recorded.headers, headersOf(example))) return []
        const url = stubs[Math.floor(index / perStub)]?.url
        const { status } = await fetch(filled(recorded, example, `${url}/${index % perStub}`))
        return status === 200 ? of : []
      })
      return (await Promise.all(matching)).flat()
    },
    end: () => {
      for (const { end } of stubs) end()
    }
  }
}

/** Asks Pact which interactions a recorded request matches. */
export const matcher = async () => {
  const operations = new Map<string, Awaited<ReturnType<typeof operation>>>()
  for (const [name, of] of Object.entries(Array.groupBy(interactions, ({ request }) => operationOf(request)))) {
    operations.set(name, await operation(of))
  }
  const asked = new Map<string, Promise<ReadonlyArray<Interaction>>>()
  return {
    matches: (recorded: Request.RecordedRequest): Promise<ReadonlyArray<Interaction>> => {
      const key = JSON.stringify(recorded)
      const matching = asked.get(key) ?? operations.get(operationOf(recorded))?.matches(recorded) ?? Promise.resolve([])
      asked.set(key, matching)
      return matching
    },
    end: () => {
      for (const { end } of operations.values()) end()
    }
  }
}
