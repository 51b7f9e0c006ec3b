/**
 * The contract against an OpenAPI file of the vendor:
 *
 *     npm run contracts:openapi -- <file or url> --known <deviations.json>
 *
 * Every known deviation is listed with its reason. One that is not listed fails,
 * and so does a listed one that is gone.
 */
import { Comparator } from "@pactflow/openapi-pact-comparator"
import { readFile } from "node:fs/promises"
import { pathToFileURL } from "node:url"
import { parseArgs } from "node:util"
import * as Documentation from "./documented/documentation.ts"
import { contracts, readCommitted } from "./pact.ts"

export interface Deviation {
  readonly code: string
  /** Where in the interaction: `request.headers.Version`. */
  readonly at: string
  readonly message: string
}

export interface KnownDeviation extends Deviation {
  readonly reason: string
}

type Json = null | boolean | number | string | ReadonlyArray<Json> | { readonly [key: string]: Json }

const read = async (url: URL): Promise<Json> => {
  if (url.protocol === "file:") return JSON.parse(await readFile(url, "utf8"))
  const response = await fetch(url)
  if (!response.ok) throw new Error(`${url.href} responds with ${response.status}`)
  return response.json()
}

/** A file that is named by a reference, or that lies beside the file with the reference. */
const readReferred = async (reference: string, from: URL): Promise<Json> => {
  const named = new URL(reference, from)
  try {
    return await read(named)
  } catch (error) {
    const beside = new URL(reference.split("/").at(-1) ?? "", from)
    return read(beside).catch(() => {
      throw new Error(`Neither ${named.href} nor ${beside.href} can be read`, { cause: error })
    })
  }
}

const at = (json: Json, pointer: string): Json =>
  pointer
    .split("/")
    .slice(1)
    .reduce<Json>((value, key) => {
      const next =
        typeof value === "object" && value !== null && !Array.isArray(value)
          ? Object.entries(value).find(([name]) => name === key)?.[1]
          : undefined
      if (next === undefined) throw new Error(`Nothing at ${pointer}`)
      return next
    }, json)

/** The document with what other files define put in the place of the references to it. */
const load = async (source: string): Promise<Json> => {
  const url = URL.canParse(source) ? new URL(source) : pathToFileURL(source)
  const files = new Map<string, Promise<Json>>()
  const inline = async (json: Json): Promise<Json> => {
    if (typeof json !== "object" || json === null) return json
    if (Array.isArray(json)) return Promise.all(json.map(inline))
    const reference = "$ref" in json ? json["$ref"] : undefined
    if (typeof reference === "string" && !reference.startsWith("#")) {
      const [file = "", pointer = ""] = reference.split("#")
      const referred = files.get(file) ?? readReferred(file, url)
      files.set(file, referred)
      return at(await referred, pointer)
    }
    return Object.fromEntries(
      await Promise.all(Object.entries(json).map(async ([key, value]) => [key, await inline(value)] as const))
    )
  }
  return inline(onlyContract(await read(url)))
}

/** The vendor's file describes some thirty operations; only that of the page is compared here. */
const onlyContract = (document: Json): Json => {
  const { path } = Documentation.operations.update
  const operations = Object.entries(at(document, "/paths") ?? {}).filter(([name]) => name === path)
  return { ...(document as { readonly [key: string]: Json }), paths: Object.fromEntries(operations) }
}

/** The documented contract, without what other documents than the page say. */
const updates = () => {
  const [documented] = contracts
  if (documented === undefined) throw new Error("There is no contract")
  const { interactions, ...pact } = readCommitted(documented)
  const descriptions = new Set(
    documented.interactions
      .filter(({ operation, version }) => operation === "update" && version === undefined)
      .map(({ description }) => description)
  )
  return { ...pact, interactions: interactions.filter(({ description }) => descriptions.has(description)) }
}

/** Each way in which the contract and the file differ, once. */
export const deviations = async (source: string): Promise<ReadonlyArray<Deviation>> => {
  const found = new Map<string, Deviation>()
  for await (const result of new Comparator({ oas: await load(source) }).compare(updates())) {
    if (result.type !== "error") continue
    const deviation = {
      code: result.code,
      at: (result.mockDetails?.location ?? "").replace(/^\[root\]\.interactions\[\d+\]\./, ""),
      message: result.message
    }
    found.set(JSON.stringify(deviation), deviation)
  }
  return [...found.values()].toSorted((one, other) => JSON.stringify(one).localeCompare(JSON.stringify(other)))
}

export const compare = (found: ReadonlyArray<Deviation>, known: ReadonlyArray<KnownDeviation>) => {
  const key = ({ at, code, message }: Deviation) => JSON.stringify([code, at, message])
  const foundKeys = new Set(found.map(key))
  const knownKeys = new Set(known.map(key))
  return {
    unlisted: found.filter((deviation) => !knownKeys.has(key(deviation))),
    gone: known.filter((deviation) => !foundKeys.has(key(deviation)))
  }
}

const line = ({ at, code, message }: Deviation) => `  ${code} at ${at}: ${message}`

const main = async () => {
  const { positionals, values } = parseArgs({ allowPositionals: true, options: { known: { type: "string" } } })
  const [source] = positionals
  if (source === undefined || positionals.length > 1) {
    console.error("Usage: npm run contracts:openapi -- <file or url> [--known <deviations.json>]")
    return 64
  }
  const known: ReadonlyArray<KnownDeviation> =
    values.known === undefined ? [] : JSON.parse(await readFile(values.known, "utf8")).deviations
  const found = await deviations(source)
  const { gone, unlisted } = compare(found, known)
  console.log(`${found.length} deviations found, ${known.length} known`)
  for (const deviation of known.filter((deviation) => !gone.includes(deviation)))
    console.log(`${line(deviation)}\n    known: ${deviation.reason}`)
  if (unlisted.length > 0) console.error(["Not listed:", ...unlisted.map(line)].join("\n"))
  if (gone.length > 0) console.error(["Listed, but gone:", ...gone.map(line)].join("\n"))
  return unlisted.length + gone.length === 0 ? 0 : 1
}

if (process.argv[1] === import.meta.filename) process.exitCode = await main()
