/** Reports a server that cannot listen. */
import type * as HttpServerError from "effect/http/HttpServerError"
import * as CliFailure from "./failure.ts"
import * as ExitCode from "./exitCode.ts"

export const cannotListen = (port: number, { cause }: HttpServerError.ServeError) =>
  new CliFailure.CliFailure({
    exitCode: ExitCode.failed,
    text: `Cannot listen on port ${port}: ${String(cause)}`,
    json: { _tag: "ServeError", message: String(cause) }
  })
