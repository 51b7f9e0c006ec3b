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

/** The names of the fields that an update sets. */
export const fieldsOf = (update: ConversationUpdate): ReadonlyArray<string> =>
  (["unreadCount", "starred", "feedback"] as const).filter((name) => update[name] !== undefined)

export interface Entry {
  readonly position: number
  readonly conversationId: string
  readonly locationId: string
  readonly hash: number
  /** `Begun` is what was sent anew, and may have been applied. */
  readonly outcome: "Begun" | "Applied" | "Failed"
  /** What a failed update would have set. */
  readonly fields?: ReadonlyArray<string>
  /** Failed updates that this one has made good. */
  readonly supersedes?: ReadonlyArray<number>
  /** Whether it was done anew, with later inputs of the conversation to be done after it. */
  readonly redo?: boolean
}

/** The hashes of the updates that failed, by the fields that they would have set, and by position. */
type Failures = Map<string, Map<number, number>>

/** When, in the order of the journal, the inputs of a conversation were recorded. */
interface Sequence {
  count: number
  readonly recorded: Map<number, number>
  readonly redone: Map<number, number>
  /** For each that was redone, in order: the last time that it or one before it was. */
  latest: ReadonlyArray<readonly [position: number, at: number]> | undefined
}

const latestOf = (redone: ReadonlyMap<number, number>) => {
  let last = 0
  return [...redone]
    .toSorted(([one], [other]) => one - other)
    .map(([position, at]) => [position, (last = Math.max(last, at))] as const)
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
  /** Of earlier runs: the hashes of inputs that were applied, and, negative, of those that need not be any more. */
  const done = sparse()
  /** Which inputs of a conversation failed. */
  const failed = new Map<string, Failures>()
  /** Of conversations of which something was done anew. */
  const sequences = new Map<string, Sequence>()
  /** Conversations of which this run does something anew. */
  const changed = new Set<string>()
  /** The end of what earlier runs wrote. */
  let end = 0

  const record = ({ fields = [], hash, outcome, position, redo = false, supersedes = [], ...ids }: Entry) => {
    const key = keyOf(ids)
    const failures = failed.get(key) ?? new Map<string, Map<number, number>>()
    for (const at of outcome === "Begun" ? supersedes : [position, ...supersedes]) {
      for (const positions of failures.values()) positions.delete(at)
    }
    if (outcome === "Failed") {
      const positions = failures.get(fields.join()) ?? new Map<number, number>()
      failures.set(fields.join(), positions.set(position, hash))
    }
    if ([...failures.values()].some(({ size }) => size > 0)) failed.set(key, failures)
    else failed.delete(key)

    const sequence = sequences.get(key) ?? { count: 0, recorded: new Map(), redone: new Map(), latest: undefined }
    if (!redo && sequence.count === 0) return
    sequences.set(key, sequence)
    sequence.count++
    for (const at of [position, ...supersedes]) sequence.recorded.set(at, sequence.count)
    if (redo) {
      sequence.redone.set(position, sequence.count)
      sequence.latest = undefined
    }
  }

  /** Whether an earlier input of the conversation was done after this one. */
  const isOvertaken = (key: string, position: number) => {
    const sequence = sequences.get(key)
    if (sequence === undefined) return false
    const recorded = sequence.recorded.get(position) ?? 0
    sequence.latest ??= latestOf(sequence.redone)
    // The last one before it, by halves.
    let [low, high] = [0, sequence.latest.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((sequence.latest[middle]?.[0] ?? 0) < position) low = middle + 1
      else high = middle
    }
    return (sequence.latest[low - 1]?.[1] ?? 0) > recorded
  }

  const isRedo = (position: number, ids: { readonly conversationId: string; readonly locationId: string }) =>
    position < end && changed.has(keyOf(ids))

  return {
    /** Takes in what an earlier run wrote. */
    read: (entry: Entry) => {
      const failures = [...(failed.get(keyOf(entry))?.values() ?? [])]
      for (const other of entry.supersedes ?? []) {
        const hash = failures.map((positions) => positions.get(other)).find((hash) => hash !== undefined)
        if (hash !== undefined) done.set(other, -hash)
      }
      done.set(entry.position, entry.outcome === "Applied" ? entry.hash : 0)
      record(entry)
      end = Math.max(end, entry.position + 1)
    },

    skip: (position: number, update: ConversationUpdate) => {
      if (position >= end) return undefined
      const key = keyOf(update)
      const known = done.get(position)
      const isSame = known !== 0 && Math.abs(known) === hashOf(update)
      // Once a line was done anew, those after it have to be, in their order.
      if (isSame && !changed.has(key) && !isOvertaken(key, position)) return known > 0 ? "Applied" : "Superseded"
      changed.add(key)
      return undefined
    },

    /** Whether an update is done anew, so that what it overtakes must be known before it is sent. */
    isRedo,

    /** Takes in what was begun or ended now, and gives it what it means for others. */
    end: (update: ConversationUpdate, entry: Entry): Entry => {
      const key = keyOf(entry)
      const fields = fieldsOf(update)
      const redo = isRedo(entry.position, entry)
      // A failure is made good by a later update of all that it would have set.
      const supersedes: Array<number> = []
      for (const [names, positions] of (entry.outcome === "Applied" ? failed.get(key) : undefined) ?? []) {
        if (names !== "" && !names.split(",").every((name) => fields.includes(name))) continue
        for (const position of positions.keys()) {
          // Those after it fail in order; one that is missed is tried again, which is safe.
          if (position >= entry.position) break
          supersedes.push(position)
        }
      }
      const whole = {
        ...entry,
        ...(entry.outcome === "Failed" ? { fields } : {}),
        ...(supersedes.length === 0 ? {} : { supersedes }),
        ...(redo ? { redo } : {})
      }
      record(whole)
      return whole
    }
  }
}
