/** The output of a job: one outcome per line on stdout, progress on stderr. */
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as HttpClient from "effect/http/HttpClient"
import * as CliFailure from "./failure.ts"
import * as ExitCode from "./exitCode.ts"
import * as Output from "./output.ts"
import * as Progress from "./progress.ts"

const barMillis = 100
const lineMillis = 5000

const clear = "\r\u001b[K"

const number = (text: string | undefined) => (text === undefined || text === "" ? Number.NaN : Number(text))
const known = <Name extends string>(name: Name, value: number) => (Number.isFinite(value) ? { [name]: value } : {})

/** The texts of a job, and its exit code. */
export interface Ending {
  readonly json: (now: number) => object
  readonly text: (now: number) => string
  readonly exitCode: () => number
}

export const make = Effect.fnUntraced(function* (state: Progress.State, json: boolean) {
  const { stderr, stderrIsTerminal, stdout, stdoutIsTerminal } = yield* Stdio.Stdio
  const term = yield* Config.option(Config.String("TERM"))
  const noColor = yield* Config.option(Config.String("NO_COLOR"))
  const isBar = !json && (yield* stderrIsTerminal) && !Option.contains(term, "dumb")
  const isShared = isBar && (yield* stdoutIsTerminal)
  const colors = Option.isNone(noColor) || noColor.value === ""
  // A slow reader slows the job down instead of filling its memory.
  const toStdout = (text: string) =>
    Effect.mapError(Stream.run(Stream.make(text), stdout()), (error) => CliFailure.cannotWrite("outcomes", error))
  // Progress may be lost.
  const toStderr = (text: string) => Effect.ignore(Stream.run(Stream.make(text), stderr()))

  const show = Effect.fnUntraced(function* (ending: Ending) {
    const now = yield* Clock.currentTimeMillis
    yield* toStderr(
      isBar
        ? clear + Progress.bar(state, now, process.stderr.columns || 80, colors)
        : `${json ? Output.printable(JSON.stringify({ _tag: "Progress", ...ending.json(now) })) : Progress.line(state, now)}\n`
    )
  })

  const summarize = Effect.fnUntraced(function* (ending: Ending) {
    const now = yield* Clock.currentTimeMillis
    const text = json ? Output.printable(JSON.stringify({ _tag: "Summary", ...ending.json(now) })) : ending.text(now)
    yield* toStderr(`${isBar ? clear : ""}${text}\n`)
  })

  const print = (values: ReadonlyArray<Schema.Json>) =>
    Effect.andThen(
      // The bar is cleared before each line.
      isShared ? toStderr(clear) : Effect.void,
      toStdout(values.map((value) => `${Output.printable(JSON.stringify(value))}\n`).join(""))
    )

  return {
    /** Reads the rate-limit headers. */
    watch: HttpClient.tap(({ headers }) =>
      Effect.sync(() => {
        state.quota = {
          ...state.quota,
          ...known("remaining", number(headers["x-ratelimit-remaining"])),
          ...known("intervalMillis", number(headers["x-ratelimit-interval-milliseconds"])),
          ...known("max", number(headers["x-ratelimit-max"])),
          ...known("daily", number(headers["x-ratelimit-daily-remaining"]))
        }
      })
    ),

    /** Prints values to stdout, one per line. */
    print,

    /**
     * Prints progress while a job runs, then its summary, and returns the worst exit code.
     * An interruption stops the job: requests in flight finish and are reported.
     */
    follow: <E, R>(job: Effect.Effect<void, E, R>, stop: Deferred.Deferred<void>, ending: Ending) =>
      Effect.gen(function* () {
        const shown = isBar
          ? Effect.andThen(show(ending), Effect.sleep(barMillis))
          : Effect.delay(show(ending), lineMillis)
        yield* Effect.forkScoped(Effect.forever(shown))
        const fiber = yield* Effect.forkChild(job)
        yield* Effect.onInterrupt(Fiber.join(fiber), () => {
          const text = json
            ? JSON.stringify({ _tag: "Stopping" })
            : "Finishing in-flight requests. Press Ctrl-C again to quit now."
          return toStderr(`${isBar ? clear : ""}${text}\n`).pipe(
            Effect.andThen(Deferred.succeed(stop, undefined)),
            Effect.andThen(Fiber.await(fiber))
          )
        })
      }).pipe(
        Effect.scoped,
        // A job that could not start has no summary.
        Effect.onExit((exit) => (Exit.isFailure(exit) && Progress.isEmpty(state) ? Effect.void : summarize(ending))),
        Effect.andThen(
          Effect.suspend(() => {
            const code = ending.exitCode()
            return code === ExitCode.done
              ? Effect.void
              : // It has been printed already.
                Effect.fail(new CliFailure.CliFailure({ exitCode: code, text: "", json: null }))
          })
        )
      )
  }
})
