// The package's own types do not resolve under `module: NodeNext`.
declare module "@pactflow/openapi-pact-comparator" {
  export interface Result {
    readonly type: "error" | "warning" | "info"
    readonly code: string
    readonly message: string
    readonly mockDetails?: { readonly interactionDescription?: string; readonly location: string }
  }
  export class Comparator {
    constructor(options: { readonly oas: unknown })
    compare(pact: unknown): AsyncGenerator<Result>
  }
}
