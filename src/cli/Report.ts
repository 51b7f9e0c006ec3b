/** What a job says: an outcome a line on stdout, how far it is on stderr. */
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import * as Stdio from "effect/Stdio"
import * as HttpClient from "effect/http/HttpClient"
import type * as Bulk from "../Bulk.ts"
import type * as HighLevelError from "../HighLevelError.ts"
import type * as UpdateQueue from "../UpdateQueue.ts"
import * as CliFailure from "./CliFailure.ts"
import * as ExitCode from "./ExitCode.ts"
import type * as Input from "./Input.ts"
import * as Output from "./Output.ts"
import * as Progress from "./Progress.ts"

const barMillis = 100
const lineMillis = 5000

const clear = "\r\u001b[K"

/** Waits until the text is taken, so that a slow reader slows the job and not its memory. */
const write = (stream: NodeJS.WriteStream, text: string) =>
  Effect.callback<void, CliFailure.CliFailure>((resume) => {
    stream.write(text, (error) => {
      resume(
        error == null
          ? Effect.void
          : Effect.fail(
              new CliFailure.CliFailure({
                exitCode: ExitCode.failed,
                text: `Cannot write outcomes: ${error.message}`,
                json: { _tag: "WriteFailed", message: error.message }
              })
            )
      )
    })
  })

const number = (text: string | undefined) => (text === undefined || text === "" ? Number.NaN : Number(text))
const known = <Name extends string>(name: Name, value: number) => (Number.isFinite(value) ? { [name]: value } : {})

export const make = Effect.fnUntraced(function* (state: Progress.State, json: boolean) {
  const { stderrIsTerminal, stdoutIsTerminal } = yield* Stdio.Stdio
  const term = yield* Config.option(Config.String("TERM"))
  const noColor = yield* Config.option(Config.String("NO_COLOR"))
  const isBar = !json && (yield* stderrIsTerminal) && !Option.contains(term, "dumb")
  const isShared = isBar && (yield* stdoutIsTerminal)
  const colors = Option.isNone(noColor) || noColor.value === ""
  let exitCode = ExitCode.done
  /** What a worker has put back, and not seen again. */
  const returned = new Set<string>()
  const keyOf = ({ job, update }: UpdateQueue.Made | UpdateQueue.Missed) =>
    JSON.stringify([job, update.locationId, update.conversationId])
  // A reader that has gone is told by the write that fails.
  process.stdout.on("error", () => {})
  process.stderr.on("error", () => {})

  const show = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    process.stderr.write(
      isBar
        ? clear + Progress.bar(state, now, process.stderr.columns ?? 80, colors)
        : `${json ? JSON.stringify({ _tag: "Progress", ...Progress.json(state, now) }) : Progress.line(state, now)}\n`
    )
  })

  const summarize = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const said = json ? JSON.stringify({ _tag: "Summary", ...Progress.json(state, now) }) : Progress.summary(state, now)
    process.stderr.write(`${isBar ? clear : ""}${said}\n`)
  })

  const print = (values: ReadonlyArray<Schema.Json>) =>
    Effect.suspend(() => {
      // The bar stands where the next line goes.
      if (isShared) process.stderr.write(clear)
      return write(process.stdout, values.map((value) => `${Output.printable(JSON.stringify(value))}\n`).join(""))
    })

  const fail = (error: HighLevelError.UpdateError) => {
    exitCode = ExitCode.worst(exitCode, ExitCode.fromError(error))
    return CliFailure.encode(error)
  }

  const record = (outcome: Bulk.Outcome) => {
    const { conversationId, locationId } = outcome.update
    const ids = { line: outcome.position + 1, conversationId, locationId, outcome: outcome._tag }
    switch (outcome._tag) {
      case "Applied":
        state.applied++
        return Effect.succeed<Schema.Json>({ ...ids, attempts: outcome.attempts })
      case "Skipped":
        state.skipped++
        return Effect.succeed<Schema.Json>({ ...ids, reason: outcome.reason })
      case "Planned":
        state.planned++
        return Effect.succeed<Schema.Json>(ids)
      case "Failed":
        state.failed++
        return Effect.map(fail(outcome.error), (error): Schema.Json => ({ ...ids, attempts: outcome.attempts, error }))
    }
  }

  return {
    /** Sees what HighLevel says of the quota. */
    watch: HttpClient.tap(({ headers }) =>
      Effect.sync(() => {
        state.quota = {
          ...state.quota,
          ...known("remaining", number(headers["x-ratelimit-remaining"])),
          ...known("max", number(headers["x-ratelimit-max"])),
          ...known("daily", number(headers["x-ratelimit-daily-remaining"]))
        }
      })
    ),

    /** A line that is no update. */
    invalid: (line: number, error: Input.Invalid) =>
      Effect.gen(function* () {
        state.invalid++
        exitCode = ExitCode.worst(exitCode, ExitCode.usage)
        const said =
          error._tag === "InvalidLine" ? { message: error.message } : { error: yield* CliFailure.encode(error) }
        yield* print([{ line, outcome: "Invalid", ...said }])
      }),

    /** Outcomes of lines. */
    outcomes: (outcomes: ReadonlyArray<Bulk.Outcome>) => Effect.flatMap(Effect.forEach(outcomes, record), print),

    /** Outcomes of a worker. */
    worked: (outcomes: ReadonlyArray<UpdateQueue.Made | UpdateQueue.Missed>) =>
      Effect.flatMap(
        Effect.forEach(outcomes, (outcome) => {
          const { attempts, job, update } = outcome
          const { conversationId, locationId } = update
          const said = { job, conversationId, locationId, outcome: outcome._tag, attempts }
          returned.delete(keyOf(outcome))
          if (outcome._tag === "Applied") {
            state.applied++
            return Effect.succeed<Schema.Json>(said)
          }
          // What is back in the queue is not over, and may be another worker's to end.
          if (outcome.isFinal) state.failed++
          else returned.add(keyOf(outcome))
          const error = outcome.isFinal ? fail(outcome.error) : CliFailure.encode(outcome.error)
          return Effect.map(error, (error): Schema.Json => ({ ...said, isFinal: outcome.isFinal, error }))
        }),
        print
      ),

    /**
     * Says how far a job is for as long as it takes, then what became of it all, and
     * ends with the worst that has happened. An interruption stops the job: what was
     * sent comes to its end, and is reported.
     */
    follow: <E, R>(job: Effect.Effect<void, E, R>, stop: Deferred.Deferred<void>) =>
      Effect.gen(function* () {
        const shown = isBar ? Effect.andThen(show, Effect.sleep(barMillis)) : Effect.delay(show, lineMillis)
        yield* Effect.forkScoped(Effect.forever(shown))
        const fiber = yield* Effect.forkChild(job)
        yield* Effect.onInterrupt(Fiber.join(fiber), () =>
          Effect.suspend(() => {
            const said = json
              ? JSON.stringify({ _tag: "Stopping" })
              : "Waiting for what was sent; Ctrl-C again does not."
            process.stderr.write(`${isBar ? clear : ""}${said}\n`)
            return Effect.andThen(Deferred.succeed(stop, undefined), Fiber.await(fiber))
          })
        )
      }).pipe(
        Effect.scoped,
        Effect.ensuring(summarize),
        Effect.andThen(
          Effect.suspend(() => {
            if (returned.size > 0) exitCode = ExitCode.worst(exitCode, ExitCode.temporary)
            return exitCode === ExitCode.done
              ? Effect.void
              : // It has been said already.
                Effect.fail(new CliFailure.CliFailure({ exitCode, text: "", json: null }))
          })
        )
      )
  }
})
