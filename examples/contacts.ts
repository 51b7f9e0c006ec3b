/**
 * An endpoint that this package does not know, with the token, the rate limit and the
 * retry of its client: `npm run -s example examples/contacts.ts`, against a stand-in.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import { HighLevelClient } from "effect-highlevel"

const Contacts = Schema.Struct({ contacts: Schema.Array(Schema.Struct({ id: Schema.String, email: Schema.String })) })

const listContacts = Effect.fn("listContacts")(function* (locationId: string) {
  const client = yield* HighLevelClient.HighLevelClient
  const response = yield* client.http(locationId).get("/contacts/", { urlParams: { locationId, limit: "2" } })
  const ok = yield* HttpClientResponse.filterStatusOk(response)
  return (yield* HttpClientResponse.schemaBodyJson(Contacts)(ok)).contacts
})

// In an application: FetchHttpClient.layer, or the client of your platform package.
const StandIn = Layer.succeed(
  HttpClient.HttpClient,
  HttpClient.make((request, url) =>
    Effect.succeed(
      HttpClientResponse.fromWeb(
        request,
        url.pathname === "/contacts/" && request.headers["authorization"] === "Bearer pit-example"
          ? Response.json({ contacts: [{ id: "one", email: "ada@example.com" }], traceId: "trace" })
          : Response.json({ message: "Not Found" }, { status: 404 })
      )
    )
  )
)

await Effect.runPromise(
  listContacts("ve9EPM428h8vShlRW1KT").pipe(
    Effect.flatMap((contacts) => Console.log(contacts.map(({ email }) => email).join("\n"))),
    Effect.provide(HighLevelClient.layer({ token: Redacted.make("pit-example") }).pipe(Layer.provide(StandIn)))
  )
)
