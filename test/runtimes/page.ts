/** The smoke program in a page: it tells the server that the page came from what it saw. */
import { smoke } from "./smoke.ts"

const seen = await smoke(location.origin).catch((error: unknown) => [String(error)])
await fetch("/seen", { method: "POST", body: JSON.stringify(seen) })
