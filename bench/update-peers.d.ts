import type { Update } from "./update-clients.ts"

type Call = (update: Update) => Promise<unknown>

export const official: (baseUrl: string, token: string, version: string) => Promise<Call>
export const gnosticdev: (baseUrl: string, token: string, version: string) => Promise<Call>
