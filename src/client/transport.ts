/** What every request of ours shares on its way out. */
import * as Context from "effect/Context"
import { identity } from "effect/Function"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Headers from "effect/http/Headers"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import type { Redaction } from "./redaction.ts"
import * as SafeCause from "./safeCause.ts"
import { version as libraryVersion } from "./version.ts"

/** How many bytes of a body an HTTP client may collect. 1 MiB: a document of HighLevel is a few kilobytes. */
export const MaxResponseBytes = Context.Reference<number>("effect-highlevel/HighLevelClient/MaxResponseBytes", {
  defaultValue: () => 1_048_576
})

// Browsers, and their workers, name themselves and do not let a page change it.
export const inBrowser = globalThis.navigator?.userAgent?.startsWith("Mozilla/") === true

/** Ours, where a client may name itself: HighLevel's edge responds with 403 to agents without a name. */
export const userAgent: { readonly "user-agent"?: string } = inBrowser
  ? {}
  : { "user-agent": `effect-highlevel/${libraryVersion}` }

/** What the HTTP client below looks up while it sends. */
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

/** What an HTTP client failed with, safe to keep. */
export const causeOf = (error: unknown, redact: Redaction) =>
  SafeCause.make(
    HttpClientError.isHttpClientError(error) ? (error.reason.cause ?? error.reason.message) : error,
    redact
  )
