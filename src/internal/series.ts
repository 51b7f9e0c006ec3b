/** The series of a metric by the value of one attribute, each made once: making one costs more than counting. */
import type * as Context from "effect/Context"
import * as Metric from "effect/Metric"

export const by = <Input>(metric: Metric.Metric<Input, unknown>, attribute: string) => {
  // As many as the registry of metrics keeps anyway.
  const series = new Map<string, Metric.Metric<Input, unknown>>()
  return (value: string, input: Input, context: Context.Context<never>): void => {
    let known = series.get(value)
    if (known === undefined) {
      known = Metric.withAttributes(metric, { [attribute]: value })
      series.set(value, known)
    }
    known.updateUnsafe(input, context)
  }
}
