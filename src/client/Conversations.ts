/** Conversations: the operations on them, as functions over the `HighLevelClient`. */
import * as Effect from "effect/Effect"
import { getConversation } from "../wire/getConversation.ts"
import type { Operation } from "../wire/Operation.ts"
import { updateConversation } from "../wire/updateConversation.ts"
import { type CallOptions, type Executed, HighLevelClient } from "./HighLevelClient.ts"
import type { HighLevelError } from "./HighLevelError.ts"

const outputOf = <O>({ output }: Executed<O>) => output

const call =
  <I extends object, O>(operation: Operation<I, O>) =>
  (input: I, options?: CallOptions): Effect.Effect<O, HighLevelError, HighLevelClient> =>
    Effect.flatMap(HighLevelClient, (client) => Effect.map(client.execute(operation, input, options), outputOf))

/**
 * Sets the given fields of a conversation and returns the conversation. Fields that
 * are left out stay as they are; with ids alone nothing changes.
 *
 * **Details**
 *
 * `PUT /conversations/:conversationId` sets absolute values, so repeating an update
 * is safe. Live responses leave fields out: read each with a fallback.
 *
 * **Example** (Mark as read and star, against the sandbox)
 *
 * ```ts
 * import { Conversations, HighLevelClient } from "effect-highlevel"
 * import { Sandbox } from "effect-highlevel/testing"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as Redacted from "effect/Redacted"
 *
 * const program = Conversations.update({
 *   conversationId: "tDtDnQdgm2LXpyiqYvZ6",
 *   locationId: "tDtDnQdgm2LXpyiqYvZ6",
 *   unreadCount: 0,
 *   starred: true
 * }).pipe(Effect.map(({ conversation }) => [conversation.unreadCount, conversation.starred]))
 *
 * const layer = HighLevelClient.layer({ token: Redacted.make("sandbox-token") }).pipe(Layer.provide(Sandbox.layer()))
 *
 * await Effect.runPromise(program.pipe(Effect.provide(layer))) // => [0, true]
 * ```
 *
 * @see {@link https://marketplace.gohighlevel.com/docs/ghl/conversations/update-conversation | Update Conversation}
 */
export const update = /* @__PURE__ */ call(updateConversation)

/**
 * Reads a conversation. Live responses leave out `inbox`, `starred` and an
 * `unreadCount` that was never set.
 *
 * @see {@link https://marketplace.gohighlevel.com/docs/ghl/conversations/get-conversation | Get Conversation}
 */
export const get = /* @__PURE__ */ call(getConversation)
