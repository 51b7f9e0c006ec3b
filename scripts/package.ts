/**
 * What is published works: the right files, types that resolve, and a project
 * that installs the tarball, imports every entry and runs the command.
 */
import { build } from "esbuild"
import { execFileSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { gzipSync } from "node:zlib"

const maximumBrowserBundle = 78_000

const run = (command: string, args: ReadonlyArray<string>, cwd = ".") =>
  execFileSync(command, [...args], { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] })

const directory = mkdtempSync(join(tmpdir(), "effect-highlevel-"))
try {
  const [packed] = JSON.parse(run("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", directory]))
  const files: ReadonlyArray<string> = packed.files.map((file: { readonly path: string }) => file.path)
  const unexpected = files.filter(
    (file) =>
      !/^(src|dist|contracts\/pacts)\/|^contracts\/README\.md$|^(README|CHANGELOG|LICENSE|package)(\.md|\.json)?$/.test(
        file
      )
  )
  const missing = [
    "dist/index.js",
    "dist/index.d.ts",
    "dist/testing/index.js",
    "contracts/pacts/effect-highlevel-highlevel-api.json",
    "dist/cli/main.js",
    "README.md",
    "LICENSE"
  ].filter((file) => !files.includes(file))
  if (unexpected.length + missing.length > 0) {
    throw new Error(`In the package, unexpected: ${unexpected.join(", ")}; missing: ${missing.join(", ")}`)
  }
  console.log(`package: ${files.length} files, ${packed.size} bytes packed`)

  const tarball = join(directory, packed.filename)
  run("publint", ["run", tarball, "--strict"])
  run("attw", [tarball, "--profile", "esm-only", "--quiet"])
  console.log("publint and arethetypeswrong: clean")

  const consumer = join(directory, "consumer")
  const installed = join(consumer, "node_modules/effect-highlevel")
  mkdirSync(installed, { recursive: true })
  run("tar", ["-xzf", tarball, "--strip-components=1", "-C", installed])
  symlinkSync(resolve("node_modules/effect"), join(consumer, "node_modules/effect"))
  writeFileSync(join(consumer, "package.json"), `{"type":"module"}`)
  writeFileSync(
    join(consumer, "main.ts"),
    `import * as Conversations from "effect-highlevel/Conversations"
     import { HighLevelApi } from "effect-highlevel"
     import { Sandbox } from "effect-highlevel/testing"
     import { Effect, Layer, Redacted } from "effect"
     import pact from "effect-highlevel/pacts/effect-highlevel-highlevel-api.json" with { type: "json" }
     if (pact.interactions.length < 10) throw new Error("not the contract")
     const id = Sandbox.documentedConversation.id
     const layer = Conversations.layer({ token: Redacted.make("sandbox-token") }).pipe(Layer.provide(Sandbox.layer()))
     const answer = await Effect.runPromise(
       Conversations.update({ conversationId: id, locationId: id, starred: true }).pipe(Effect.provide(layer))
     )
     const starred: boolean | null | undefined = answer.conversation.starred
     if (starred !== true || HighLevelApi.HighLevelApi === undefined) throw new Error("not updated")`
  )
  const resolutions = [
    ["NodeNext", "NodeNext"],
    ["ESNext", "Bundler"]
  ] as const
  for (const [module, moduleResolution] of resolutions) {
    run(
      resolve("node_modules/.bin/tsc"),
      // skipLibCheck off: our own declarations are checked as well.
      [
        "--noEmit",
        "--strict",
        "--target",
        "ES2022",
        "--lib",
        "ES2023,DOM,DOM.Iterable",
        "--module",
        module,
        "--moduleResolution",
        moduleResolution,
        "--exactOptionalPropertyTypes",
        "--resolveJsonModule",
        "main.ts"
      ],
      consumer
    )
  }
  run(process.execPath, ["main.ts"], consumer)
  run(process.execPath, [join(installed, "dist/cli/main.js"), "--version"], consumer)
  console.log("a consumer type-checks (nodenext, bundler) and runs")

  const { outputFiles } = await build({
    stdin: {
      contents: `import * as Effect from "effect/Effect"
        import * as Layer from "effect/Layer"
        import * as Redacted from "effect/Redacted"
        import * as FetchHttpClient from "effect/http/FetchHttpClient"
        import * as Conversations from "effect-highlevel/Conversations"
        const layer = Conversations.layer({ token: Redacted.make("t") }).pipe(Layer.provide(FetchHttpClient.layer))
        Effect.runPromise(Conversations.update({ conversationId: "c", locationId: "l" }).pipe(Effect.provide(layer)))`,
      resolveDir: consumer
    },
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    platform: "browser"
  })
  const size = gzipSync(outputFiles[0]?.contents ?? "").length
  console.log(`browser bundle, Effect included: ${(size / 1000).toFixed(1)} kB gzipped`)
  if (size > maximumBrowserBundle) throw new Error(`The browser bundle is over ${maximumBrowserBundle / 1000} kB`)

  const { version } = JSON.parse(readFileSync("package.json", "utf8"))
  if (packed.version !== version) throw new Error("The tarball is of another version")
} finally {
  rmSync(directory, { recursive: true, force: true })
}
