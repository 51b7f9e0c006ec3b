/** Records the requests of a program that Node runs from source: given to it as `--import`. */
import { registerHooks } from "node:module"
import { fileURLToPath, pathToFileURL } from "node:url"
import * as Recording from "./recording.ts"

Object.assign(process.env, Recording.env)

registerHooks({
  resolve: (specifier, context, next) => {
    const importer = context.parentURL?.startsWith("file:") === true ? fileURLToPath(context.parentURL) : undefined
    return Recording.isExchange(specifier, importer)
      ? { url: pathToFileURL(Recording.recording).href, format: "module-typescript", shortCircuit: true }
      : next(specifier, context)
  }
})
