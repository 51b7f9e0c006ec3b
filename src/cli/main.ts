#!/usr/bin/env node
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Runtime from "effect/Runtime"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Cli from "./Cli.ts"
import * as ExitCode from "./ExitCode.ts"

Cli.run(process.argv.slice(2)).pipe(
  Effect.flatMap((code) => (code === ExitCode.done ? Effect.void : Effect.fail({ [Runtime.errorExitCode]: code }))),
  Effect.provide(Layer.merge(NodeServices.layer, FetchHttpClient.layer)),
  NodeRuntime.runMain({ disableErrorReporting: true })
)
