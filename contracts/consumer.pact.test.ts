/**
 * Consumer side: the real client against Pact's mock server. What it sends is
 * exact, what it is answered is matched by type, and the contract that Pact
 * writes must be the committed one. `npm run contracts -- -u` accepts a change.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import { Conversations, HighLevelClient, UpdateConversation } from "effect-highlevel"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, expect, it } from "vitest"
import { type Interaction, interactions } from "./documented/interactions.ts"
import * as Pact from "./pact.ts"

/** A directory of its own: Pact merges into what it finds. */
const inFreshDirectory = async <A>(use: (directory: string) => Promise<A>) => {
  const directory = mkdtempSync(join(tmpdir(), "pacts-"))
  try {
    return await use(directory)
  } finally {
    rmSync(directory, { recursive: true })
  }
}

const decodeUpdate = Schema.decodeUnknownSync(UpdateConversation.ConversationUpdate)
const encodeAnswer = Schema.encodeSync(UpdateConversation.UpdateConversationResponse)

const tags: Record<number, string> = { 400: "BadRequest", 401: "Unauthorized", 422: "Unprocessable" }

/** The client's answer must say what the documented answer says. */
const call =
  ({ body, conversationId, response, status, token }: Interaction) =>
  async (baseUrl: string) => {
    const result = await Effect.runPromise(
      Conversations.update(decodeUpdate({ conversationId, ...body })).pipe(
        Effect.provide(
          HighLevelClient.layer({ token: Redacted.make(token), baseUrl }).pipe(Layer.provide(FetchHttpClient.layer))
        ),
        Effect.result
      )
    )
    if (status === 200) {
      assert(Result.isSuccess(result))
      assert.deepStrictEqual<unknown>(encodeAnswer(result.success), response)
      return
    }
    assert(Result.isFailure(result))
    const { failure } = result
    assert.strictEqual(failure._tag, tags[status])
    assert("messages" in failure)
    assert.strictEqual(failure.status, response["statusCode"])
    assert.deepStrictEqual<unknown>(failure.messages, [response["message"]].flat())
  }

it.each(interactions)("$status: $description", (interaction) =>
  inFreshDirectory((directory) => Pact.execute(Pact.make(directory), interaction, call(interaction)))
)

// A generator of its own, so that every run shuffles alike.
const shuffled = <A>(list: ReadonlyArray<A>, seed: number): ReadonlyArray<A> => {
  let state = seed
  const next = () => (state = (state * 1103515245 + 12345) % 2 ** 31)
  return list
    .map((item) => [next(), item] as const)
    .toSorted(([one], [other]) => one - other)
    .map(([, item]) => item)
}

const write = (order: ReadonlyArray<Interaction>) =>
  inFreshDirectory(async (directory) => {
    const pact = Pact.make(directory)
    for (const interaction of order) await Pact.execute(pact, interaction, call(interaction))
    return Pact.written(directory)
  })

it("the committed contract is what the client just did, to the byte and in any order", async () => {
  const contract = await write(interactions)
  expect(JSON.parse(contract).interactions).toHaveLength(interactions.length)
  for (const order of [interactions.toReversed(), shuffled(interactions, 1), shuffled(interactions, 2)]) {
    assert.notDeepEqual(order, interactions)
    assert.strictEqual(await write(order), contract)
  }
  await expect(contract).toMatchFileSnapshot(Pact.committed)
})
