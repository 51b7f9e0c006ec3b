/**
 * In the tests, this stands where `src/client/exchange.ts` is imported: each request that leaves
 * the client is also written to a file of its process, at once, so that a kill loses none.
 */
import * as Effect from "effect/Effect"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import { mkdirSync, openSync, writeSync } from "node:fs"
import { join, relative } from "node:path"
import * as Exchange from "../../src/client/exchange.ts"
import * as Request from "./request.ts"

export * from "../../src/client/exchange.ts"

const directory = process.env["RECORDED_REQUESTS"] ?? ""
let file: number | undefined

const write = (entry: Request.Entry) => {
  if (file === undefined) {
    if (directory === "") throw new Error("there is no directory for the requests: see contracts/gate/recording.ts")
    mkdirSync(directory, { recursive: true })
    file = openSync(join(directory, `${process.pid}-${Date.now()}.jsonl`), "a")
  }
  writeSync(file, `${JSON.stringify(entry)}\n`)
}

/** The test's file, or the program, in the repository. */
const sender = () => {
  const test: unknown = Reflect.get(globalThis, "__vitest_worker__")?.filepath
  return relative(join(directory, "../.."), String(test ?? process.argv[1]))
}

const known = new Map<string, { readonly id: number; readonly responses: Set<string> }>()

const record = (request: HttpClientRequest.HttpClientRequest) => {
  const recorded = Request.of(request)
  const key = JSON.stringify(recorded)
  let entry = known.get(key)
  if (entry === undefined) {
    entry = { id: known.size, responses: new Set() }
    known.set(key, entry)
    write({ id: entry.id, by: sender(), request: recorded })
  }
  write(entry.id)
  return entry
}

export const make: typeof Exchange.make = (httpClient, maxResponseBytes) => {
  const exchange = Exchange.make(httpClient, maxResponseBytes)
  return (request) =>
    Effect.suspend(() => {
      const { id, responses } = record(request)
      return Effect.map(exchange(request), (received) => {
        const response = Request.responseOf(received.status, received.body)
        const key = JSON.stringify(response)
        if (!responses.has(key)) {
          responses.add(key)
          write({ id, response })
        }
        return received
      })
    })
}
