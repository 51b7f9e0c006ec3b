#!/usr/bin/env node
import module from "node:module"
import { compileCacheFolder } from "./compileCache.ts"

// Node 22.8 and newer can cache compiled code. Node's own variables take precedence.
if (!process.env["NODE_COMPILE_CACHE"] && !process.env["NODE_DISABLE_COMPILE_CACHE"]) {
  const folder = compileCacheFolder()
  if (folder !== undefined) module.enableCompileCache?.(folder)
}
await import("./program.ts")
