/** What a job of many updates knows of one of them while it runs. */
import * as Context from "effect/Context"

export interface Course {
  /** How many requests were sent so far. */
  attempts: number
}

/**
 * Given by a job to an update of its own. Such an update is told to stop by an
 * interruption, and does so between its requests, but not within one: what was
 * sent comes to its end, and its outcome is known.
 */
export const Course = Context.Reference<Course | undefined>("effect-highlevel/internal/course/Course", {
  defaultValue: () => undefined
})
