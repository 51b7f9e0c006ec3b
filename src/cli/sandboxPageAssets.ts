/** The assets of the sandbox's page: plain HTML, CSS and JavaScript, without a build step. */
import { faultKinds } from "../testing/Sandbox.ts"

export const html = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>HighLevel sandbox</title><link rel="icon" href="data:,"><link rel="stylesheet" href="/_sandbox/page.css">
<script type="module" src="/_sandbox/page.js"></script></head><body>
<header><h1>HighLevel sandbox</h1><output id="live">connecting</output><span id="limits"></span><a href="/docs">API documentation</a></header>
<section id="start"><p>Run these commands in another shell and watch the tables:</p><pre id="commands" tabindex="0"></pre></section>
<section id="actions" aria-label="Actions">
<form data-action="refuse"><b>Refuse</b><label>updates with <input name="status" type="number" value="422" min="400" max="599"></label><label>times <input name="times" type="number" value="1" min="1"></label><button>Refuse</button></form>
<form data-action="fault"><b>Fault</b><label>of updates <select name="kind">${faultKinds.map((kind) => `<option>${kind}`).join("")}</select></label><label>times <input name="times" type="number" value="1" min="1"></label><button>Break</button></form>
<form data-action="limit"><b>Limit</b><label>requests per window <input name="max" type="number" value="100" min="1"></label><button>Limit</button></form>
<form data-action="receive"><b>Receive</b><label>in <input name="conversationId" required></label><label>message <input name="body" value="Hello"></label><button>Receive</button></form>
<form data-action="deactivate"><b>Deactivate</b><label>location <input name="locationId" required></label><button>Deactivate</button></form>
<output id="result" role="status"></output></section>
<main><section><h2>Conversations <small id="total"></small></h2><div class="scroll"><table><thead><tr><th>Conversation<th>Last message<th class="number">Unread<th>Starred</tr></thead><tbody id="conversations"></tbody></table></div></section>
<section><h2>Requests <small id="count"></small></h2><div class="scroll"><table><thead><tr><th>Time<th>Request<th>Status</tr></thead><tbody id="requests"></tbody></table><p id="none">No requests yet.</p></div></section></main>
</body></html>`

export const style = `:root { color-scheme: light dark; --line: light-dark(#e3e3e6, #33353a); --soft: light-dark(#6b6f76, #9a9ea6);
  --panel: light-dark(#fff, #1c1d20); --accent: light-dark(#1f5fd0, #86b1ff); font: 14px/1.45 system-ui, sans-serif }
* { box-sizing: border-box } body { margin: 0 auto; max-width: 1280px; padding: 20px 24px; background: light-dark(#f7f7f8, #131416) }
header { display: flex; gap: 16px; align-items: baseline } h1 { font-size: 20px; margin: 0 } h2 { font-size: 15px; margin: 0 0 8px }
header a { margin-left: auto } a { color: var(--accent) } small, header span, label, #start p, #none, td small { color: var(--soft); font-weight: 400 }
#live::before { content: "● " } #live { color: light-dark(#97600a, #f0b95a) } #live.on { color: light-dark(#1b7a3d, #6fd08c) }
pre, td, .id { overflow-wrap: anywhere } pre { margin: 4px 0 0; font: 12.5px/1.6 ui-monospace, monospace; white-space: pre-wrap } #start p { margin: 0 }
#start, form, .scroll { background: var(--panel); border: 1px solid var(--line); border-radius: 8px } #start { margin: 16px 0; padding: 12px 16px }
#actions { display: grid; grid-template-columns: repeat(5, 1fr); gap: 12px } #result { grid-column: 1 / -1; min-height: 20px; color: var(--soft) }
form { padding: 12px; display: flex; flex-direction: column; gap: 8px } label { display: grid; font-size: 12px } form button { margin-top: auto }
input, select, button { font: inherit; color: inherit; width: 100%; min-width: 0; padding: 4px 8px; border: 1px solid var(--line); border-radius: 6px; background: light-dark(#fff, #131416) }
button { cursor: pointer; color: var(--accent) } button:hover { border-color: var(--accent) } :focus-visible { outline: 2px solid var(--accent); outline-offset: 1px }
main { display: grid; grid-template-columns: 1fr 1fr; gap: 20px; margin-top: 12px } .scroll { max-height: 60vh; overflow: auto } #none { padding: 0 12px }
table { width: 100%; border-collapse: collapse } th { position: sticky; top: 0; background: var(--panel); text-align: left; color: var(--soft); font-weight: 500; font-size: 12px }
th, td { padding: 7px 12px; border-bottom: 1px solid var(--line); vertical-align: top } td small { display: block; font-size: 12px } .time { white-space: nowrap } .number { text-align: right; font-variant-numeric: tabular-nums }
.s2 { color: light-dark(#1b7a3d, #6fd08c) } .s4 { color: light-dark(#97600a, #f0b95a) } .s5, .s0 { color: light-dark(#b3261e, #ff8a80) } td[class^="s"] { font-weight: 600 }
.changed { animation: changed 2.5s ease-out } @keyframes changed { from { background: light-dark(#fff0b8, #4d4214) } }
@media (prefers-reduced-motion: reduce) { .changed { animation-timing-function: step-end } } @media (max-width: 900px) { #actions, main { grid-template-columns: 1fr } }`

export const script = `const element = (id) => document.getElementById(id)
const cell = (text, detail, className = "") => {
  const td = document.createElement("td")
  td.append(text)
  td.className = className
  for (const line of [detail ?? []].flat().filter(Boolean)) td.append(Object.assign(document.createElement("small"), { textContent: line }))
  return td
}
let drawn = false
const draw = (body, items, keyOf, cellsOf) => {
  const old = new Map([...body.children].map((row) => [row.dataset.key, row]))
  const rows = items.map((item) => {
    const [key, version] = [String(keyOf(item)), JSON.stringify(item)]
    const known = old.get(key)
    if (known?.dataset.version === version) return known
    const row = document.createElement("tr")
    Object.assign(row.dataset, { key, version })
    row.append(...cellsOf(item))
    if (drawn) row.className = "changed"
    return row
  })
  if (rows.length !== body.children.length || rows.some((row, index) => row !== body.children[index])) body.replaceChildren(...rows)
}
const show = ({ commands, conversations, total, unread, requests, count, limits }) => {
  element("commands").textContent = commands.join("\\n")
  element("total").textContent = total + ", " + unread + " unread" + (total > conversations.length ? "; " + conversations.length + " shown" : "")
  element("count").textContent = count > requests.length ? count + "; the last " + requests.length : count
  if (limits["x-ratelimit-max"]) element("limits").textContent = limits["x-ratelimit-remaining"] + " of " + limits["x-ratelimit-max"] + " requests left in this window, " + limits["x-ratelimit-daily-remaining"] + " today"
  draw(element("conversations"), conversations, (c) => c.id, (c) => [cell(c.id, c.fullName), cell(c.lastMessageBody ?? ""), cell(String(c.unreadCount ?? ""), "", "number"), cell(c.starred ? "★" : "")])
  draw(element("requests"), requests, (r) => r.number, (r) => [cell(new Date(r.at).toLocaleTimeString([], { hour12: false }), "", "time"), cell(r.method + " " + r.path, [r.body, r.message]), cell(String(r.status ?? "none"), "", "s" + Math.floor((r.status ?? 0) / 100))])
  element("none").hidden = requests.length > 0
  const [first] = conversations
  for (const [name, value] of drawn || !first ? [] : [["conversationId", first.id], ["locationId", first.locationId]]) document.querySelector("[name=" + name + "]").value = value
  drawn = true
}
const live = (text, on) => { element("live").textContent = text; element("live").className = on ? "on" : "" }
const events = new EventSource("/_sandbox/events")
events.onopen = () => live("live", true)
events.onerror = () => live("disconnected; reconnecting", false)
events.onmessage = ({ data }) => show(JSON.parse(data))
for (const form of document.forms) form.addEventListener("submit", async (event) => {
  event.preventDefault()
  const fields = [...form.elements].filter((field) => field.name).map((field) => [field.name, field.type === "number" ? field.valueAsNumber : field.value])
  const action = { _tag: form.dataset.action, ...Object.fromEntries(fields) }
  const response = await fetch("/_sandbox/actions", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(action) }).catch(() => undefined)
  element("result").textContent = response?.ok ? "Done: " + action._tag + ", " + fields.map(([name, value]) => name + " " + value).join(", ") + "." : ((await response?.json())?.message ?? "The sandbox is not running.")
})
`
