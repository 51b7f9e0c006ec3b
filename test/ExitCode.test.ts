import { assert, describe, it } from "vitest"
import { HighLevelError } from "effect-highlevel"
import * as ExitCode from "../src/cli/ExitCode.ts"
import { ids } from "./harness.ts"

const answer = { ...ids, messages: [], body: "" }
const status = (status: number, messages: ReadonlyArray<string> = []) =>
  new HighLevelError.UnexpectedStatus({ ...answer, status, messages })

describe("the exit code", () => {
  it.each([
    [new HighLevelError.AppliedUnreadable({ ...answer, status: 200, cause: "empty" }), 0],
    [new HighLevelError.InvalidRequest({ issues: [{ field: "starred", message: "Expected boolean" }] }), 64],
    [new HighLevelError.InvalidOptions({ option: "token", expected: "a token" }), 64],
    [new HighLevelError.BadRequest({ ...answer, status: 400 }), 65],
    [new HighLevelError.Unprocessable({ ...answer, status: 422 }), 65],
    [new HighLevelError.Unsuccessful({ ...answer, status: 200 }), 65],
    [status(404), 65],
    [status(500, ["Conversation with id X not found"]), 65],
    [new HighLevelError.Unauthorized({ ...answer, status: 401, reason: "Unknown" }), 77],
    [status(403), 77],
    [status(408), 75],
    [status(429), 75],
    [status(500), 75],
    [status(502), 75],
    [new HighLevelError.TransportFailure({ ...ids, cause: "reset" }), 75],
    [new HighLevelError.RequestTimeout({ ...ids, scope: "call", timeoutMillis: 1 }), 75],
    [new HighLevelError.ReconnectRequired({ ...ids, messages: [] }), 77],
    [new HighLevelError.TokenUnavailable({ ...ids, messages: [], reason: "Refused" }), 77],
    [new HighLevelError.TokenUnavailable({ ...ids, messages: [], reason: "Unreachable" }), 75],
    [status(302), 70],
    [status(418), 70]
  ] as const)("of %s is %i", (error, code) => {
    assert.strictEqual(ExitCode.fromError(error), code)
  })
})
