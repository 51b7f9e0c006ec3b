/** The SDKs that only bench/ installs; JavaScript, since a check of types must do without them. */

export const official = async (baseUrl, token, version) => {
  const { HighLevel } = await import("@gohighlevel/api-client")
  // It has no option for it.
  HighLevel.BASE_URL = baseUrl
  const client = new HighLevel({ privateIntegrationToken: token, apiVersion: version, logLevel: "none" })
  return ({ conversationId, ...changes }) => client.conversations.updateConversation({ conversationId }, changes)
}

export const gnosticdev = async (baseUrl, token, version) => {
  const { createHighLevelClient } = await import("@gnosticdev/highlevel-sdk")
  const client = createHighLevelClient({ baseUrl }, "integration", {
    privateToken: token,
    accessType: "Sub-Account",
    scopes: ["conversations.write"]
  })
  return async ({ conversationId, ...changes }) => {
    const { data, error } = await client.conversations.PUT("/conversations/{conversationId}", {
      params: { path: { conversationId }, header: { Version: version, Authorization: `Bearer ${token}` } },
      body: changes
    })
    if (error !== undefined) throw error
    return data
  }
}
