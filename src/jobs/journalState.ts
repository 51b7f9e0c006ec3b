/**
 * What a journal knows, in little memory: eight bytes for each input, and the ids
 * only of conversations of which something was sent again.
 */
import * as Hash from "../client/hash.ts"
import type { ConversationUpdate } from "../wire/updateConversation.ts"

/** Mistakes one input in 9e15 for another. */
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

interface Ids {
  readonly conversationId: string
  readonly locationId: string
}

export interface Entry extends Ids {
  readonly index: number
  readonly hash: number
  /** `Begun` is written before an input is sent again: what was applied after it no longer counts. */
  readonly outcome: "Begun" | "Applied" | "Failed"
}

const keyOf = ({ conversationId, locationId }: Ids) => JSON.stringify([locationId, conversationId])

const chunkLength = 8192

/** Numbers by index, zero where there are none. */
const sparse = () => {
  const chunks = new Map<number, Float64Array>()
  return {
    get: (index: number) => chunks.get(Math.floor(index / chunkLength))?.[index % chunkLength] ?? 0,
    set: (index: number, value: number) => {
      const number = Math.floor(index / chunkLength)
      const chunk = chunks.get(number) ?? new Float64Array(chunkLength)
      chunks.set(number, chunk)
      chunk[index % chunkLength] = value
    }
  }
}

export const make = () => {
  /** Of earlier runs: the hashes of inputs that were applied. */
  const applied = sparse()
  /** Of conversations that were sent again: up to which index. */
  const sentUpTo = new Map<string, number>()
  /** Conversations that this run sends again, and of which the journal has it. */
  const changed = new Set<string>()
  const begun = new Set<string>()
  /** The end of what earlier runs reached. */
  let end = 0

  return {
    /** Takes in an entry of an earlier run. */
    read: (entry: Entry) => {
      const { hash, index, outcome } = entry
      const key = keyOf(entry)
      end = Math.max(end, index + 1)
      if (outcome === "Begun") {
        sentUpTo.set(key, index - 1)
        return
      }
      applied.set(index, outcome === "Applied" ? hash : 0)
      if (sentUpTo.has(key)) sentUpTo.set(key, index)
    },

    /** Whether an input was applied, and no earlier one of its conversation is sent again. */
    isApplied: (index: number, update: ConversationUpdate) => {
      if (index >= end) return false
      const key = keyOf(update)
      const isUpToDate = index <= (sentUpTo.get(key) ?? Infinity)
      if (applied.get(index) === hashOf(update) && isUpToDate && !changed.has(key)) return true
      changed.add(key)
      return false
    },

    /** Whether the journal must know of an input before it is sent: once a conversation. */
    isBegun: (index: number, update: ConversationUpdate) => {
      const key = keyOf(update)
      if (index >= end || !changed.has(key) || begun.has(key)) return false
      begun.add(key)
      return true
    }
  }
}
