/** The command line in this process: arguments and environment in, exit code and output out. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Sink from "effect/Sink"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import { inspect } from "node:util"
import * as Cli from "../src/cli/cli.ts"

export const run = Effect.fnUntraced(function* (
  args: ReadonlyArray<string>,
  env: Record<string, string> = {},
  stdin = ""
) {
  const [stdout, stderr]: [Array<string>, Array<string>] = [[], []]
  const decoder = new TextDecoder()
  const into = (texts: Array<string>) => () =>
    Sink.forEach((chunk: string | Uint8Array) =>
      Effect.sync(() => texts.push(typeof chunk === "string" ? chunk : decoder.decode(chunk)))
    )
  const printing =
    (texts: Array<string>) =>
    (...values: ReadonlyArray<unknown>) =>
      void texts.push(`${values.map((value) => (typeof value === "string" ? value : inspect(value))).join(" ")}\n`)
  const code = yield* Cli.run(args).pipe(
    Effect.provideService(
      Stdio.Stdio,
      Stdio.make({
        args: Effect.succeed(args),
        stdin: Stream.make(new TextEncoder().encode(stdin)),
        stdout: into(stdout),
        stderr: into(stderr)
      })
    ),
    Effect.provideService(Console.Console, { ...console, log: printing(stdout), error: printing(stderr) }),
    Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env })),
    Effect.provide(Layer.merge(NodeServices.layer, FetchHttpClient.layer)),
    Effect.scoped
  )
  return { code, stdout: stdout.join(""), stderr: stderr.join("") }
})
