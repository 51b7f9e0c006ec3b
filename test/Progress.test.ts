import { assert, describe, it } from "vitest"
import * as LineReport from "../src/cli/lineReport.ts"
import * as Progress from "../src/cli/progress.ts"

const state = (over: Partial<Progress.State> = {}): Progress.State => ({
  ...Progress.make(0, () => ({ count: 1000, isExact: true })),
  applied: 240,
  failed: 7,
  invalid: 3,
  quota: { remaining: 37, max: 100, daily: 199_750 },
  ...over
})

const plain = (text: string) => text.replaceAll(/\p{Cc}\[\d+m/gu, "")

describe("the progress bar", () => {
  it("says done, failed, total, rate, time to finish and quota", () => {
    assert.strictEqual(
      Progress.bar(state(), 25_000, 120, false),
      "[=======                       ] 250/1,000  10 failed  9.9/s  1 min 16 s left  quota 37/100  day 199,750"
    )
  })

  it("fits every window, and leaves out the least important first", () => {
    for (let columns = 1; columns < 200; columns++) {
      const text = plain(Progress.bar(state(), 25_000, columns, true))
      assert.isBelow(text.length, Math.max(columns, 2), `${columns}: ${text}`)
    }
    assert.strictEqual(Progress.bar(state(), 25_000, 40, false), "[==       ] 250/1,000  10 failed  9.9/s")
    assert.strictEqual(Progress.bar(state(), 25_000, 30, false), "250/1,000  10 failed  9.9/s")
    assert.strictEqual(Progress.bar(state(), 25_000, 15, false), "250/1,000")
  })

  it("has colors only where they are wanted", () => {
    assert.include(Progress.bar(state(), 25_000, 120, true), "\u001b[31m10 failed\u001b[39m")
    assert.notInclude(Progress.bar(state(), 25_000, 120, false), "\u001b")
  })

  it("has no bar and no end where the total is not known", () => {
    const piped = state({ total: () => undefined })
    const text = "250 done  10 failed  9.9/s  quota 37/100  day 199,750"
    assert.strictEqual(Progress.bar(piped, 25_000, 120, false), text)
    assert.strictEqual(Progress.line(piped, 25_000), text.replaceAll("  ", ", "))
    assert.isNull(LineReport.make(piped, undefined).json(25_000).total)
  })

  it("knows about how many lines there are by the part that is read", () => {
    const half = state({ total: () => Progress.extrapolate(1003, 0.5) })
    assert.strictEqual(
      Progress.bar(half, 25_000, 120, false),
      "[===                           ] 250/~2,006  10 failed  9.9/s  2 min 58 s left  quota 37/100  day 199,750"
    )
    assert.strictEqual(LineReport.make(half, undefined).json(25_000).total, 2006)
  })

  it.each([0, Number.NaN])("has no total where nothing is read (%d)", (part) => {
    assert.strictEqual(
      Progress.line(
        Progress.make(0, () => Progress.extrapolate(0, part)),
        25_000
      ),
      "0 done"
    )
  })

  it("says how many were not sent", () => {
    assert.strictEqual(
      Progress.line(state({ notSent: 3, quota: {} }), 25_000),
      "253/1,000, 10 failed, 3 not sent, 9.9/s, 1 min 16 s left"
    )
  })

  it("counts what was skipped as done, and not as speed", () => {
    const skipped = state({ applied: 0, failed: 0, invalid: 0, skipped: 500, quota: {} })
    assert.strictEqual(Progress.line(skipped, 10), "500/1,000")
    assert.strictEqual(LineReport.make(skipped, undefined).text(10), "500 lines: 0 applied, 500 skipped in 0 s")
  })

  it("tells how many responses could not be read", () => {
    const unreadable = state({ unreadable: 2, failed: 0, invalid: 0 })
    const applied = "240 applied, 2 of them with an unreadable response"
    assert.strictEqual(LineReport.make(unreadable, undefined).text(24_000), `240 lines: ${applied} in 24 s (10.0/s)`)
    assert.deepInclude(LineReport.make(unreadable, undefined).json(24_000), { applied: 240, unreadable: 2 })
  })

  it.each([
    [0, "0 s"],
    [59_499, "59 s"],
    [60_000, "1 min 0 s"],
    [10_020_000, "2 h 47 min"]
  ])("%i ms are %s", (millis, text) => {
    assert.strictEqual(Progress.span(millis), text)
  })
})
