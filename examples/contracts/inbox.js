/** The application, in any language: what HighLevel made of an update, in its own words. */
export const update = async (baseUrl, conversationId, changes, token = "sandbox-token") => {
  const response = await fetch(`${baseUrl}/conversations/${conversationId}`, {
    method: "PUT",
    headers: {
      Authorization: `Bearer ${token}`,
      Version: "2021-07-28",
      Accept: "application/json",
      "Content-Type": "application/json"
    },
    body: JSON.stringify({ locationId: "ve9EPM428h8vShlRW1KT", ...changes })
  })
  const { conversation, message } = await response.json()
  if (response.status === 401) return { outcome: "reconnect" }
  if (!response.ok) return { outcome: "refused", problems: [message].flat() }
  return { outcome: "done", conversation }
}
