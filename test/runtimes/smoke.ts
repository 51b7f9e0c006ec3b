/** The program that is run where no test runner is: an update, and each documented error caught by its tag. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Conversations from "../../src/client/Conversations.ts"
import * as HighLevelClient from "../../src/client/HighLevelClient.ts"

// The documentation's example, with which a sandbox starts.
const conversationId = "tDtDnQdgm2LXpyiqYvZ6"
const locationId = "tDtDnQdgm2LXpyiqYvZ6"

/** What the documentation says can go wrong. The sandbox refuses an update of the conversation `refused-400` with a 400. */
export const refusals = [400, 401, 422]

export const expected: ReadonlyArray<string> = [
  "unreadCount: 0, starred: true",
  "400 BadRequest",
  "401 Unauthorized (InvalidToken)",
  "422 Unprocessable"
]

const update = Effect.map(
  Conversations.update({ conversationId, locationId, unreadCount: 0, starred: true }),
  ({ conversation: { starred, unreadCount } }) => `unreadCount: ${unreadCount}, starred: ${starred}`
)

const refused = (status: number) =>
  Conversations.update({ conversationId: `refused-${status}`, locationId, starred: true }).pipe(
    Effect.as("applied"),
    Effect.catchTags({
      BadRequest: (error) => Effect.succeed(`${error.status} BadRequest`),
      Unauthorized: (error) => Effect.succeed(`${error.status} Unauthorized (${error.reason})`),
      Unprocessable: (error) => Effect.succeed(`${error.status} Unprocessable`)
    })
  )

/** What it saw, in order; what it did not expect is among it, and ends nothing. */
export const smoke = (baseUrl: string): Promise<ReadonlyArray<string>> =>
  Effect.forEach([update, ...refusals.map(refused)], (step) =>
    Effect.catch(step, (error) => Effect.succeed(`${error._tag}: ${error.message}`))
  ).pipe(
    Effect.provide(
      HighLevelClient.layer({ token: Redacted.make("sandbox-token"), baseUrl }).pipe(
        Layer.provide(FetchHttpClient.layer)
      )
    ),
    Effect.runPromise
  )
