import { defineConfig } from "vitest/config"

// The package imports itself by name, from source.
const conditions = ["effect-highlevel-source"]

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    projects: [
      {
        extends: true,
        test: { name: "test", include: ["test/**/*.test.ts", "build/documentation/*.test.ts"] }
      },
      {
        extends: true,
        test: {
          name: "contracts",
          include: ["contracts/**/*.pact.test.ts"],
          testTimeout: 60_000,
          // Pact's native part loses interactions when processes write in parallel, and
          // sees an environment set here only in a process of its own.
          pool: "forks",
          fileParallelism: false,
          env: { PACT_DO_NOT_TRACK: "true", SCARF_ANALYTICS: "false", HTTP_PROXY: "", HTTPS_PROXY: "" }
        }
      }
    ]
  }
})
