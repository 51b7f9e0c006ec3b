import { assert, describe, it } from "vitest"
import { HighLevelError } from "effect-highlevel"
import * as ExitCode from "../src/cli/exitCode.ts"
import { call } from "./harness.ts"

const response = { ...call, messages: [], body: "" }
const status = (status: number, over: { readonly reason?: HighLevelError.Reason } = {}) =>
  new HighLevelError.UnexpectedStatus({ ...response, status, ...over })

describe("the exit code", () => {
  it.each([
    [new HighLevelError.UnreadableResponse({ ...response, status: 200, cause: "empty" }), 0],
    [
      new HighLevelError.InvalidRequest({
        operation: "Conversations.update",
        issues: [{ field: "starred", message: "Expected boolean" }]
      }),
      64
    ],
    [new HighLevelError.InvalidOptions({ option: "token", expected: "a token" }), 64],
    [new HighLevelError.BadRequest({ ...response, status: 400 }), 65],
    [new HighLevelError.Unprocessable({ ...response, status: 422 }), 65],
    [new HighLevelError.Unsuccessful({ ...response, status: 200 }), 65],
    [status(404), 65],
    [status(500, { reason: "NotFound" }), 65],
    [status(403, { reason: "WrongLocation" }), 77],
    [new HighLevelError.BadRequest({ ...response, status: 400, reason: "VersionHeader" }), 64],
    [new HighLevelError.Unauthorized({ ...response, status: 401, reason: "VersionHeader" }), 64],
    [new HighLevelError.Unauthorized({ ...response, status: 401, reason: "GatewayTimeout" }), 75],
    [new HighLevelError.UnreadableResponse({ ...response, status: 200, applied: "no", cause: "empty" }), 70],
    [new HighLevelError.Unauthorized({ ...response, status: 401, reason: "Unknown" }), 77],
    [status(403), 77],
    [status(408), 75],
    [status(429), 75],
    [status(500), 75],
    [status(502), 75],
    [new HighLevelError.TransportFailure({ ...call, cause: "reset" }), 75],
    [new HighLevelError.RequestTimeout({ ...call, scope: "call", waitingFor: "response", timeoutMillis: 1 }), 75],
    [new HighLevelError.ReconnectRequired({ ...call, messages: [] }), 77],
    [new HighLevelError.TokenUnavailable({ ...call, messages: [], reason: "Refused" }), 77],
    [new HighLevelError.TokenUnavailable({ ...call, messages: [], reason: "Unreachable" }), 75],
    [status(302), 70],
    [status(418), 70]
  ] as const)("of %s is %i", (error, code) => {
    assert.strictEqual(ExitCode.fromError(error), code)
  })
})
