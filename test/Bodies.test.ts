import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFile } from "node:child_process"
import { createServer, type ServerResponse } from "node:http"
import { promisify } from "node:util"
import { brotliCompressSync, constants, deflateSync, gzipSync } from "node:zlib"
import { listening } from "./harness.ts"

const mebibyte = 1024 * 1024
const json = (length: number) => Buffer.from(`{"message":"${"x".repeat(length)}`)
const chunk = json(64 * 1024)

/** Sends chunks until there are enough, or the client has closed the connection. */
const pump = (response: ServerResponse, text: Buffer, length: number) => {
  let left = length
  const write = () => {
    while (left > 0 && !response.destroyed) {
      left -= text.length
      if (!response.write(text)) return response.once("drain", write)
    }
    return response.end()
  }
  write()
}

const encoded = (encoding: string, bytes: Buffer) => (response: ServerResponse) =>
  response.writeHead(200, { "content-type": "application/json", "content-encoding": encoding }).end(bytes)

const bomb = json(128 * mebibyte)
const page = Buffer.from(`<!doctype html>${"x".repeat(64 * 1024)}`)

const bodies: Record<string, (response: ServerResponse) => unknown> = {
  document: (response) => response.end(`{"success":true,"conversation":{}}`),
  "100 MB": (response) => pump(response, chunk, 100 * mebibyte),
  "512 MiB of a page": (response) => pump(response, page, 512 * mebibyte),
  "512 MiB of a known length": (response) => {
    response.writeHead(200, { "content-length": String(512 * mebibyte) })
    pump(response, chunk, 512 * mebibyte)
  },
  "an error of 20 MB": (response) => {
    response.writeHead(400)
    pump(response, chunk, 20 * mebibyte)
  },
  "an error of 1 MB": (response) => response.writeHead(400).end(Buffer.concat([json(1_000_000), Buffer.from(`"}`)])),
  "a gzip bomb": encoded("gzip", gzipSync(bomb, { level: 1 })),
  "a brotli bomb": encoded("br", brotliCompressSync(bomb, { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } })),
  "a deflate bomb": encoded("deflate", deflateSync(bomb, { level: 1 })),
  "a body of single bytes": (response) => {
    // Each byte is a chunk.
    const socket = response.socket
    socket?.end(`HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${`1\r\n{\r\n`.repeat(mebibyte + 1)}`)
  },
  "a slow head": () => {},
  "a slow body": (response) => {
    const timer = setInterval(() => response.write(" "), 20)
    response.on("close", () => clearInterval(timer))
  }
}

const ends = (compressed: string): Record<string, string> => ({
  "100 MB": "UnreadableResponse yes",
  "512 MiB of a page": "UnexpectedBody unknown",
  "512 MiB of a known length": "UnreadableResponse yes",
  "an error of 20 MB": "BadRequest no",
  "an error of 1 MB": "BadRequest no",
  "a gzip bomb": compressed,
  "a brotli bomb": compressed,
  "a deflate bomb": compressed,
  "a slow head": "RequestTimeout unknown",
  "a slow body": "RequestTimeout unknown"
})

describe("no body takes more than 64 MB, and each ends in a typed error", () => {
  it.live.each([
    ["fetch", ends("UnreadableResponse yes")],
    // It does not decompress.
    ["layerUndici", ends("UnexpectedBody unknown")],
    ["UndiciHttpClient", { ...ends("UnreadableResponse yes"), "a body of single bytes": "UnreadableResponse yes" }]
  ] as const)(
    "over %s",
    ([name, ended]) =>
      Effect.gen(function* () {
        const server = createServer((request, response) => {
          request.resume()
          bodies[decodeURIComponent(request.url?.split("/").at(-1) ?? "")]?.(response)
        })
        const port = yield* listening(server, () => server.closeAllConnections())
        // Not bundled: a bundle loses the names of undici's CommonJS that `layerUndici` imports.
        const program = ["--conditions=effect-highlevel-source", "test/fixtures/bodies.ts"]
        const { stderr, stdout } = yield* Effect.promise(() =>
          promisify(execFile)(process.execPath, [...program, name, `http://127.0.0.1:${port}`, ...Object.keys(ended)])
        )
        assert.strictEqual(stderr, "")
        const lines: ReadonlyArray<readonly [body: string, ended: string, megabytes: number]> = stdout
          .trim()
          .split("\n")
          .map((line) => JSON.parse(line))
        console.table(
          lines.map(([body, ended, megabytes]) => ({ client: name, body, ended, "peak growth, MiB": megabytes }))
        )
        assert.deepStrictEqual(Object.fromEntries(lines.map(([body, ended]) => [body, ended])), ended)
        for (const [body, , megabytes] of lines) assert.isBelow(megabytes, 64, body)
      }).pipe(Effect.scoped),
    30_000
  )
})
