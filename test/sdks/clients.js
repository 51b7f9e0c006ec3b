/** The SDKs as clients of the sandbox; JavaScript, since a check of types must do without them. */
import { createHighLevelClient } from "@gnosticdev/highlevel-sdk"
import { HighLevel } from "@gohighlevel/api-client"

const scopes = ["conversations.readonly", "conversations.write", "oauth.readonly", "oauth.write"]
const changes = (locationId) => ({ locationId, unreadCount: 0, starred: true })

export const official = (settings) => {
  const { appId, baseUrl, clientId, clientSecret, companyId, conversationId, locationId, redirectUri } = settings
  // It has no option for it.
  HighLevel.BASE_URL = baseUrl
  const client = new HighLevel({ clientId, clientSecret, logLevel: "none" })
  const sessions = client.getSessionStorage()
  const stored = async (id, tokens) => {
    await sessions.setSession(id, { ...(await sessions.getSession(id)), ...tokens })
    return tokens
  }
  const exchange = (code) =>
    client.oauth.getAccessToken({
      client_id: clientId,
      client_secret: clientSecret,
      grant_type: "authorization_code",
      user_type: "Location",
      code
    })
  // It refreshes by itself what ends within 30 seconds.
  const update = () => client.conversations.updateConversation({ conversationId }, changes(locationId))
  return {
    name: "@gohighlevel/api-client",
    agencyRefreshes: ["POST /oauth/token 200"],
    pageUrl: client.oauth.getAuthorizationUrl(clientId, redirectUri, scopes.join(" ")),
    exchange: async (code) => stored(locationId, await exchange(code)),
    refresh: async () => {
      const refreshToken = await sessions.getRefreshToken(locationId)
      return stored(
        locationId,
        await client.oauth.refreshToken(refreshToken, clientId, clientSecret, "refresh_token", "Location")
      )
    },
    update,
    exchangeAgency: async (code) => stored(companyId, await exchange(code)),
    installedLocations: () => client.oauth.getInstalledLocation({ companyId, appId, isInstalled: true }),
    locationToken: async () => {
      const tokens = await client.oauth.getLocationAccessToken({ companyId, locationId })
      await sessions.deleteSession(locationId)
      return stored(locationId, tokens)
    },
    updateWithLocationToken: update
  }
}

export const gnosticdev = (settings) => {
  const { appId, baseUrl, clientId, clientSecret, companyId, conversationId, locationId, redirectUri } = settings
  const make = (accessType) =>
    createHighLevelClient({ baseUrl }, "oauth", {
      clientId,
      clientSecret,
      redirectUri,
      accessType,
      scopes,
      baseAuthUrl: `${baseUrl}/v2/oauth/chooselocation`
    })
  const location = make("Sub-Account")
  // An app for sub-accounts that an agency installs: it asks for a Location, and gets a Company token.
  const agency = make("Sub-Account")
  let locationToken
  // It sends an agency's calls without a token; openapi-fetch has a hook for it.
  const withToken = {
    onRequest: ({ request }) => {
      request.headers.set("authorization", `Bearer ${agency.oauth.tokenData.access_token}`)
      return request
    }
  }
  const asAgency = async (call) => {
    agency.oauth._client.use(withToken)
    try {
      return await call()
    } finally {
      agency.oauth._client.eject(withToken)
    }
  }
  const exchangeLocation = () => agency.oauth.generateLocationToken({ companyId, locationId })
  const update = async (token) => {
    const { data, error } = await location.conversations.PUT("/conversations/{conversationId}", {
      params: { path: { conversationId }, header: { Version: "2021-07-28", Authorization: `Bearer ${token}` } },
      body: changes(locationId)
    })
    if (error !== undefined) throw new Error(JSON.stringify(error))
    return data
  }
  return {
    name: "@gnosticdev/highlevel-sdk",
    agencyRefreshes: [],
    pageUrl: location.oauth.getAuthorizationUrl(),
    exchange: async (code) => {
      await location.oauth.getAccessToken(code)
      return location.oauth.tokenData
    },
    // It refreshes by itself what ends within 5 minutes.
    refresh: async () => {
      await location.oauth.getAccessToken()
      return location.oauth.tokenData
    },
    update: async () => update(await location.oauth.getAccessToken()),
    exchangeAgency: async (code) => {
      await agency.oauth.getAccessToken(code)
      return agency.oauth.tokenData
    },
    installedLocations: () =>
      asAgency(() => agency.oauth.getInstalledLocations({ companyId, appId, isInstalled: true })),
    locationTokenAsIs: exchangeLocation,
    locationToken: async () => {
      locationToken = await asAgency(exchangeLocation)
      return locationToken
    },
    updateWithLocationToken: () => update(locationToken.access_token)
  }
}
