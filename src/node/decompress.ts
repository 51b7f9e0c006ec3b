/** Decompresses bodies, since proxies may compress without being asked to. */
import * as Effect from "effect/Effect"
import type * as Zlib from "node:zlib"
import { BodyBuffer, type Problem } from "./bodyBuffer.ts"

/** The readable part of a body, and why it is incomplete, if so. */
export interface Decompressed {
  readonly bytes: Uint8Array
  readonly problem?: Problem | undefined
}

const decoderOf = (zlib: typeof Zlib, encoding: string, bytes: Uint8Array) => {
  switch (encoding) {
    case "gzip":
    case "x-gzip":
      return zlib.createGunzip()
    case "br":
      return zlib.createBrotliDecompress()
    case "deflate":
      // Some servers send raw deflate without the zlib header.
      return ((bytes[0] ?? 0) & 0x0f) === 8 ? zlib.createInflate() : zlib.createInflateRaw()
  }
  return undefined
}

/** Decompresses a body, up to a number of decompressed bytes. `encoding` is in lower case. */
export const decompress = (bytes: Uint8Array, encoding: string, maximum: number): Effect.Effect<Decompressed> =>
  Effect.flatMap(
    Effect.promise(() => import("node:zlib")),
    (zlib) =>
      Effect.callback((resume) => {
        const decoder = decoderOf(zlib, encoding, bytes)
        const decompressed = new BodyBuffer(maximum)
        const end = (problem?: Problem) => {
          decoder?.destroy()
          resume(Effect.succeed({ bytes: decompressed.bytes, problem }))
        }
        if (decoder === undefined) return end({ description: `Unexpected content-encoding ${encoding}` })
        decoder.on("data", (chunk: Buffer) => {
          const problem = decompressed.add(chunk)
          if (problem !== undefined) end(problem)
        })
        decoder.on("end", () => end())
        decoder.on("error", (cause) => end({ description: `Cannot decompress the ${encoding} body`, cause }))
        decoder.end(bytes)
        return Effect.sync(() => decoder.destroy())
      })
  )
