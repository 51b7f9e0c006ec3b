/** What the client makes of a response must be what its interaction says. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, expect, it } from "vitest"
import * as Client from "./client.ts"
import type { JsonObject } from "./documented/documentation.ts"
import type { Interaction, Message } from "./interaction.ts"
import type { Checked } from "./report.ts"
import * as Webhooks from "./webhooks.ts"

/** A test of one side of an interaction; the table at the end of `npm run contracts` shows its result. */
export const itChecks = (
  { operation, description }: Pick<Checked, "operation" | "description">,
  rest: Omit<Checked, "operation" | "description">,
  test: () => Promise<void> | void
) => it(`${operation}: ${description}`, { meta: { checked: { operation, description, ...rest } } }, test)

export const check =
  (interaction: Interaction, transform?: Client.Transform) =>
  async (baseUrl: string): Promise<void> => {
    const { read, written } = await Client.call(interaction, baseUrl, transform)
    expect(read).toMatchObject(interaction.reads)
    // Nothing that came is lost or changed. Dates are written in the documented encoding, whatever they came in.
    if (written !== undefined && interaction.isLossless !== false)
      assert.deepStrictEqual<unknown>(written, interaction.response)
  }

/** What the receiver of a webhook makes of a message must be all of it. */
export const checkMessage =
  ({ contents, operation }: Message, transform: (contents: JsonObject) => JsonObject = (contents) => contents) =>
  async (received: JsonObject): Promise<void> => {
    assert.deepStrictEqual(received, contents)
    assert.deepStrictEqual(await Webhooks.receive(transform(received)), { _tag: operation, ...contents })
  }

/** A directory of its own: Pact merges into what it finds. */
export const inFreshDirectory = async <A>(use: (directory: string) => Promise<A>) => {
  const directory = mkdtempSync(join(tmpdir(), "pacts-"))
  try {
    return await use(directory)
  } finally {
    rmSync(directory, { recursive: true })
  }
}
