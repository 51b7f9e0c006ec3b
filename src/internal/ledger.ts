/**
 * What a journal says, in little memory: eight bytes for each input, and the ids
 * of those conversations only for which something failed or has changed.
 */
import type { ConversationUpdate } from "../ConversationUpdate.ts"
import * as Hash from "./hash.ts"

/** Tells one input in 9e15 for another. */
export const hashOf = ({ conversationId, feedback, locationId, starred, unreadCount }: ConversationUpdate): number =>
  Hash.make(textOf([conversationId, locationId, unreadCount, starred, feedback]))

// What JSON cannot write cannot be applied either.
const textOf = (fields: ReadonlyArray<unknown>) => {
  try {
    return JSON.stringify(fields)
  } catch {
    return ""
  }
}

export interface Entry {
  readonly position: number
  readonly conversationId: string
  readonly locationId: string
  readonly hash: number
  readonly outcome: "Applied" | "Failed"
  readonly supersedes?: ReadonlyArray<number>
}

const chunkLength = 8192

/** Numbers by position, zero where there are none. */
const sparse = () => {
  const chunks = new Map<number, Float64Array>()
  return {
    get: (position: number) => chunks.get(Math.floor(position / chunkLength))?.[position % chunkLength] ?? 0,
    set: (position: number, value: number) => {
      const index = Math.floor(position / chunkLength)
      const chunk = chunks.get(index) ?? new Float64Array(chunkLength)
      chunks.set(index, chunk)
      chunk[position % chunkLength] = value
    }
  }
}

const keyOf = ({ conversationId, locationId }: { readonly conversationId: string; readonly locationId: string }) =>
  JSON.stringify([locationId, conversationId])

export const make = () => {
  /** The hashes of inputs that were applied, and, negative, of those that need not be any more. */
  const done = sparse()
  /** Which inputs of a conversation failed, and with which hash. */
  const failed = new Map<string, Map<number, number>>()
  /** Conversations of which something was done anew before the end of the journal. */
  const changed = new Set<string>()
  let end = 0

  const record = ({ hash, outcome, position, supersedes = [], ...ids }: Entry) => {
    const key = keyOf(ids)
    const failures = failed.get(key) ?? new Map<number, number>()
    if (outcome === "Applied") {
      done.set(position, hash)
      failures.delete(position)
    } else {
      done.set(position, 0)
      failures.set(position, hash)
    }
    for (const other of supersedes) {
      const failure = failures.get(other)
      if (failure !== undefined) done.set(other, -failure)
      failures.delete(other)
    }
    if (failures.size > 0) failed.set(key, failures)
    else failed.delete(key)
    end = Math.max(end, position + 1)
  }

  return {
    /** Takes in what an earlier run wrote. */
    record,

    skip: (position: number, update: ConversationUpdate) => {
      if (position >= end) return undefined
      const key = keyOf(update)
      const known = done.get(position)
      // Once a line was done anew, those after it have to be, in their order.
      if (known !== 0 && Math.abs(known) === hashOf(update) && !changed.has(key)) {
        return known > 0 ? "Applied" : "Superseded"
      }
      changed.add(key)
      return undefined
    },

    /** Takes in what ended now, and tells which failures of the conversation it makes good. */
    end: (entry: Entry): ReadonlyArray<number> => {
      const failures = entry.outcome === "Applied" ? [...(failed.get(keyOf(entry))?.keys() ?? [])] : []
      const supersedes = failures.filter((position) => position < entry.position)
      record({ ...entry, supersedes })
      return supersedes
    }
  }
}
