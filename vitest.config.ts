import { defineConfig } from "vitest/config"
import * as Recording from "./contracts/gate/recording.ts"

// The package imports itself by name, from source.
const conditions = ["effect-highlevel-source"]

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    // More than two cores: many tests wait for processes.
    maxWorkers: 3,
    projects: [
      {
        extends: true,
        // Effect is loaded once by a worker, and not by each file: half of the time.
        plugins: [Recording.plugin],
        test: {
          name: "test",
          include: ["test/**/*.test.ts"],
          isolate: false,
          env: Recording.env,
          globalSetup: ["contracts/gate/recording.ts", "test/programs.ts"]
        }
      },
      {
        extends: true,
        plugins: [Recording.plugin],
        test: {
          name: "documentation",
          include: ["build/documentation/*.test.ts"],
          isolate: false,
          env: Recording.env
        }
      },
      {
        extends: true,
        test: {
          name: "contracts",
          globalSetup: "test/programs.ts",
          include: ["contracts/**/*.pact.test.ts"],
          testTimeout: 60_000,
          // Pact's native part sees an environment set here only in a process of its own.
          // It loses interactions where two write one file: here, each test has its own.
          pool: "forks",
          isolate: false,
          env: { PACT_DO_NOT_TRACK: "true", SCARF_ANALYTICS: "false", HTTP_PROXY: "", HTTPS_PROXY: "" }
        }
      }
    ]
  }
})
