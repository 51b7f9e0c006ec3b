/**
 * The operation as data: what the `HttpApi` value is made of and what the client
 * sends. It imports nothing of HttpApi, so that a program that only updates does
 * not carry the machinery of servers and documents.
 */
import * as Schema from "effect/Schema"
import { Answer, Changes, ConversationId } from "../ConversationUpdate.ts"

export const method = "PUT"

export const path = "/conversations/:conversationId"

export const params = { conversationId: ConversationId }

/**
 * Values of the `Version` header. The documentation allows `2021-07-28`; the
 * servers accept all four.
 *
 * **Gotchas**
 *
 * There is no default in the schema, on purpose: HighLevel answers 401 without
 * the header, and so does the sandbox.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ApiVersion = Schema.Literals(["2021-07-28", "2021-04-15", "2023-02-21", "v3"]).annotate({
  description: "API Version"
})

/**
 * @category models
 * @since 0.1.0
 */
export type ApiVersion = typeof ApiVersion.Type

export const headers = { version: ApiVersion }

export const payload = Changes

export const success = Answer
