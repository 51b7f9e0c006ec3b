export interface Mutant {
  readonly id: string
  readonly fileName: string
  readonly mutatorName: string
  readonly replacement: string
  /** Set for a mutant that no run tries. */
  readonly status: "Ignored" | undefined
  /** Lines and columns from zero. */
  readonly location: {
    readonly start: { readonly line: number; readonly column: number }
    readonly end: { readonly line: number; readonly column: number }
  }
}

export declare const instrument: (
  files: ReadonlyArray<{ readonly name: string; readonly content: string }>
) => Promise<{
  readonly files: ReadonlyArray<{ readonly name: string; readonly content: string }>
  readonly mutants: ReadonlyArray<Mutant>
}>
