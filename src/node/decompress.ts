/** Decompresses a body: proxies and networks in between compress without being asked. */
import * as Effect from "effect/Effect"
import type * as Zlib from "node:zlib"
import { BodyBuffer, type Problem } from "./bodyBuffer.ts"

/** What could be read of a body, and why that is not all. */
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
      // Some servers leave out the header that says so.
      return ((bytes[0] ?? 0) & 0x0f) === 8 ? zlib.createInflate() : zlib.createInflateRaw()
  }
  return undefined
}

/** Decompresses a body, its encoding in lower case, up to a number of decompressed bytes. */
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
