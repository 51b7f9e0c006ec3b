/**
 * The committed contract as a stub: Pact's stub server responds to the real client as each
 * interaction says, although several match some requests. The application's own tests, and
 * the rest of its CI, are in `examples/contracts`, run here as README.md prints them.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { afterAll, assert, beforeAll, describe, expect, it } from "vitest"
import { bundleOf } from "../test/programs.ts"
import { freePort } from "../test/redis.ts"
import { check, itChecks } from "./check.ts"
import * as Pact from "./pact.ts"
import * as Stub from "./stub.ts"

const env = { ...process.env, PACT_DO_NOT_TRACK: "true" }

/** Of several interactions with one request, the stub serves the first in the file. */
const unserved = new Map(
  [
    "a conversation is starred",
    "a scope is missing",
    "the token is that of another location",
    "the token is that of an agency",
    "the class of the token is refused",
    "the feature is closed to OAuth",
    "the sub-account is paused",
    "the gateway's upstream timed out, with a 401",
    "a 422 lists its messages, with a trace id",
    "another location is forbidden",
    "the edge refuses a user agent, with a page",
    "a body is too large"
  ].map((description) => [description, "another interaction has the same request, and a stub has no provider states"])
)

describe.each(Pact.contracts)("$name", (contract) => {
  let stub: Awaited<ReturnType<typeof Stub.start>>

  beforeAll(async () => {
    stub = await Stub.start(Pact.committed(contract))
  }, 30_000)
  afterAll(() => stub.end())

  for (const interaction of contract.interactions) {
    const reason = unserved.get(interaction.description)
    itChecks(interaction, { contract: contract.name, side: "stub", unserved: reason }, () =>
      reason === undefined ? check(interaction)(stub.url) : expect(check(interaction)(stub.url)).rejects.toThrow()
    )
  }

  it("responds to what is in no interaction with 404", async () => {
    const response = await fetch(`${stub.url}/conversations/any`, {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ locationId: "any", color: "red" })
    })
    assert.strictEqual(response.status, 404)
  })
})

const example = "examples/contracts"
const files = ["package.json", "ci.sh", "inbox.js", "inbox.test.js"]

describe("an application", () => {
  it("has in examples/contracts what README.md prints", () => {
    const readme = readFileSync(join(import.meta.dirname, "README.md"), "utf8")
    for (const file of files) {
      const printed = readFileSync(join(example, file), "utf8")
      assert.include(readme, `\n\`\`\`${file.split(".").at(-1)}\n${printed}\`\`\`\n`, file)
    }
  })

  it("tests itself against the stub, verifies a fake, and publishes the contract", async () => {
    const published: Array<string> = []
    const broker = createServer((request, response) => {
      published.push(`${request.method} ${request.url}`)
      const { port } = Object(broker.address())
      const href = `http://127.0.0.1:${port}/contracts/publish`
      request.resume()
      response
        .writeHead(200, { "content-type": "application/hal+json" })
        .end(JSON.stringify({ _links: { "pb:publish-contracts": { href }, self: { href } }, notices: [] }))
    }).listen(0, "127.0.0.1")
    await once(broker, "listening")
    const directory = mkdtempSync(join(tmpdir(), "application-"))
    // Installed, as npm would: this package, Pact's command line, and the command as it is published.
    const modules = join(directory, "node_modules")
    for (const file of files) cpSync(join(example, file), join(directory, file))
    mkdirSync(join(modules, ".bin"), { recursive: true })
    symlinkSync(resolve("."), join(modules, "effect-highlevel"))
    for (const name of ["pact-stub-server", "pact-verifier", "pact-broker", "node"]) {
      symlinkSync(resolve("node_modules/.bin", name), join(modules, ".bin", name))
    }
    const command = join(modules, ".bin/effect-highlevel")
    writeFileSync(command, `#!/bin/sh\nexec node "${resolve(bundleOf("src/cli/main.ts"))}" "$@"\n`, { mode: 0o755 })
    const child = spawn("sh", ["ci.sh"], {
      cwd: directory,
      detached: true,
      env: {
        ...env,
        PATH: `${join(modules, ".bin")}:${process.env["PATH"]}`,
        STUB_PORT: String(await freePort()),
        FAKE_PORT: String(await freePort()),
        BROKER_URL: `http://127.0.0.1:${Object(broker.address()).port}`,
        BROKER_TOKEN: "broker-token",
        GIT_COMMIT: "0af86a4"
      }
    })
    let output = ""
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (output += text))
    try {
      // Not "close": the stub, which is left running, has the same output.
      const [code] = await once(child, "exit")
      assert.strictEqual(code, 0, output)
      assert.include(output, "pass 6")
      assert.include(published, "POST /contracts/publish", output)
    } finally {
      Stub.kill(child.pid)
      broker.closeAllConnections()
      broker.close()
      rmSync(directory, { recursive: true })
    }
  }, 60_000)
})
