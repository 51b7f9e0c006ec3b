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
      }
    ]
  }
})
