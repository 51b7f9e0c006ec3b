/** The smoke program as a Worker: it answers with what it saw. */
import { smoke } from "./smoke.ts"

export default {
  fetch: async (request: Request) => {
    const baseUrl = new URL(request.url).searchParams.get("sandbox") ?? ""
    return Response.json(await smoke(baseUrl).catch((error: unknown) => [String(error)]))
  }
}
