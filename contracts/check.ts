/** What the client makes of a response must be what its interaction says. */
import { assert, expect } from "vitest"
import * as Client from "./client.ts"
import type { Interaction } from "./interaction.ts"

export const check =
  (interaction: Interaction, transform?: Client.Transform) =>
  async (baseUrl: string): Promise<void> => {
    const { read, written } = await Client.call(interaction, baseUrl, transform)
    expect(read).toMatchObject(interaction.reads)
    // Nothing that came is lost or changed. Dates are written in the documented encoding, whatever they came in.
    if (written !== undefined && interaction.isLossless !== false)
      assert.deepStrictEqual<unknown>(written, interaction.response)
  }
