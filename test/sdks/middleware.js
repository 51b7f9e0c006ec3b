/** The official middleware, unmodified, as a server calls it; JavaScript, since a check of types must do without it. */
import { HighLevel } from "@gohighlevel/api-client"

/** What it makes of a delivery before the handler of the application is called. */
export const makeMiddleware = ({ clientId, clientSecret, key }) => {
  const client = new HighLevel({ clientId, clientSecret, logLevel: "none", webhookPublicKey: key })
  const middleware = client.webhooks.subscribe()
  return async ({ body, headers, keepsRawBody }) => {
    const request = { method: "POST", url: "/webhooks", headers }
    // What `express.json()` does, with or without its `verify` that keeps the bytes.
    try {
      request.body = JSON.parse(new TextDecoder().decode(body))
    } catch {
      return "not called: 400"
    }
    if (keepsRawBody) request.rawBody = Buffer.from(body)
    let called = "not called"
    await middleware(request, {}, (error) => {
      const { isSignatureValid, skippedSignatureVerification } = request
      let flag = isSignatureValid === undefined ? "no flag" : isSignatureValid ? "valid" : "invalid"
      if (skippedSignatureVerification) flag = "skipped"
      called = error === undefined ? `called: ${flag}` : "not called: error"
    })
    return called
  }
}
