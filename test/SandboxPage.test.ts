import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { once } from "node:events"
import { request } from "node:http"
import { ids } from "./harness.ts"
import * as Process from "./process.ts"

const open = async (...args: ReadonlyArray<string>) => {
  const child = Process.start("src/cli/main.ts", ["sandbox", ...args])
  let banner = ""
  let stderr = ""
  child.stderr.setEncoding("utf8").on("data", (text) => (stderr += text))
  child.stdout.setEncoding("utf8")
  while (!/ connect\n/.test(banner)) banner += String((await once(child.stdout, "data"))[0])
  const [, url = ""] = /listens on (\S+);/.exec(banner) ?? []
  const end = async () => {
    child.kill("SIGINT")
    await once(child, "close")
  }
  return { url, banner, end, stderr: () => stderr }
}

const act = (url: string, action: object, headers: Record<string, string> = { origin: url }) =>
  fetch(`${url}/_sandbox/actions`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(action)
  })

const update = (url: string, body: object = { starred: true }) =>
  fetch(`${url}/conversations/${ids.conversationId}`, {
    method: "PUT",
    headers: { authorization: "Bearer sandbox-token", version: "2021-07-28", "content-type": "application/json" },
    body: JSON.stringify({ locationId: ids.locationId, ...body })
  })

/** What the page is told, until it is what was expected: the test's own timeout ends it else. */
const told = async (url: string, pattern: RegExp, after: () => Promise<unknown> = async () => undefined) => {
  const stop = new AbortController()
  const { body } = await fetch(`${url}/_sandbox/events`, { signal: stop.signal })
  assert.isNotNull(body)
  let text = ""
  let isFirst = true
  for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
    text += chunk
    if (isFirst) await after()
    isFirst = false
    if (pattern.test(text)) break
  }
  stop.abort()
  return text
}

const withHost = async (url: string, path: string, host: string) => {
  const sent = request(`${url}${path}`, { headers: { host } }).end()
  const [response] = await once(sent, "response")
  response.resume()
  return response.statusCode
}

describe("the sandbox's page", { timeout: 30_000 }, () => {
  let sandbox: Awaited<ReturnType<typeof open>>
  beforeAll(async () => {
    sandbox = await open()
  })
  afterAll(() => sandbox.end())

  it("is served with a strict policy, and runs no script but its own", async () => {
    const response = await fetch(`${sandbox.url}/`)
    assert.strictEqual(response.status, 200)
    assert.include(response.headers.get("content-security-policy"), "default-src 'none'; script-src 'self';")
    assert.notMatch(await response.text(), /<script(?! type="module" src="\/_sandbox\/page\.js")|https?:\/\//)
    assert.include(sandbox.banner, `${sandbox.url}/docs`)
  })

  it("is told of an update, and not of its own requests", async () => {
    const text = await told(sandbox.url, /"unreadCount":7/, () => update(sandbox.url, { unreadCount: 7 }))
    assert.include(text, `"path":"/conversations/${ids.conversationId}"`)
    assert.notInclude(text, `"path":"/_sandbox`)
  })

  it("is told why a request was refused", async () => {
    await told(sandbox.url, /"status":422,"message":"[^"]*starred/, () => update(sandbox.url, { starred: 1 }))
  })

  it("refuses, breaks and receives", async () => {
    assert.strictEqual((await act(sandbox.url, { _tag: "refuse", status: 503, times: 1 })).status, 204)
    assert.strictEqual((await update(sandbox.url)).status, 503)
    await act(sandbox.url, { _tag: "fault", kind: "disconnect", times: 1 })
    assert.strictEqual(
      await update(sandbox.url).then(
        ({ status }) => status,
        () => "no response"
      ),
      "no response"
    )
    await act(sandbox.url, { _tag: "fault", kind: "empty-body", times: 1 })
    const empty = await update(sandbox.url)
    assert.deepStrictEqual([empty.status, await empty.text()], [200, ""])
    const message = { _tag: "receive", conversationId: ids.conversationId, body: "<b>Hi</b>" }
    await told(sandbox.url, /"lastMessageBody":"<b>Hi<\/b>"/, () => act(sandbox.url, message))
    assert.strictEqual((await act(sandbox.url, { _tag: "deactivate", locationId: ids.locationId })).status, 204)
    await act(sandbox.url, { _tag: "limit", max: 1 })
    assert.strictEqual((await update(sandbox.url)).status, 429)
    await act(sandbox.url, { _tag: "limit", max: 100 })
  })

  it.each([
    [{ _tag: "refuse", status: 200, times: 1 }, "status"],
    [{ _tag: "limit", max: "many" }, "max"],
    [{ _tag: "receive", conversationId: "nobody", body: "" }, "conversationId"]
  ])("names the field of an action that cannot be: %j", async (action, field) => {
    const response = await act(sandbox.url, action)
    assert.strictEqual(response.status, 400)
    assert.include(await response.text(), field)
  })

  it("takes nothing from another page, or by another name", async () => {
    const action = { _tag: "refuse", status: 500, times: 1 }
    assert.strictEqual((await act(sandbox.url, action, { origin: "http://elsewhere.example" })).status, 403)
    assert.strictEqual((await act(sandbox.url, action, {})).status, 403)
    for (const path of ["/", "/docs", "/_sandbox/events"])
      assert.strictEqual(await withHost(sandbox.url, path, "elsewhere.example"), 403)
    assert.strictEqual((await update(sandbox.url)).status, 200)
  })

  // Shorter than the server's 20 seconds of grace for open connections.
  it("ends at once while a page is open", { timeout: 15_000 }, async () => {
    const other = await open()
    const { body } = await fetch(`${other.url}/_sandbox/events`)
    const reader = body?.getReader()
    await reader?.read()
    await other.end()
    await reader?.cancel().catch(() => undefined)
  })

  it("is not served where other machines reach the sandbox", async () => {
    const shared = await open("--host", "0.0.0.0")
    for (const path of ["/", "/docs", "/_sandbox/events"])
      assert.strictEqual((await fetch(`${shared.url}${path}`)).status, 404)
    assert.strictEqual((await act(shared.url, { _tag: "limit", max: 1 })).status, 404)
    assert.include(shared.stderr(), "loopback")
    await shared.end()
  })
})
