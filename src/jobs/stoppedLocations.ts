/** Locations of which nothing more is sent: HighLevel refuses their token, its scope or the `Version`. */
import * as HighLevelError from "../client/HighLevelError.ts"
import type { Sent } from "./Outcome.ts"

export const make = () => {
  /** Refused once. One refusal may be of that conversation; the next update shows it. */
  const suspected = new Set<string>()
  const stopped = new Map<string, HighLevelError.HighLevelError>()

  return {
    /** Why nothing more is sent of a location, or undefined. */
    reason: (locationId: string) => stopped.get(locationId),

    /** Lets the updates of a location pass again. */
    resume: (locationId: string) => {
      stopped.delete(locationId)
    },

    /** Takes in how an update ended, and returns whether its location is stopped by it. */
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
