/** `effect-highlevel accounts`: lists connected accounts, and disconnects them. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import type { Connected } from "../oauth/oauthService.ts"
import * as CliFailure from "./failure.ts"
import * as Output from "./output.ts"
import * as Shared from "./shared.ts"

const idOf = (account: Connected) => (account.userType === "Location" ? account.locationId : account.companyId)

/** `Location l of agency c (conversations.write)`. */
const describe = (account: Connected) => {
  const name =
    account.userType === "Company"
      ? `Agency ${account.companyId}`
      : `Location ${account.locationId}${account.companyId === undefined ? "" : ` of agency ${account.companyId}`}`
  return Output.printable(account.scopes.length === 0 ? name : `${name} (${account.scopes.join(" ")})`)
}

export const accounts = Command.make(
  "accounts",
  {
    disconnect: Flag.String("disconnect").pipe(
      Flag.withDescription("Remove the tokens of a location, or of an agency and its locations"),
      Flag.withMetavar("id"),
      Flag.optional
    ),
    ...Shared.serverFlags,
    json: Flag.Boolean("json").pipe(Flag.withDescription("Print JSON lines, including errors"), Flag.withDefault(false))
  },
  Effect.fnUntraced(function* ({ disconnect, json, ...server }) {
    const StoredTokens = yield* Effect.promise(() => import("./storedTokens.ts"))
    const { OAuth } = yield* Effect.promise(() => import("../oauth/oauthService.ts"))
    yield* Effect.gen(function* () {
      const oauth = yield* OAuth
      const print = (account: Connected) =>
        Console.log(json ? Output.printable(JSON.stringify(account)) : describe(account))
      if (Option.isNone(disconnect)) {
        const count = yield* Stream.runFoldEffect(
          oauth.list,
          () => 0,
          (count, account) => Effect.as(print(account), count + 1)
        )
        if (count === 0 && !json) yield* Console.error("No account is connected: effect-highlevel connect")
        return
      }
      const found = yield* oauth.list.pipe(
        Stream.filter((account) => idOf(account) === disconnect.value),
        Stream.runCollect
      )
      if (found.length === 0) {
        return yield* CliFailure.usage(
          `No account ${Output.printable(disconnect.value)} is connected: effect-highlevel accounts lists them.`
        )
      }
      for (const account of found) {
        yield* oauth.disconnect(
          account.userType === "Location" ? { locationId: account.locationId } : { companyId: account.companyId }
        )
        yield* print(account)
      }
      const advice = "Its tokens are removed. The app stays installed in HighLevel until the customer uninstalls it."
      yield* Console.error(json ? JSON.stringify({ _tag: "Disconnected", accounts: found.length }) : advice)
    }).pipe(Effect.provide(StoredTokens.layer(server)), StoredTokens.catchErrors)
  }, CliFailure.asAsked)
).pipe(
  Command.withDescription("List the connected accounts of the app (HIGHLEVEL_CLIENT_ID, HIGHLEVEL_CLIENT_SECRET)"),
  Command.withExamples([
    { command: "effect-highlevel accounts", description: "List them" },
    { command: "effect-highlevel accounts --disconnect <id>", description: "Remove the tokens of one" }
  ])
)
