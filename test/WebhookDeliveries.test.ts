/** Many deliveries: none that was changed reaches a handler, and each that was not reaches it once. */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import { TestClock } from "effect/testing"
import * as Base64 from "effect/encoding/Base64"
import * as Persistence from "effect/persistence/Persistence"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { gzipSync } from "node:zlib"
import { appId, bytesOf, makeSigner, route, unreadUpdate } from "./webhooks.ts"

// `npm run test:long` makes it 200.
const scale = Number(process.env["SCALE"] ?? 1)
const mutated = Math.max(3000, 500 * scale)
const valid = Math.max(500, 50 * scale)
const maxBytes = 4096

const { key, sign } = await Effect.runPromise(makeSigner)
const stranger = await Effect.runPromise(makeSigner)

interface Delivery {
  readonly headers: Readonly<Record<string, string>>
  readonly bytes: Uint8Array
}

const signed = (bytes: Uint8Array, signer = sign): Effect.Effect<Delivery, unknown> =>
  Effect.map(signer(bytes), (signature) => ({ headers: { "x-ghl-signature": signature }, bytes }))
const document = (fields: object) => signed(bytesOf(JSON.stringify(unreadUpdate({ appId, ...fields }))))

const below = (count: number) => Random.nextIntBetween(0, count, { halfOpen: true })
const pick = <A>(values: readonly [A, ...ReadonlyArray<A>]) => Random.choice<readonly [A, ...ReadonlyArray<A>]>(values)

const withSignature = ({ bytes }: Delivery, signature: string): Delivery => ({
  headers: { "x-ghl-signature": signature },
  bytes
})
const signatureOf = ({ headers }: Delivery) => headers["x-ghl-signature"] ?? ""
const splice = (bytes: Uint8Array, at: number, remove: number, ...insert: ReadonlyArray<number>) =>
  Uint8Array.of(...bytes.subarray(0, at), ...insert, ...bytes.subarray(at + remove))

const flip = Effect.fnUntraced(function* (bytes: Uint8Array) {
  const changed = bytes.slice()
  const at = yield* below(changed.length)
  changed[at] = (changed[at] ?? 0) ^ (1 << (yield* below(8)))
  return changed
})

type Mutate = (delivery: Delivery, now: number) => Effect.Effect<Delivery, unknown>

