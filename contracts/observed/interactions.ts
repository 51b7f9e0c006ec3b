import type { Interaction } from "../interaction.ts"
export const interactions: ReadonlyArray<Interaction> = []
