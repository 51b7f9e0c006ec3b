import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { HighLevelError } from "effect-highlevel"
import * as LineReport from "../src/cli/lineReport.ts"
import * as Progress from "../src/cli/progress.ts"
import * as Outcome from "../src/jobs/Outcome.ts"

const journal = "read.ndjson"
const start = () => {
  const state = Progress.make(0)
  return { state, report: LineReport.make(state, journal) }
}

const baseOf = (locationId: string) => {
  const update = { conversationId: "c0", locationId, unreadCount: 0 }
  return { row: { line: 7, update }, update }
}

const unauthorized = (locationId: string) =>
  new HighLevelError.Unauthorized({
    operation: "Conversations.update",
    conversationId: "c0",
    locationId,
    attempts: 1,
    status: 401,
    reason: "InvalidToken",
    messages: ["Expired\u001b[0m"],
    body: ""
  })

const notSent = (locationId: string, reason: Outcome.NotSent["reason"] = unauthorized(locationId)) => ({
  _tag: "NotSent" as const,
  ...baseOf(locationId),
  reason
})

describe("what update-all prints at its end", () => {
  it.effect("has each count, with a thousands separator", () =>
    Effect.gen(function* () {
      const { report, state } = start()
      Object.assign(state, { applied: 12_000, unreadable: 2, skipped: 3, failed: 4, notSent: 5, invalid: 6 })
      report.countIds(1000)
      const counts = "12,000 applied, 2 of them with an unreadable response, 3 skipped, 4 failed, 5 not sent, 6 invalid"
      assert.strictEqual(
        report.text(4000),
        `12,018 lines (1,000 of them conversation ids): ${counts} in 4 s (3001.0/s)`
      )
      const planned = start()
      Object.assign(planned.state, { planned: 1 })
      planned.report.countIds(1)
      assert.strictEqual(planned.report.text(4000), "1 line (1 of them a conversation id): 1 to apply in 4 s")
    })
  )

  it.effect("says once why a location was stopped, and what to do about it, without control characters", () =>
    Effect.gen(function* () {
      const { report } = start()
      for (let line = 0; line < 2; line++) yield* report.record(notSent("l\u001b[2J"))
      assert.strictEqual(
        report.text(0),
        [
          "2 lines: 0 applied, 2 not sent in 0 s",
          "Location l\\u001b[2J: nothing more was sent. Unauthorized: " +
            "Conversations.update of conversation c0: Expired\\u001b[0m (status 401). " +
            HighLevelError.advice(unauthorized("l"))
        ].join("\n")
      )
      assert.strictEqual(report.exitCode(), 77)
    })
  )

  it.effect.each([
    [10, undefined],
    [11, "1 other location is stopped, too."],
    [12, "2 other locations are stopped, too."]
  ] as const)("names the first ten of %i stopped locations", ([locations, last]) =>
    Effect.gen(function* () {
      const { report } = start()
      for (let index = 0; index < locations; index++) yield* report.record(notSent(`l${index}`))
      const lines = report.text(0).split("\n")
      assert.strictEqual(lines.filter((line) => line.startsWith("Location l")).length, 10)
      assert.strictEqual(lines[11], last)
    })
  )

  it.effect("says how to send the rest after too many failures", () =>
    Effect.gen(function* () {
      const { report } = start()
      const printed = yield* report.record(notSent("l0", new Outcome.TooManyFailures({ maxFailures: 2 })))
      assert.deepStrictEqual(printed, {
        line: 7,
        conversationId: "c0",
        locationId: "l0",
        outcome: "NotSent",
        reason: { _tag: "TooManyFailures", message: "Stopped after 2 failed updates" }
      })
      assert.strictEqual(
        report.text(0).split("\n")[1],
        "Stopped after 2 failed updates. Run the same command again to send the rest."
      )
    })
  )

  it.effect("says that nothing was sent only if the journal has all of it", () =>
    Effect.gen(function* () {
      const { report } = start()
      yield* report.record({ _tag: "Skipped", ...baseOf("l0") })
      assert.strictEqual(
        report.text(0),
        `1 line: 0 applied, 1 skipped in 0 s\nNothing was sent: ${journal} records all of them as applied. Remove it to send them again.`
      )
      yield* report.record({ _tag: "Applied", ...baseOf("l0"), attempts: 1, response: Option.none() })
      assert.notInclude(report.text(0), "Nothing was sent")
    })
  )
})

it.effect("an outcome that is a bug, unreadable or of no update is a line that says so", () =>
  Effect.gen(function* () {
    const { report } = start()
    const ids = { line: 7, conversationId: "c0", locationId: "l0" }
    assert.deepStrictEqual(
      [
        yield* report.record({ _tag: "Applied", ...baseOf("l0"), attempts: 2, response: Option.none() }),
        yield* report.invalid(8, { _tag: "InvalidLine", message: "not a JSON object" })
      ],
      [
        { ...ids, outcome: "Applied", attempts: 2, response: "unreadable" },
        { line: 8, outcome: "Invalid", message: "not a JSON object" }
      ]
    )
    const defect = yield* report.record({ _tag: "Defect", ...baseOf("l0"), cause: Cause.die(new Error("bug")) })
    assert.match(JSON.stringify(defect), /"outcome":"Defect","error":\{"_tag":"Defect","message":"Error: bug/)
    assert.strictEqual(report.exitCode(), 70)
  })
)
