/** What all requests share: their size limits, their headers and their context. */
import * as Context from "effect/Context"
import { identity } from "effect/Function"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Headers from "effect/http/Headers"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import type { Redaction } from "./redaction.ts"
import * as SafeCause from "./safeCause.ts"
import { version as libraryVersion } from "./version.ts"

/** Maximum bytes that an HTTP client may collect of a body: 1 MiB. HighLevel's documents are a few kilobytes. */
export const MaxResponseBytes = Context.Reference<number>("effect-highlevel/HighLevelClient/MaxResponseBytes", {
  defaultValue: () => 1_048_576
})

// Browsers and their workers set their own user agent and refuse another.
export const inBrowser = globalThis.navigator?.userAgent?.startsWith("Mozilla/") === true

/** Our user agent, where it can be set. HighLevel's edge responds with 403 to requests without one. */
export const userAgent: { readonly "user-agent"?: string } = inBrowser
  ? {}
  : { "user-agent": `effect-highlevel/${libraryVersion}` }

/** The context in which the HTTP client sends a request. */
export const context =
  (tracePropagation: boolean, maxResponseBytes: number) =>
  (context: Context.Context<never>): Context.Context<never> => {
    const names = Context.get(context, Headers.CurrentRedactedNames)
    return context.pipe(
      Context.add(MaxResponseBytes, maxResponseBytes),
      // A login page behind a followed redirect would look like an applied update.
      Context.add(FetchHttpClient.RequestInit, {
        redirect: "manual",
        ...Context.getOrUndefined(context, FetchHttpClient.RequestInit)
      }),
      // Trace headers are for our own services, not for a vendor, unless asked for.
      tracePropagation ? identity : Context.add(HttpClient.TracerPropagationEnabled, false),
      // The application may have replaced the list of headers to hide.
      names.includes("authorization")
        ? identity
        : Context.add(Headers.CurrentRedactedNames, [...names, "authorization"])
    )
  }

/** The error of an HTTP client, made safe to keep. */
export const causeOf = (error: unknown, redact: Redaction) =>
  SafeCause.make(
    HttpClientError.isHttpClientError(error) ? (error.reason.cause ?? error.reason.message) : error,
    redact
  )
