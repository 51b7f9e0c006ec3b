/** The contract against excerpts of the vendor's OpenAPI files, with the known deviations. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "vitest"
import * as OpenApi from "./openapi.ts"

const file = (name: string) => join(import.meta.dirname, "openapi", name)

const known = (name: string): ReadonlyArray<OpenApi.KnownDeviation> =>
  JSON.parse(readFileSync(file(name), "utf8")).deviations

describe.each(["v2", "v3"])("the vendor's %s file", (version) => {
  it("deviates as listed, and not otherwise", async () => {
    const found = await OpenApi.deviations(file(`update-conversation.${version}.json`))
    assert.deepStrictEqual(OpenApi.compare(found, known(`known.${version}.json`)), { unlisted: [], gone: [] })
  })

  it("has a reason for each deviation", () => {
    for (const { reason } of known(`known.${version}.json`)) assert.isAbove(reason.length, 20)
  })
})

const mutants: ReadonlyArray<readonly [change: string, from: string, to: string, code: string]> = [
  ["starred becomes a number", `"starred":{"type":"boolean"`, `"starred":{"type":"number"`, "incompatible"],
  ["another path", "/conversations/{conversationId}", "/threads/{conversationId}", "path-or-method.unknown"],
  ["another method", `"put":`, `"post":`, "path-or-method.unknown"],
  ["the 401 is gone", `"401":`, `"409":`, "response.status.unknown"],
  ["locationId is renamed", `"required":["locationId"]`, `"required":["location"]`, "request.body.incompatible"]
]

describe("a change of the vendor's file is seen", () => {
  it.each(mutants)("%s", async (_, from, to, code) => {
    const text = JSON.stringify(JSON.parse(readFileSync(file("update-conversation.v2.json"), "utf8")))
    assert.include(text, from)
    const directory = mkdtempSync(join(tmpdir(), "openapi-"))
    try {
      const changed = join(directory, "changed.json")
      writeFileSync(changed, text.replaceAll(from, to))
      const { unlisted } = OpenApi.compare(await OpenApi.deviations(changed), known("known.v2.json"))
      assert.isNotEmpty(unlisted)
      assert.isTrue(unlisted.some((deviation) => deviation.code.includes(code)))
    } finally {
      rmSync(directory, { recursive: true })
    }
  })

  it("a listed deviation that is gone", async () => {
    const found = await OpenApi.deviations(file("update-conversation.v2.json"))
    const { gone } = OpenApi.compare(found.slice(1), known("known.v2.json"))
    assert.lengthOf(gone, 1)
  })
})
