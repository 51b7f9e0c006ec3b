/** Where the tests send what is in no interaction, and which interactions no test can send; each with its reason. */
import { interactions } from "./interactions.ts"
import * as Request from "./request.ts"

export interface Exception {
  readonly reason: string
  /** A request that must be under contract in place of this one; "none", or undefined for a request that is no exception. */
  readonly instead: (request: Request.RecordedRequest) => Request.RecordedRequest | "none" | undefined
}

const exampleOf = (description: string) => {
  const found = interactions.find((interaction) => interaction.description === description)
  if (found === undefined) throw new Error(`there is no interaction: ${description}`)
  return found.request
}

const everyParameter = Object.fromEntries(
  Object.entries(exampleOf("a search with every parameter").query ?? {}).map(([parameter, [value = ""]]) => [
    parameter,
    value
  ])
)

export const exceptions: ReadonlyArray<Exception> = [
  {
    reason:
      "Pact cannot match an optional key of a query: a search with some parameters counts as one with every parameter",
    instead: (request) =>
      request.path === "/conversations/search"
        ? {
            ...request,
            query: Object.fromEntries(
              Object.entries({ ...everyParameter, ...request.query }).map(([name, value]) => [
                name,
                everyParameter[name] ?? value
              ])
            )
          }
        : undefined
  },
  {
    reason: "a code is exchanged by an agency as by a location, and without the redirect URI where none was given",
    instead: (request) =>
      request.path === "/oauth/token" &&
      Request.isFields(request.body) &&
      request.body["code"] === Request.name &&
      ["Company", "Location"].includes(String(request.body["user_type"]))
        ? { ...request, body: { redirect_uri: Request.name, ...request.body, user_type: "Location" } }
        : undefined
  },
  {
    reason: "the page documents one version; the API has others, of which the contract shows the feedback that differs",
    instead: (request) =>
      request.method === "PUT" && ["2021-04-15", "2023-02-21", "v3"].includes(request.headers["version"] ?? "")
        ? { ...request, headers: { ...request.headers, version: "2021-07-28" } }
        : undefined
  },
  {
    reason: "a page of locations may begin after any number of them; in the contract, after one",
    instead: (request) =>
      request.path === "/oauth/installedLocations" && /^\d+$/.test(request.query["skip"] ?? "")
        ? { ...request, query: { ...request.query, skip: "1" } }
        : undefined
  },
  {
    reason:
      "endpoints that the package does not know, called through the `http` of the client or an operation of the test",
    instead: ({ path }) => (/^\/(contacts\/.*|messages\/l|x|y)$/.test(path) ? "none" : undefined)
  }
]

/** Interactions that no behaviour test exercises. */
export const unexercised: ReadonlyArray<{ readonly description: string; readonly reason: string }> = [
  {
    description: "the version is not known",
    reason: "the client has no option that sends an unknown version; the consumer test changes it on its way"
  }
]
