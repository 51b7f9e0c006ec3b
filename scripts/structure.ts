/** The picture of the modules and their imports: a band for each folder, what is imported above what imports it. */
import { basename, dirname } from "node:path"

type Imports = ReadonlyMap<string, ReadonlyArray<string>>

/** How deep a module stands within its folder; undefined while it is being looked at. */
const depths = (imports: Imports) => {
  const known = new Map<string, number>()
  const cycles: Array<string> = []
  const visit = (file: string, path: ReadonlyArray<string>): number => {
    if (path.includes(file)) {
      cycles.push([...path.slice(path.indexOf(file)), file].join(" -> "))
      return 0
    }
    const depth = known.get(file)
    if (depth !== undefined) return depth
    const own = (imports.get(file) ?? []).filter((target) => dirname(target) === dirname(file))
    const found = Math.max(-1, ...own.map((target) => visit(target, [...path, file]))) + 1
    known.set(file, found)
    return found
  }
  for (const file of imports.keys()) visit(file, [])
  return { known, cycles }
}

const [box, height, gap, left, top] = [128, 22, 14, 96, 24]

export const draw = (folders: ReadonlyArray<string>, imports: Imports, lines: ReadonlyMap<string, number>) => {
  const { cycles, known } = depths(imports)
  const places = new Map<string, { readonly x: number; readonly y: number }>()
  const bands: Array<string> = []
  let y = top
  for (const folder of folders) {
    const files = [...imports.keys()].filter((file) => dirname(file) === folder).toSorted()
    const start = y
    for (let depth = 0; files.some((file) => known.get(file) === depth); depth++) {
      files
        .filter((file) => known.get(file) === depth)
        .forEach((file, index) => {
          const row = Math.floor(index / 10)
          places.set(file, { x: left + (index % 10) * (box + gap), y: y + row * (height + 8) })
        })
      y =
        Math.max(...files.filter((file) => known.get(file) === depth).map((file) => places.get(file)?.y ?? y)) +
        height +
        22
    }
    bands.push(
      `<rect x="8" y="${start - 14}" width="1508" height="${y - start + 2}" rx="6" fill="#f6f8fa"/>`,
      `<text x="18" y="${start + 15}" font-weight="bold">${folder}</text>`
    )
    y += 20
  }
  const ups: Array<string> = []
  const arrows = [...imports].flatMap(([file, targets]) =>
    targets.flatMap((target) => {
      const [from, to] = [places.get(file), places.get(target)]
      if (from === undefined || to === undefined) return []
      if (to.y >= from.y) ups.push(`${file} -> ${target}`)
      const color = dirname(file) === dirname(target) ? "#8c959f" : "#0969da"
      return [
        `<line x1="${from.x + box / 2}" y1="${from.y}" x2="${to.x + box / 2}" y2="${to.y + height}" stroke="${color}" stroke-opacity="0.35"/>`
      ]
    })
  )
  const boxes = [...places].map(
    ([file, at]) =>
      `<g><title>${file}, ${lines.get(file)} lines</title><rect x="${at.x}" y="${at.y}" width="${box}" height="${height}" rx="4" fill="#ffffff" stroke="#57606a"/>` +
      `<text x="${at.x + box / 2}" y="${at.y + 15}" text-anchor="middle" font-size="11">${basename(file, ".ts")}</text></g>`
  )
  const svg = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1524 ${y}" font-family="sans-serif" font-size="12">`,
    `<rect width="1524" height="${y}" fill="#ffffff"/>`,
    ...bands,
    ...arrows,
    ...boxes,
    "</svg>",
    ""
  ].join("\n")
  return { svg, cycles: [...cycles, ...ups.map((arrow) => `upward ${arrow}`)] }
}
