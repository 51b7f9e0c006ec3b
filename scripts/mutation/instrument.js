/** Stryker's instrumenter: the source with all of its mutants, each behind a switch. */
import { Instrumenter } from "@stryker-mutator/instrumenter"

const quiet = () => {}
const off = () => false
const logger = {
  isTraceEnabled: off,
  isDebugEnabled: off,
  isInfoEnabled: off,
  isWarnEnabled: off,
  isErrorEnabled: off,
  isFatalEnabled: off,
  trace: quiet,
  debug: quiet,
  info: quiet,
  warn: quiet,
  error: quiet,
  fatal: quiet
}

const documenting = new Set([
  "annotate",
  "annotateKey",
  "annotations",
  "withDescription",
  "withExamples",
  "withMetavar"
])
const documentingFields = new Set(["description", "examples"])

/** Texts for readers of the OpenAPI document and of `--help`. */
const documentation = {
  shouldIgnore: ({ key, listKey, node, parent }) => {
    const isArgument =
      listKey === "arguments" &&
      parent.type === "CallExpression" &&
      documenting.has(parent.callee.property?.name ?? parent.callee.name)
    const isField = key === "value" && parent.type === "ObjectProperty" && documentingFields.has(parent.key.name)
    return isArgument || (isField && node.type !== "Identifier") ? "documentation" : undefined
  }
}

export const instrument = (files) =>
  new Instrumenter(logger).instrument(
    files.map(({ name, content }) => ({ name, content, mutate: true })),
    { excludedMutations: [], ignorers: [documentation], plugins: null }
  )
