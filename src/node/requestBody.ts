/** Converts a request body for undici. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type * as HttpBody from "effect/http/HttpBody"
import * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import type { Readable } from "node:stream"

/** A body that undici can send. */
export type Body = string | Uint8Array | Readable | null

type Request = HttpClientRequest.HttpClientRequest

const encodeError = (request: Request, fields: { readonly cause?: unknown; readonly description?: string }) =>
  new HttpClientError.HttpClientError({ reason: new HttpClientError.EncodeError({ request, ...fields }) })

/** A body that can be sent unchanged; undefined if it must be encoded first. */
export const atHand = ({ body }: Request): Body | undefined => {
  switch (body._tag) {
    case "Empty":
      return null
    case "Uint8Array":
      return body.body
    case "Raw":
      return typeof body.body === "string" || body.body instanceof Uint8Array ? body.body : undefined
  }
  return undefined
}

/** Encodes other bodies, and returns the content type if the body determines it. */
export const encode = (
  request: Request
): Effect.Effect<{ readonly body: Body; readonly contentType?: string | null }, HttpClientError.HttpClientError> => {
  const { body } = request
  switch (body._tag) {
    case "FormData":
      return formData(request, body)
    case "Stream": {
      const stream = Stream.mapError(body.stream, (cause) => encodeError(request, { cause }))
      return Effect.promise(() => import("@effect/platform-node/NodeStream")).pipe(
        Effect.flatMap((NodeStream) => NodeStream.toReadable(stream)),
        Effect.map((body) => ({ body }))
      )
    }
  }
  return Effect.fail(encodeError(request, { description: "Expected a string or bytes as a raw body" }))
}

const formData = (request: Request, { formData }: HttpBody.FormData) =>
  Effect.tryPromise({
    try: async () => {
      const encoded = new Response(formData)
      // Bun exposes the type only before the body is read.
      const contentType = encoded.headers.get("content-type")
      return { body: new Uint8Array(await encoded.arrayBuffer()), contentType }
    },
    catch: (cause) => encodeError(request, { cause })
  })
