/** The same callers with the official SDK, its retry on. Arguments: base URL, number of conversations. */
import { HighLevel } from "@gohighlevel/api-client"

const [baseUrl, count] = process.argv.slice(2)
HighLevel.BASE_URL = baseUrl

const client = new HighLevel({
  privateIntegrationToken: "sandbox-token",
  apiVersion: "2021-07-28",
  rateLimitRetry: true,
  logLevel: "none"
})

await Promise.all(
  Array.from({ length: Number(count) }, (_, index) =>
    client.conversations
      .updateConversation({ conversationId: `c-${index}` }, { locationId: "location", starred: true })
      .then(
        () => console.log("applied"),
        (error) => console.log(`failed: ${error?.statusCode ?? error?.response?.status ?? error?.message}`)
      )
  )
)
