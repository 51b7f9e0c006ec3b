/** Token stores to test: each with several processes on one place, and what a history of theirs may look like. */
import * as NodeRedis from "@effect/platform-node/NodeRedis"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { TokenStore } from "effect-highlevel"
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

export const some = (text: string) => Option.some(Redacted.make(text))
export const text = Option.map<Redacted.Redacted, string>(Redacted.value)

export const build = <E>(layer: Layer.Layer<TokenStore.TokenStore, E>) =>
  Effect.map(Effect.orDie(Layer.build(Layer.fresh(layer))), (context) => Context.get(context, TokenStore.TokenStore))

/** A folder for as long as the test runs. */
export const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "tokens-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true }))
)

/** Every byte of every file in a folder. */
export const bytesIn = (directory: string) =>
  readdirSync(directory, { recursive: true, encoding: "utf8" })
    .map((name) => join(directory, name))
    .filter((name) => statSync(name).isFile())
    .map((name) => readFileSync(name, "latin1"))
    .join("\n")

const processes = [1, 2, 3]

/** Three processes of a store in memory, which is one process. */
export const memory = Effect.map(TokenStore.makeMemory, (store) => processes.map(() => store))

export const files = Effect.flatMap(folder, (directory) =>
  Effect.forEach(processes, () => build(Layer.provide(TokenStore.layerFile({ directory }), NodeServices.layer)))
)

let prefixes = 0

export const redis = (port: () => number) =>
  Effect.suspend(() => {
    const prefix = `[model*]?\\${++prefixes}:`
    return Effect.forEach(processes, () =>
      build(
        Layer.provide(
          TokenStore.layerRedis({ prefix }),
          NodeRedis.layer({ socket: { host: "127.0.0.1", port: port() } })
        )
      )
    )
  })

export const keyOf = (byte: number) => Redacted.make(Buffer.alloc(32, byte).toString("base64"))

/** The same, each process over a layer that encrypts. */
export const encrypted = <E, R>(stores: Effect.Effect<ReadonlyArray<TokenStore.Service>, E, R>) =>
  Effect.flatMap(stores, (stores) =>
    Effect.forEach(stores, (store) =>
      build(Layer.provide(TokenStore.layerEncrypted({ key: keyOf(1) }), Layer.succeed(TokenStore.TokenStore, store)))
    )
  )

/** What a process asks of one key. */
export type Call =
  | { readonly _tag: "get" }
  | { readonly _tag: "isListed" }
  | { readonly _tag: "remove" }
  | { readonly _tag: "removeCurrent"; readonly current: string | undefined }
  | { readonly _tag: "replace"; readonly current: string | undefined; readonly next: string }

export type Result = string | boolean | undefined

/** A call, what came of it, and when it began and ended. */
export interface Event {
  readonly call: Call
  readonly result: Result
  readonly began: number
  readonly ended: number
}

/** What a call does to the one value of a store that does one thing after the other. */
const apply = (
  value: string | undefined,
  call: Call
): { readonly value: string | undefined; readonly result: Result } => {
  switch (call._tag) {
    case "get":
      return { value, result: value }
    case "isListed":
      return { value, result: value !== undefined }
    case "remove":
      return { value: undefined, result: true }
    case "removeCurrent":
      return value === call.current ? { value: undefined, result: true } : { value, result: false }
    case "replace":
      return value === call.current ? { value: call.next, result: true } : { value, result: false }
  }
}

/** Whether the events could have happened one after the other, none of them before it began or after it ended. */
export const isSequential = (events: ReadonlyArray<Event>, value: string | undefined): boolean => {
  if (events.length === 0) return true
  const firstEnd = Math.min(...events.map(({ ended }) => ended))
  return events.some((event) => {
    if (event.began > firstEnd) return false
    const next = apply(value, event.call)
    return (
      next.result === event.result &&
      isSequential(
        events.filter((other) => other !== event),
        next.value
      )
    )
  })
}

const currentOf = ({ current }: { readonly current: string | undefined }) =>
  Option.map(Option.fromUndefinedOr(current), (text) => Redacted.make(text))

export const perform = (store: TokenStore.Service, key: string, call: Call): Effect.Effect<Result> => {
  switch (call._tag) {
    case "get":
      return Effect.orDie(Effect.map(store.get(key), (value) => Option.getOrUndefined(text(value))))
    case "isListed":
      return Effect.orDie(Effect.map(Stream.runCollect(store.list), (keys) => keys.includes(key)))
    case "remove":
      return Effect.orDie(store.remove(key))
    case "removeCurrent":
      return Effect.orDie(store.remove(key, currentOf(call)))
    case "replace":
      return Effect.orDie(store.replace(key, currentOf(call), Redacted.make(call.next)))
  }
}

/** Keeps what happens, in the order of a clock of its own. */
export const history = () => {
  let now = 0
  const events: Array<Event> = []
  return {
    events,
    record: (store: TokenStore.Service, key: string, call: Call) =>
      Effect.gen(function* () {
        const began = ++now
        const result = yield* perform(store, key, call)
        events.push({ call, result, began, ended: ++now })
        return result
      })
  }
}
