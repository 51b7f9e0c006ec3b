/** `npm run bench:pictures`: draws the results of the benchmarks, without running them again. */
import * as Plot from "@observablehq/plot"
import { parseHTML } from "linkedom"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"

const results = join(import.meta.dirname, "results")
const read = (name) => JSON.parse(readFileSync(join(results, name), "utf8"))
const { document } = parseHTML("<html></html>")

// Mid tones, legible on white and on black; texts follow the reader's scheme.
const [ours, rejected, other] = ["#3b82f6", "#ef4444", "#9ca3af"]
const style = `svg { color: #24292f; font: 13px system-ui, sans-serif; --plot-background: transparent }
text { fill: currentColor } .title { font-size: 17px; font-weight: 600 } .subtitle { font-size: 13px; opacity: 0.75 }
@media (prefers-color-scheme: dark) { svg { color: #e6edf3 } }`

/** An SVG of its own, with a title that tells the finding, over one or more plots. */
const draw = (name, title, subtitle, plots) => {
  const width = 840
  let top = 62
  const parts = plots.map((options) => {
    const plot = Plot.plot({ document, width, style: {}, ...options })
    plot.querySelectorAll("style").forEach((element) => element.remove())
    plot.setAttribute("y", String(top))
    top += options.height
    return plot.outerHTML
  })
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${top}" viewBox="0 0 ${width} ${top}" role="img" aria-labelledby="title description">
<title id="title">${title}</title><desc id="description">${subtitle}</desc><style>${style}</style>
<text class="title" x="16" y="26">${title}</text><text class="subtitle" x="16" y="48">${subtitle}</text>
${parts.join("\n")}
</svg>
`
  writeFileSync(join(results, `${name}.svg`), svg)
}

const quota = () => {
  const runs = read("quota.json").results
  const [first, second] = runs.filter(({ requestsOverTime }) => requestsOverTime !== undefined)
  if (first === undefined || second === undefined) throw new Error("quota.json has no requests over time")
  const highest = Math.max(
    ...[first, second].flatMap(({ requestsOverTime = [] }) => requestsOverTime.map((bin) => bin.applied + bin.refused))
  )
  const seconds = Math.ceil(
    Math.max(...[first, second].map(({ requestsOverTime = [] }) => requestsOverTime.length)) / 10
  )
  const plot = (label, { requestsOverTime = [] }, isLast) => ({
    height: isLast ? 200 : 180,
    marginLeft: 64,
    marginBottom: isLast ? 44 : 26,
    marginTop: 30,
    x: {
      domain: [0, seconds],
      label: isLast ? "seconds since the start" : null,
      labelAnchor: "center",
      labelArrow: "none"
    },
    y: { domain: [0, highest], label: "requests per 0.1 s", labelArrow: "none", grid: true, ticks: 4 },
    marks: [
      Plot.rectY(
        requestsOverTime.flatMap(({ applied, refused, second }) => [
          { second, count: applied, color: ours },
          { second, count: refused, color: rejected }
        ]),
        { x1: "second", x2: (bin) => bin.second + 0.1, y: "count", fill: "color", inset: 0.5 }
      ),
      Plot.text([label], { frameAnchor: "top-right", dy: -22, fontWeight: 600, fontSize: 13 }),
      Plot.ruleY([0], { stroke: "currentColor" })
    ]
  })
  const count = (value) => value.toLocaleString("en")
  draw(
    "quota",
    `This library applies all ${count(first.applied + first.lost)} updates; the official SDK loses ${count(second.lost)} of them`,
    "Requests over time, blue: applied, red: rejected with 429. 1,000 updates are started at once; the limit is 100 per second.",
    [
      plot(
        `effect-highlevel: ${count(first.applied)} applied, ${count(first["429s"])} rejected requests`,
        first,
        false
      ),
      plot(
        `official SDK: ${count(second.applied)} applied, ${count(second.lost)} lost, ${count(second["429s"])} rejected requests`,
        second,
        true
      )
    ]
  )
}

const update = () => {
  const { results: measured } = read("update.json")
  const rows = [
    ["undici, request", "undici, no checks, no policies"],
    ["ours, UndiciHttpClient", "effect-highlevel, UndiciHttpClient"],
    ["Effect HttpClient by hand, layerUndici", "Effect HttpClient by hand, layerUndici"],
    ["official SDK 3.1.0", "official SDK 3.1.0"]
  ].map(([name, label]) => {
    const found = measured.find((one) => one.name === name)
    if (found === undefined) throw new Error(`update.json has no ${name}`)
    const { maximum, median, minimum } = found.cpuMicrosPerUpdate
    return { label, maximum, median, minimum, fill: name === "ours, UndiciHttpClient" ? ours : other }
  })
  const [, mine, , official] = rows
  draw(
    "update",
    `An update takes ${Math.round((100 * (mine?.median ?? 0)) / (official?.median ?? 1))} % of the official SDK's CPU time, with every check and policy on`,
    "CPU time per update in microseconds: the median, and the range of all rounds as a line. 32 updates at once, over loopback.",
    [
      {
        height: 210,
        marginLeft: 276,
        marginRight: 64,
        marginBottom: 44,
        x: { label: "CPU time per update, µs", labelAnchor: "center", labelArrow: "none", grid: true, nice: true },
        y: { domain: rows.map(({ label }) => label), label: null, tickSize: 0 },
        marks: [
          Plot.barX(rows, { x: "median", y: "label", fill: "fill", insetTop: 5, insetBottom: 5 }),
          Plot.ruleY(rows, { x1: "minimum", x2: "maximum", y: "label", stroke: "currentColor", strokeWidth: 1.5 }),
          Plot.text(rows, {
            x: "maximum",
            y: "label",
            text: ({ median }) => `${Math.round(median)} µs`,
            textAnchor: "start",
            dx: 8,
            fontSize: 13
          })
        ]
      }
    ]
  )
}

const bulk = () => {
  const runs = read("bulk.json")
  const largest = runs.filter(({ title }) => title === "run").toSorted((one, other) => other.updates - one.updates)[0]
  if (largest?.memory === undefined) throw new Error("bulk.json has no memory over time")
  draw(
    "bulk",
    `A job of ${largest.updates.toLocaleString("en")} updates stays below ${Math.ceil(largest.peakMegabytes / 10) * 10} MB`,
    "Resident memory of effect-highlevel update-all over one job with a journal, heap limited to 64 MB.",
    [
      {
        height: 260,
        marginLeft: 64,
        marginRight: 30,
        marginBottom: 44,
        marginTop: 26,
        x: {
          label: "updates with an outcome",
          labelAnchor: "center",
          labelArrow: "none",
          tickFormat: (value) => value.toLocaleString("en")
        },
        y: { domain: [0, 200], label: "resident memory, MB", labelArrow: "none", grid: true, ticks: 5 },
        marks: [
          Plot.lineY(largest.memory, { x: "outcomes", y: "megabytes", stroke: ours, strokeWidth: 2 }),
          Plot.ruleY([0], { stroke: "currentColor" })
        ]
      }
    ]
  )
}

for (const picture of [quota, update, bulk]) picture()