/** What makes something of a valid delivery that must not reach a handler. */
const mutations: Readonly<Record<string, Mutate>> = {
  "a bit of the body": ({ headers, bytes }) => Effect.map(flip(bytes), (bytes) => ({ headers, bytes })),
  "a byte left out": ({ headers, bytes }) =>
    Effect.map(below(bytes.length), (at) => ({ headers, bytes: splice(bytes, at, 1) })),
  "a byte put in": ({ headers, bytes }) =>
    Effect.map(below(bytes.length), (at) => ({ headers, bytes: splice(bytes, at, 0, 0x20) })),
  "cut off": ({ headers, bytes }) =>
    Effect.map(below(bytes.length), (length) => ({ headers, bytes: bytes.subarray(0, length) })),
  "a line break at its end": ({ headers, bytes }) =>
    Effect.succeed({ headers, bytes: splice(bytes, bytes.length, 0, 0x0a) }),
  "its halves in another order": ({ headers, bytes }) =>
    Effect.succeed({ headers, bytes: Uint8Array.of(...bytes.subarray(9), ...bytes.subarray(0, 9)) }),
  "written again": ({ headers, bytes }) =>
    Effect.succeed({ headers, bytes: bytesOf(JSON.stringify(JSON.parse(new TextDecoder().decode(bytes)), null, 1)) }),
  "in UTF-16": ({ headers, bytes }) =>
    Effect.succeed({ headers, bytes: Uint8Array.from(Buffer.from(new TextDecoder().decode(bytes), "utf16le")) }),
  compressed: ({ headers, bytes }) =>
    Effect.succeed({ headers: { ...headers, "content-encoding": "gzip" }, bytes: new Uint8Array(gzipSync(bytes)) }),
  "another charset": ({ headers, bytes }) =>
    Effect.succeed({
      headers: { ...headers, "content-type": "application/json; charset=utf-16" },
      bytes: Uint8Array.of(0xff, 0xfe, ...bytes)
    }),
  "another key": ({ bytes }) => signed(bytes, stranger.sign),
  "the signature of another event": (delivery, now) =>
    Effect.map(document({ webhookId: `other ${now}` }), (other) => withSignature(delivery, signatureOf(other))),
  "a bit of the signature": (delivery) =>
    Effect.gen(function* () {
      const bytes = yield* flip(Uint8Array.from(Buffer.from(signatureOf(delivery), "base64")))
      return withSignature(delivery, Base64.encode(bytes))
    }),
  "a signature of another form": (delivery) => {
    const signature = signatureOf(delivery)
    const bytes = Buffer.from(signature, "base64")
    return Effect.map(
      pick([
        "",
        " ",
        "N/A",
        "null",
        "=".repeat(88),
        "A".repeat(10_000),
        Base64.encode(new Uint8Array(64)),
        bytes.toString("hex"),
        bytes.toString("base64url"),
        signature.slice(0, -2),
        signature.slice(4),
        `${signature}AAAA`,
        `${signature}, ${signature}`,
        `ed25519=${signature}`
      ]),
      (signature) => withSignature(delivery, signature)
    )
  },
  "a header of another name": (delivery) =>
    Effect.map(pick(["x-wh-signature", "x_ghl_signature", "x-ghl-signature-2", "authorization"]), (name) => ({
      headers: { [name]: signatureOf(delivery) },
      bytes: delivery.bytes
    })),
  "no header": ({ bytes }) => Effect.succeed({ headers: {}, bytes }),
  "another app": () =>
    Effect.flatMap(pick<unknown>(["another", "", `${appId} `, appId.toUpperCase(), 1, [appId], {}, false]), (appId) =>
      document({ appId })
    ),
  "an installation of no app": () =>
    Effect.flatMap(pick(["INSTALL", "UNINSTALL"]), (type) => document({ type, appId: null, locationId: "l" })),
  "of another time": (_, now) =>
    Effect.flatMap(
      pick<unknown>([
        now - 86_400_001,
        now + 300_001,
        new Date(now - 90_000_000).toISOString(),
        new Date(now + 600_000).toISOString(),
        Math.floor(now / 1000),
        "yesterday",
        "",
        true,
        [],
        1e300,
        -1
      ]),
      (timestamp) => document({ timestamp, webhookId: `time ${now}` })
    ),
  "too large": () => document({ body: "x".repeat(maxBytes) }),
  "signed, and no object": () =>
    Effect.flatMap(pick(["[]", "null", "3", '"a"', "{", "", "{}{}", "\u0000"]), (text) => signed(bytesOf(text))),
  "signed, and no UTF-8": () =>
    signed(Uint8Array.of(...bytesOf(`{"appId":"${appId}","body":"`), 0xc3, 0x28, ...bytesOf('"}')))
}

const oddValues: readonly [string, ...ReadonlyArray<string>] = [
  "1.0",
  "-0",
  "1e0",
  "1E+400",
  "123456789012345678901234567890",
  "0.1e-7",
  "true",
  "null",
  '""',
  '"\\u0061\\/\\b\\u2028"',
  '"\\ud800"',
  '"\u2028 \u{1f600}"',
  '"' + "x".repeat(1000) + '"',
  "[[[[]]],{}]",
  '{"":{"__proto__":{"appId":"another"}}}'
]

