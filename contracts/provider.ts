/** The verification of a provider against the committed contract. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { MessageProviderPact, Verifier } from "@pact-foundation/pact"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Sandbox } from "effect-highlevel/testing"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createServer, type IncomingHttpHeaders } from "node:http"
import type { Json } from "./documented/documentation.ts"
import type { Message } from "./interaction.ts"
import * as Pact from "./pact.ts"

/** The result of each interaction, by its description: what did not match, or nothing. */
export type Verification = ReadonlyMap<string, ReadonlyArray<unknown>>

interface Output {
  readonly interactionResults: ReadonlyArray<{
    readonly description: string
    readonly result: string
    readonly mismatch?: { readonly mismatches?: ReadonlyArray<unknown> } | null
  }>
}

// Failed verifications reject with the same JSON as passed ones resolve with.
const outputOf = (text: unknown): Output => {
  const output: unknown = typeof text === "string" && text.startsWith("{") ? JSON.parse(text) : text
  if (typeof output === "object" && output !== null && "interactionResults" in output) return output as Output
  throw new Error(`The verifier did not finish: ${String(text)}`)
}

/** The committed contract, with the given interactions alone, in a file for Pact. */
const withPact = async (
  contract: Pact.Provided,
  declared: ReadonlyArray<{ readonly description: string }>,
  use: (file: string) => Promise<unknown>
): Promise<Verification> => {
  const descriptions = new Set(declared.map(({ description }) => description))
  const { interactions, ...pact } = Pact.read(contract)
  const directory = mkdtempSync(join(tmpdir(), "verified-"))
  const file = join(directory, "pact.json")
  const chosen = interactions.filter(({ description }) => descriptions.has(description))
  writeFileSync(file, JSON.stringify({ ...pact, interactions: chosen }))
  const output = await use(file)
    .catch((error: Error) => error.message)
    .finally(() => rmSync(directory, { recursive: true }))
  return new Map(
    outputOf(output).interactionResults.map(({ description, mismatch, result }) => [
      description,
      result === "OK" ? [] : (mismatch?.mismatches ?? [mismatch ?? result])
    ])
  )
}

export const verify = (
  contract: Pact.Contract,
  providerBaseUrl: string,
  providerStatesSetupUrl: string,
  interactions = contract.interactions
): Promise<Verification> =>
  withPact(contract, interactions, (file) =>
    new Verifier({
      provider: contract.provider,
      providerBaseUrl,
      providerStatesSetupUrl,
      // Its proxy parses a form and forwards it as JSON, under the length of the form.
      requestFilter: (
        request: { readonly headers: IncomingHttpHeaders; body: Buffer | Record<string, string> },
        _: unknown,
        next: () => void
      ) => {
        if (String(request.headers["content-type"]).startsWith("application/x-www-form-urlencoded")) {
          request.body = Buffer.from(String(new URLSearchParams(Object(request.body))))
        }
        next()
      },
      pactUrls: [file],
      logLevel: "error"
    }).verifyProvider()
  )

/** The messages that a provider produces for each state, against the committed contract. */
export const verifyMessages = (
  contract: Pact.MessageContract,
  produce: (message: Message) => Promise<Json>,
  messages = contract.messages
): Promise<Verification> =>
  withPact(contract, messages, (file) =>
    new MessageProviderPact({
      provider: contract.provider,
      pactUrls: [file],
      messageProviders: Object.fromEntries(messages.map((message) => [message.description, () => produce(message)])),
      // What a state means is in `produce`.
      stateHandlers: Object.fromEntries(messages.map(({ state }) => [state.name, () => Promise.resolve()])),
      logLevel: "error"
    }).verify()
  )

/** The shipped sandbox in the mode of the contract on a free port, with the provider-state endpoint on. */
export const withSandbox = <A>({ name }: Pact.Contract, use: (url: string) => Promise<A>): Promise<A> =>
  Sandbox.url.pipe(
    Effect.flatMap((url) => Effect.promise(() => use(url))),
    Effect.provide(
      Sandbox.layerServer({ responses: name, providerStates: true }).pipe(
        Layer.provideMerge(NodeHttpServer.layer(() => createServer(), { port: 0, host: "127.0.0.1" }))
      )
    ),
    Effect.runPromise
  )
