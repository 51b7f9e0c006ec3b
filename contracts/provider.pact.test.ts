/** Provider side: the shipped sandbox honours the committed contracts, each in its mode. */
import { assert, beforeAll, describe, expect, it } from "vitest"
import { itChecks } from "./check.ts"
import * as Pact from "./pact.ts"
import * as Provider from "./provider.ts"

describe.each(Pact.contracts)("$name", (contract) => {
  let verification: Provider.Verification

  beforeAll(async () => {
    verification = await Provider.withSandbox(contract, (url) =>
      Provider.verify(contract, url, `${url}/_pact/provider-states`)
    )
  }, 60_000)

  it("every interaction was verified", () => {
    assert.strictEqual(verification.size, Pact.readCommitted(contract).interactions.length)
  })

  for (const interaction of contract.interactions) {
    itChecks(interaction, { contract: contract.name, side: "provider" }, () => {
      expect(verification.get(interaction.description)).toEqual([])
    })
  }

  it("an unknown provider state fails, and is not passed over", async () => {
    await Provider.withSandbox(contract, async (url) => {
      const setUp = (body: unknown) =>
        fetch(`${url}/_pact/provider-states`, { method: "POST", body: JSON.stringify(body) }).then(
          ({ status }) => status
        )
      assert.strictEqual(await setUp({ action: "setup", state: "nobody knows", params: {} }), 400)
      assert.strictEqual(await setUp({ action: "setup", state: "a conversation exists", params: {} }), 400)
      assert.strictEqual(await setUp({ action: "teardown", state: "a conversation exists", params: {} }), 204)
    })
  })
})