/** A valid event whose JSON nobody would write like this; `name` is its own. */
const oddJson = Effect.fnUntraced(function* (name: string, now: number) {
  const type = yield* pick([
    "ConversationUnreadUpdate",
    "InboundMessage",
    "OutboundMessage",
    "INSTALL",
    "UNINSTALL",
    "ContactCreate",
    "toString"
  ])
  const identity = (yield* Random.nextBoolean)
    ? [["webhookId", JSON.stringify(name)]]
    : [["timestamp", yield* pick([String(now), `"${now}"`, `${now}.0`, `"${new Date(now).toISOString()}"`])]]
  const fields = [["type", `"${type}"`], ["appId", `"${appId}"`], ["name", JSON.stringify(name)], ...identity]
  for (const field of ["starred", "id", "unreadCount", "body", "attachments", "a", "", "__proto__", "constructor"]) {
    if (yield* Random.nextBoolean) fields.push([field, yield* pick(oddValues)])
  }
  const space = () => pick(["", " ", "\n", "\r\n\t"])
  const written: Array<string> = []
  for (const [field = "", value = ""] of yield* Random.shuffle(fields)) {
    // A key may be escaped, and may come twice: the last one counts.
    const escaped = [...field].map((letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`).join("")
    const key = (yield* Random.nextBoolean) ? escaped : field
    if ((yield* below(4)) === 0) written.push(`"${field}":"first"`)
    written.push(`${yield* space()}"${key}"${yield* space()}:${yield* space()}${value}`)
  }
  return `${yield* space()}{${written.join(",")}}${yield* space()}`
})

const isNode = process.versions["bun"] === undefined && process.versions["deno"] === undefined
const heapUsed = () => {
  setFlagsFromString("--expose-gc")
  const collect: () => void = runInNewContext("gc")
  collect()
  return process.memoryUsage().heapUsed
}

describe("of many deliveries", () => {
  it.effect(
    `none of ${mutated} that were changed, or came again, reaches the handler`,
    () => {
      const handled: Array<unknown> = []
      const statuses = new Map<string, number>()
      return Effect.gen(function* () {
        yield* TestClock.setTime(1_795_000_000_000)
        const deliver = yield* route({
          keys: [key],
          maxBytes,
          handler: (event) => Effect.sync(() => void handled.push("webhookId" in event ? event.webhookId : event))
        })
        const now = yield* Clock.currentTimeMillis
        const names: readonly [string, ...ReadonlyArray<string>] = ["again", ...Object.keys(mutations)]
        let heap = 0
        let controls = 0
        for (let index = 0; index < mutated; index++) {
          const webhookId = `event ${index}`
          const delivery = yield* document({ webhookId, unreadCount: index, timestamp: now })
          const name = yield* pick(names)
          // Of some, the valid delivery comes, too: before or after what was made of it.
          const isControl = name === "again" || index % 100 === 0
          const send = Effect.gen(function* () {
            if (!isControl) return
            controls++
            assert.strictEqual(yield* deliver(delivery.headers, delivery.bytes), 200)
            assert.deepStrictEqual(handled.splice(0), [webhookId])
          })
          const isFirst = name === "again" || index % 200 === 0
          if (isFirst) yield* send
          const { bytes, headers } = yield* mutations[name]?.(delivery, now) ?? Effect.succeed(delivery)
          const status = yield* deliver(headers, bytes)
          assert.deepStrictEqual(handled, [], name)
          assert.include(name === "again" ? [200] : [400, 401, 413], status, name)
          statuses.set(name, status)
          if (!isFirst) yield* send
          if (index === Math.floor(mutated / 10) && isNode) heap = heapUsed()
        }
        assert.deepStrictEqual([...statuses.keys()].toSorted(), names.toSorted())
        assert.isAbove(controls, mutated / 100)
        if (heap > 0) {
          const growth = (heapUsed() - heap) / 1e6
          console.log(
            `${mutated} changed deliveries: 0 handled; ${controls} valid ones among them; heap ${growth.toFixed(1)} MB more`
          )
          // What was handled is remembered: some hundred bytes each.
          assert.isBelow(growth, 10 + controls / 1000)
        }
      }).pipe(Effect.scoped, Effect.provide(Persistence.layerMemory), Random.withSeed("mutations"))
    },
    60_000
  )

  it.effect(
    `each of ${valid} that are valid reaches the handler once, however its JSON is written`,
    () => {
      const handled = new Map<string, number>()
      return Effect.gen(function* () {
        yield* TestClock.setTime(1_795_000_000_000)
        const now = yield* Clock.currentTimeMillis
        const deliver = yield* route({
          keys: [key],
          handler: (event) =>
            Effect.sync(() => {
              const { name } = event._tag === "Unknown" ? event.document : event
              handled.set(String(name), (handled.get(String(name)) ?? 0) + 1)
            })
        })
        for (let index = 0; index < valid; index += 10) {
          const deliveries: Array<Delivery> = []
          for (let offset = 0; offset < 10; offset++) {
            const text = yield* oddJson(`event ${index + offset}`, now)
            assert.isObject(JSON.parse(text))
            const delivery = yield* signed(bytesOf(text))
            // More than once, and at the same moment, too.
            for (let copies = yield* below(4); copies >= 0; copies--) deliveries.push(delivery)
          }
          const shuffled = yield* Random.shuffle(deliveries)
          const statuses = yield* Effect.forEach(shuffled, ({ bytes, headers }) => deliver(headers, bytes), {
            concurrency: 4
          })
          assert.isTrue(statuses.every((status) => status === 200))
        }
        assert.deepStrictEqual([handled.size, new Set(handled.values())], [valid, new Set([1])])
      }).pipe(Effect.scoped, Effect.provide(Persistence.layerMemory), Random.withSeed("odd JSON"))
    },
    60_000
  )
})
