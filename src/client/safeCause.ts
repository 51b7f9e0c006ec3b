/** The error of an HTTP client without what it may hold: requests, sockets, raw bytes, tokens. */
import * as Effect from "effect/Effect"
import type { Redaction } from "./redaction.ts"

const textOf = (value: unknown): string => {
  try {
    return typeof value === "object" && value !== null ? JSON.stringify(value) : String(value)
  } catch {
    return Object.prototype.toString.call(value)
  }
}

/**
 * Copies the names, codes and messages of an error and its causes into plain errors.
 * The chain is bounded, since causes may be circular.
 */
export const make = (cause: unknown, redact: Redaction, depth = 8): Error => {
  if (!(cause instanceof Error)) return new Error(redact(textOf(cause)))
  // One error for each address that was tried.
  const parts = cause instanceof AggregateError ? cause.errors.map((error) => make(error, redact, 0).message) : []
  const code = "code" in cause && typeof cause.code === "string" ? cause.code : undefined
  const own = cause.message === "" ? (code ?? cause.name) : cause.message
  const inner = cause.cause === undefined || depth === 0 ? {} : { cause: make(cause.cause, redact, depth - 1) }
  const safe = new Error(redact([own, ...parts].join("; ")), inner)
  safe.name = redact(cause.name)
  return code === undefined ? safe : Object.assign(safe, { code: redact(code) })
}

/** Turns defects of a store or of an HTTP client into failures. */
export const failingDefects = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, unknown, R> =>
  Effect.catchDefect(effect, (defect) => Effect.fail<unknown>(defect))
