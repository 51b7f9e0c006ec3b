/** What tests of jobs share: a served sandbox that is not in the way, inputs, files, and outcomes. */
import { afterAll } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Sandbox } from "effect-highlevel/testing"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { layerSandbox } from "./oauth.ts"

export const token = Sandbox.defaultToken

/** Conversations of a few locations, and a sandbox that holds them, with limits that are not in the way. */
export const sandboxWith = (count: number, locations = 1) =>
  layerSandbox({
    conversations: Array.from({ length: count }, (_, index) => ({
      id: `c${index}`,
      locationId: `l${index % locations}`,
      unreadCount: 9
    })),
    rateLimit: { max: 1_000_000, intervalMillis: 1000, daily: 100_000_000 }
  })

export const inputOf = (conversation: number, unreadCount: number, locations = 1) =>
  JSON.stringify({ conversationId: `c${conversation}`, locationId: `l${conversation % locations}`, unreadCount })

export interface OutcomeLine {
  readonly line: number
  readonly outcome: string
  readonly conversationId?: string
  readonly attempts?: number
}

/** Whole lines of JSON; the last one of a process that was killed may be torn. */
export const outcomeLines = (stdout: string): Array<OutcomeLine> =>
  stdout
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line))

/** How many messages are unread in each of the conversations. */
export const unread = Effect.fnUntraced(function* (count: number) {
  const sandbox = yield* Sandbox.Sandbox
  const all: Array<number | null | undefined> = []
  for (let index = 0; index < count; index++) {
    all.push(Option.getOrUndefined(yield* sandbox.conversation(`c${index}`))?.unreadCount)
  }
  return all
})

/** Files that are removed after the tests of a file. */
export const temporaryFiles = () => {
  const directory = mkdtempSync(join(tmpdir(), "update-all-"))
  afterAll(() => rmSync(directory, { recursive: true }))
  let files = 0
  const newPath = () => join(directory, `file-${++files}`)
  const file = (content: string | Uint8Array = "") => {
    const path = newPath()
    writeFileSync(path, content)
    return path
  }
  return { file, newPath }
}
