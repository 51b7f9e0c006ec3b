/** The locations that are stopped because HighLevel rejects their token, its scope or the `Version`. */
import * as HighLevelError from "../client/HighLevelError.ts"
import type { Sent } from "./Outcome.ts"

export const make = () => {
  /** Rejected once. That may be due to one conversation; the next update shows it. */
  const suspected = new Set<string>()
  const stopped = new Map<string, HighLevelError.HighLevelError>()

  return {
    /** Why a location is stopped, or undefined. */
    reason: (locationId: string) => stopped.get(locationId),

    /** Resumes a location. */
    resume: (locationId: string) => {
      stopped.delete(locationId)
    },

    /** Records the outcome of an update, and returns whether it stops its location. */
    stops: (sent: Sent<unknown>): boolean => {
      const { locationId } = sent.update
      if (sent._tag !== "Failed" || sent.error._tag === "InvalidRequest") {
        if (sent._tag === "Applied") suspected.delete(locationId)
        return false
      }
      const { error } = sent
      const isStopped =
        error._tag === "DailyLimitExceeded" || (HighLevelError.isConfiguration(error) && suspected.has(locationId))
      if (isStopped) stopped.set(locationId, error)
      else if (HighLevelError.isConfiguration(error)) suspected.add(locationId)
      else suspected.delete(locationId)
      return isStopped
    }
  }
}
