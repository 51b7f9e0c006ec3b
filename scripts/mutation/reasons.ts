/** Why a mutant that no test finds is left: read one by one. */
export interface Reason {
  readonly file: string
  /** The line of code that the change starts in. */
  readonly code: string
  /** The replacement; without it, the reason is for every survivor of the line. */
  readonly change?: string
  readonly reason: string
}

export const reasons: ReadonlyArray<Reason> = []
