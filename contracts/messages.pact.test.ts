/** Webhooks as messages: the real receiver reads their contents, and the sandbox sends them. */
import { assert, beforeAll, describe, expect, it } from "vitest"
import { checkMessage, inFreshDirectory, itChecks } from "./check.ts"
import type { Message } from "./interaction.ts"
import * as Pact from "./pact.ts"
import * as Provider from "./provider.ts"
import * as Webhooks from "./webhooks.ts"

describe.each(Pact.messageContracts)("$name", (contract) => {
  const { messages, name } = contract

  for (const message of messages) {
    itChecks(message, { contract: name, side: "consumer" }, () =>
      inFreshDirectory((directory) =>
        Pact.executeMessage(Pact.make(contract, directory), message, checkMessage(message))
      )
    )
  }

  it("the committed contract is what the receiver just read", () =>
    inFreshDirectory(async (directory) => {
      const pact = Pact.make(contract, directory)
      for (const message of messages) await Pact.executeMessage(pact, message, checkMessage(message))
      const written = Pact.written(contract, directory)
      assert.lengthOf(JSON.parse(written).interactions, messages.length)
      await expect(written).toMatchFileSnapshot(Pact.committed(contract))
    }))

  describe("the sandbox", () => {
    let verification: Provider.Verification
    const sent = new Map<Message, unknown>()

    beforeAll(async () => {
      verification = await Provider.verifyMessages(contract, async (message) => {
        const contents = await Webhooks.produce(contract, message)
        sent.set(message, contents)
        return contents
      })
      assert.strictEqual(verification.size, messages.length)
    }, 60_000)

    for (const message of messages) {
      itChecks(message, { contract: name, side: "provider" }, () => {
        expect(verification.get(message.description)).toEqual([])
        for (const field of message.absent ?? []) assert.notProperty(sent.get(message), field)
      })
    }
  })
})
