import { assert, it } from "vitest"
import packageJson from "../package.json" with { type: "json" }
import { version } from "../src/client/version.ts"

it("the version in the source is the package's", () => {
  assert.strictEqual(version, packageJson.version)
})

it("every version is exact, and the peers are one minor of effect, and of its Node package where that is used", () => {
  for (const [name, range] of Object.entries(packageJson.devDependencies)) assert.match(range, /^\d+\.\d+\.\d+$/, name)
  assert.deepStrictEqual(packageJson.peerDependencies, { "@effect/platform-node": "~4.1.0", effect: "~4.1.0" })
  assert.deepStrictEqual(packageJson.peerDependenciesMeta, { "@effect/platform-node": { optional: true } })
  assert.notProperty(packageJson, "dependencies")
})
