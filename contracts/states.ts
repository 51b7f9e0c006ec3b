/** The provider states that both contracts use. */
import type { Json, JsonObject, OperationName } from "./documented/documentation.ts"

export const exists = (conversation: JsonObject) => ({ name: "a conversation exists", params: { conversation } })

/** The next request of the operation, or the next one for the conversation, is refused. */
export const refuses = (
  operation: OperationName,
  status: number,
  more: { readonly conversationId?: string; readonly body?: Json; readonly contentType?: string } = {}
) => ({ name: "the request is refused", params: { operation, status, ...more } })

export const hasInstalled = (params: JsonObject) => ({ name: "an agency has installed the app", params })
