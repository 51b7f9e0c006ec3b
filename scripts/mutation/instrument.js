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

export const instrument = (files) =>
  new Instrumenter(logger).instrument(
    files.map(({ name, content }) => ({ name, content, mutate: true })),
    { excludedMutations: [], ignorers: [], plugins: null }
  )
