/**
 * The last value of each field of each conversation, as a hash table with 12 bytes for
 * each entry, so that a journal of a million conversations fits in memory.
 */
import * as Hash from "../client/hash.ts"
import type { ConversationUpdate } from "../wire/updateConversation.ts"

// A value that is too deep for JSON cannot be sent either.
const textOf = (value: unknown) => {
  try {
    return JSON.stringify(value)
  } catch {
    return ""
  }
}

/** The fields that an update sets, with their values as text. */
export const fieldsOf = ({ feedback, starred, unreadCount }: ConversationUpdate): Record<string, string> =>
  Object.fromEntries(
    Object.entries({ unreadCount, starred, feedback }).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, textOf(value)]]
    )
  )

export const make = () => {
  let keys = new Float64Array(1024)
  let values = new Uint32Array(1024)
  let size = 0

  const slotOf = (key: number) => {
    let slot = key % keys.length
    while (keys[slot] !== 0 && keys[slot] !== key) slot = (slot + 1) % keys.length
    return slot
  }

  const grow = () => {
    const [oldKeys, oldValues] = [keys, values]
    // Grows by less than double, so that at most a third stays empty.
    const length = Math.ceil(keys.length * 1.25)
    keys = new Float64Array(length)
    values = new Uint32Array(length)
    oldKeys.forEach((key, old) => {
      if (key === 0) return
      const slot = slotOf(key)
      keys[slot] = key
      values[slot] = oldValues[old] ?? 0
    })
  }

  const set = (key: number, value: number) => {
    if (keys.length * 0.8 < size) grow()
    const slot = slotOf(key)
    if (keys[slot] === 0) {
      if (value === 0) return
      size++
    }
    keys[slot] = key
    values[slot] = value
  }

  const entriesOf = (update: ConversationUpdate) => {
    const ids = `${update.locationId}\n${update.conversationId}`
    return Object.entries(fieldsOf(update)).map(([name, text]) => ({
      key: Hash.make(`${name}\n${ids}`),
      // Includes the ids, so that two conversations are confused only if both hashes collide.
      value: Hash.make(`${text}\n${ids}`) >>> 0 || 1
    }))
  }

  return {
    /** Whether each field of an update already has its value. */
    matches: (update: ConversationUpdate) => entriesOf(update).every(({ key, value }) => values[slotOf(key)] === value),

    /** Whether the value of any field of an update is known. */
    isKnown: (update: ConversationUpdate) => entriesOf(update).some(({ key }) => (values[slotOf(key)] ?? 0) !== 0),

    apply: (update: ConversationUpdate) => entriesOf(update).forEach(({ key, value }) => set(key, value)),

    forget: (update: ConversationUpdate) => entriesOf(update).forEach(({ key }) => set(key, 0))
  }
}
