#!/usr/bin/env node
import module from "node:module"

// Node 22.8 and newer keep what they compiled in the temporary directory: half of the start.
module.enableCompileCache?.()
await import("./program.ts")
