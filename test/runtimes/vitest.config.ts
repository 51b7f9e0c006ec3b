/**
 * The behaviour tests, as a runtime of the matrix runs them: the configuration is
 * loaded by that runtime itself. Everything in `test` is behaviour but what is named here.
 */
import { resolve } from "node:path"
import process from "node:process"
import { defineConfig } from "vitest/config"

/** Left to `npm test`, each for the processes that it starts with the flags of Node. */
const leftToNode = {
  "test/Bodies.test.ts": "measures the memory of a program of Node",
  "test/BulkProcesses.test.ts": "kills the command line under way, and starts it again",
  "test/Cli.test.ts": "runs the command line, which is published for Node",
  "test/CliConnect.test.ts": "runs the command line, which is published for Node",
  "test/CliMarkRead.test.ts": "runs the command line, also at a terminal",
  "test/CliProcesses.test.ts": "starts the command line, at a terminal and in pipes",
  "test/CliUpdateAll.test.ts": "runs the command line, which is published for Node",
  "test/CompileCache.test.ts": "is about a cache that Node keeps",
  "test/InboxProcesses.test.ts": "kills the command line under way, and measures its heap",
  "test/OAuthProcesses.test.ts": "kills processes between a refresh and its storing",
  "test/ReadmeCommands.test.ts": "starts the commands and programs of the pages, with Node",
  "test/RateLimiterRedis.test.ts": "starts several processes that share a rate limit",
  "test/SandboxPage.test.ts": "runs the sandbox of the command line",
  "test/WebhookProcesses.test.ts": "kills a receiver while it handles events",
  "test/examples.test.ts": "starts the examples, which are programs of Node",
  "test/links.test.ts": "reads the pages, and runs nothing of the package"
}

const conditions = ["effect-highlevel-source"]
const isBun = process.versions["bun"] !== undefined

export default defineConfig({
  resolve: {
    conditions,
    // Bun answers `import "undici"` with a stub of its own that cannot send; by its path, it loads the real one.
    alias: isBun ? [{ find: /^undici$/, replacement: resolve("node_modules/undici/index.js") }] : []
  },
  ssr: { resolve: { conditions } },
  test: {
    include: ["test/*.test.ts"],
    exclude: Object.keys(leftToNode),
    setupFiles: ["test/runtimes/setup.ts"],
    // Vitest calls `channel.unref` of a process that it forked, which Bun does not have.
    pool: isBun ? "threads" : "forks",
    server: { deps: { inline: isBun ? [/@effect\/platform-node/] : [] } },
    // Most of the time is spent waiting.
    maxWorkers: 2
  }
})
