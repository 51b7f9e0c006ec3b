import { assert, describe, it } from "@effect/vitest"
import * as OpenApi from "effect/http-api/OpenApi"
import { Conversation, HighLevelApi } from "effect-highlevel"

const document = OpenApi.fromApi(HighLevelApi.HighLevelApi)
const operation = document.paths["/conversations/{conversationId}"]?.put
const text = JSON.stringify(document)

describe("the OpenAPI document of the declaration", () => {
  it("has the documented parameters", () => {
    assert.deepStrictEqual(
      operation?.parameters.map(({ in: place, name, required }) => [place, name, required]),
      [
        ["path", "conversationId", true],
        ["header", "version", true]
      ]
    )
    assert.deepStrictEqual(operation?.security, [{ bearer: [] }])
  })

  it("has the documented body, and no other key", () => {
    const body = JSON.stringify(operation?.requestBody)
    for (const field of ["locationId", "unreadCount", "starred", "feedback"]) assert.include(body, `"${field}"`)
    assert.include(body, `"required":["locationId"]`)
    assert.include(body, `"additionalProperties":false`)
  })

  it("has the documented statuses", () => {
    assert.deepStrictEqual(Object.keys(operation?.responses ?? {}), ["200", "400", "401", "422"])
  })

  it("has the documented query of the installed locations, and any version", () => {
    const installed = document.paths["/oauth/installedLocations"]?.get
    assert.deepStrictEqual(
      installed?.parameters.map(({ in: place, name, required }) => `${place} ${name}${required ? "" : "?"}`),
      [
        "header version",
        "query companyId",
        "query appId",
        "query skip?",
        "query limit?",
        "query query?",
        "query isInstalled?",
        "query versionId?",
        "query onTrial?",
        "query planId?",
        "query locationId?"
      ]
    )
    assert.deepStrictEqual(installed?.security, [{ agency: [] }])
    for (const path of ["/oauth/installedLocations", "/oauth/locationToken"] as const) {
      const { get, post } = document.paths[path] ?? {}
      const version = (get ?? post)?.parameters.find(({ name }) => name === "version")
      assert.include(JSON.stringify(version), `"enum":["2021-07-28","2021-04-15","2023-02-21","v3"]`)
    }
  })

  const fields =
    "success conversation id locationId contactId assignedTo userId lastMessageBody lastMessageDate lastMessageType " +
    "unreadCount inbox starred deleted statusCode message error"
  it.each(fields.split(" "))("has the documented response field %s", (field) => {
    assert.include(JSON.stringify(operation?.responses), `"${field}"`)
  })

  it.each(Conversation.documentedMessageTypes)("has the documented message type %s", (type) => {
    assert.include(text, `"${type}"`)
  })

  it("says nothing of our own tags", () => {
    assert.notInclude(text, "_tag")
  })
})
