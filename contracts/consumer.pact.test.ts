/**
 * Consumer side: the real client against Pact's mock server, and the contract that Pact
 * writes must be the committed one. `npm run contracts -- -u` accepts a change.
 */
import { assert, describe, expect, it } from "vitest"
import { check, inFreshDirectory, itChecks } from "./check.ts"
import type { Interaction } from "./interaction.ts"
import * as Pact from "./pact.ts"

describe.each(Pact.contracts)("$name", (contract) => {
  const { interactions, name } = contract

  for (const interaction of interactions) {
    itChecks(interaction, { contract: name, side: "consumer" }, () =>
      inFreshDirectory((directory) => Pact.execute(Pact.make(contract, directory), interaction, check(interaction)))
    )
  }

  const write = (order: ReadonlyArray<Interaction>) =>
    inFreshDirectory(async (directory) => {
      const pact = Pact.make(contract, directory)
      for (const interaction of order) await Pact.execute(pact, interaction, check(interaction))
      return Pact.written(contract, directory)
    })

  it("the committed contract is what the client just did, to the byte and in any order", async () => {
    const written = await write(interactions)
    expect(JSON.parse(written).interactions).toHaveLength(interactions.length)
    assert.strictEqual(await write(interactions.toReversed()), written)
    await expect(written).toMatchFileSnapshot(Pact.committed(contract))
  })
})
